import type { ReplyContext } from '../codec.ts';
import { wrapInput } from '../custom-tools.ts';
import type { ChatEvent, FinishReason, JsonRecord, Signature, Usage } from '../ir.ts';
import { writeCitation } from './citations.ts';
import { writeFinish } from './finish.ts';
import type { WireEvent } from './frame.ts';
import { writeUsage } from './usage.ts';
import { UNSIGNED } from './unsigned.ts';

/** A content block that has not been told whole. */
type Waiting = {
  readonly kind: 'text' | 'thinking' | 'call' | 'whole';
  /** As it opens. */
  readonly block: JsonRecord;
  readonly deltas: JsonRecord[];
  /** Of a call: its count. */
  readonly call: number | null;
  /** What ends the input of a call whose text is wrapped. */
  readonly tail: string;
  isOpened: boolean;
  isDone: boolean;
  /** Of thoughts: by this protocol's own vendor. */
  isSigned: boolean;
};

/**
 * Neutral events as a message's events. Blocks never interleave: only the first that is not done is told live, and what
 * comes up meanwhile waits behind it.
 */
export class MessageWriter {
  readonly #context: ReplyContext;
  readonly #warnings = new Set<string>();
  readonly #waiting: Waiting[] = [];
  #out: WireEvent[] = [];
  #isStarted = false;
  #index = 0;
  #hasCall = false;
  #finish: FinishReason | null = null;
  #usage: Usage | null = null;

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  /** What could not be told. */
  get warnings(): readonly string[] {
    return [...this.#warnings];
  }

  push(event: ChatEvent): readonly WireEvent[] {
    switch (event.type) {
      case 'start':
        this.#start(event.id, event.model);
        break;
      case 'usage':
        this.#usage = event.usage;
        break;
      default:
        this.#start(null, null);
        // The protocol has one answer.
        if (event.choice === 0) this.#add(event);
        else this.#warnings.add('further choices removed');
        this.#advance();
    }
    return this.#take();
  }

  /** The stop reason waits until here: usage comes behind it in most protocols, and both are told in one event, once. */
  end(): readonly WireEvent[] {
    this.#start(null, null);
    for (const waiting of this.#waiting) this.#done(waiting);
    this.#advance();
    const delta = writeFinish(this.#finish, this.#hasCall);
    this.#out.push({ type: 'message_delta', delta, usage: writeUsage(this.#usage) }, { type: 'message_stop' });
    return this.#take();
  }

  #take(): readonly WireEvent[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #start(id: string | null, model: string | null): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { seed, model: asked } = this.#context;
    const message = {
      id: id?.startsWith('msg_') ? id : `msg_${seed}`,
      type: 'message',
      role: 'assistant',
      model: model ?? asked,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: writeUsage(null),
    };
    this.#out.push({ type: 'message_start', message });
  }

  #add(event: Exclude<ChatEvent, { type: 'start' | 'usage' }>): void {
    switch (event.type) {
      case 'text-delta':
      case 'refusal-delta':
        if (event.text !== '') this.#text().deltas.push({ type: 'text_delta', text: event.text });
        return;
      case 'citation': {
        const citation = writeCitation(event.citation);
        const last = this.#last('text');
        if (citation && last) last.deltas.push({ type: 'citations_delta', citation });
        else this.#warnings.add('citations removed');
        return;
      }
      case 'reasoning-delta':
        if (event.text !== '') this.#thinking().deltas.push({ type: 'thinking_delta', thinking: event.text });
        return;
      case 'reasoning-signature':
        this.#sign(event.signature);
        return;
      case 'reasoning-break': {
        const last = this.#last('thinking');
        if (last) this.#done(last);
        return;
      }
      case 'redacted-reasoning':
        if (event.signature.protocol !== 'anthropic-messages') return;
        this.#whole({ type: 'redacted_thinking', data: event.signature.value });
        return;
      case 'tool-call-start': {
        const { call, id, name, kind } = event;
        this.#hasCall = true;
        const block = {
          type: 'tool_use',
          id: id === '' ? `toolu_${this.#context.seed}_${call}` : id,
          name: name === '' ? `tool_${call}` : name,
          input: {},
        };
        const [head, tail] = kind === 'custom' ? wrapping() : ['', ''];
        const waiting = this.#open('call', block, call, tail);
        if (head !== '') waiting.deltas.push({ type: 'input_json_delta', partial_json: head });
        return;
      }
      case 'tool-call-delta': {
        const waiting = this.#callOf(event.call);
        if (!waiting || event.text === '') return;
        const text = waiting.tail === '' ? event.text : JSON.stringify(event.text).slice(1, -1);
        waiting.deltas.push({ type: 'input_json_delta', partial_json: text });
        return;
      }
      case 'tool-call-end': {
        const waiting = this.#callOf(event.call);
        if (waiting) this.#done(waiting);
        return;
      }
      case 'foreign':
        if (event.part.protocol === 'anthropic-messages') this.#whole(event.part.value);
        else this.#warnings.add(`${event.part.name} removed`);
        return;
      case 'media':
        this.#warnings.add(`${event.part.type} removed`);
        return;
      // Another protocol's; this one signs no text.
      case 'text-signature':
        return;
      case 'finish':
        this.#finish = event.finish;
        return;
    }
  }

  #sign(signature: Signature): void {
    const isOwn = signature.protocol === 'anthropic-messages';
    const waiting = isOwn ? this.#thinking() : this.#last('thinking');
    if (waiting) {
      if (isOwn) waiting.deltas.push({ type: 'signature_delta', signature: signature.value });
      waiting.isSigned = isOwn;
      this.#done(waiting);
    }
  }

  #text(): Waiting {
    return this.#last('text') ?? this.#open('text', { type: 'text', text: '' });
  }

  #thinking(): Waiting {
    return this.#last('thinking') ?? this.#open('thinking', { type: 'thinking', thinking: '', signature: '' });
  }

  #whole(block: JsonRecord): void {
    this.#done(this.#open('whole', block));
  }

  /** The last block, if it is of this kind and can grow. */
  #last(kind: Waiting['kind']): Waiting | null {
    const last = this.#waiting.at(-1);
    return last?.kind === kind && !last.isDone ? last : null;
  }

  #callOf(call: number): Waiting | undefined {
    return this.#waiting.find((waiting) => waiting.call === call && !waiting.isDone);
  }

  /** A change of kind ends what was said before, calls excepted: they say themselves when they are whole. */
  #open(kind: Waiting['kind'], block: JsonRecord, call: number | null = null, tail = ''): Waiting {
    for (const before of this.#waiting) if (before.kind !== 'call') this.#done(before);
    const waiting: Waiting = { kind, block, deltas: [], call, tail, isOpened: false, isDone: false, isSigned: false };
    this.#waiting.push(waiting);
    return waiting;
  }

  #done(waiting: Waiting): void {
    if (waiting.isDone) return;
    waiting.isDone = true;
    if (waiting.kind === 'thinking' && !waiting.isSigned) {
      waiting.deltas.push({ type: 'signature_delta', signature: UNSIGNED });
    }
    if (waiting.tail !== '') waiting.deltas.push({ type: 'input_json_delta', partial_json: waiting.tail });
  }

  /** Tells the first block as far as it goes, and those behind it once it is whole. */
  #advance(): void {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const index = this.#index;
      if (!first.isOpened) this.#out.push({ type: 'content_block_start', index, content_block: first.block });
      first.isOpened = true;
      for (const delta of first.deltas.splice(0)) this.#out.push({ type: 'content_block_delta', index, delta });
      if (!first.isDone) return;
      this.#out.push({ type: 'content_block_stop', index });
      this.#waiting.shift();
      this.#index++;
    }
  }
}

/** What stands around the free text of a custom tool in its function's arguments. */
function wrapping(): readonly [string, string] {
  const empty = wrapInput('');
  const at = empty.lastIndexOf('""') + 1;
  return [empty.slice(0, at), empty.slice(at)];
}
