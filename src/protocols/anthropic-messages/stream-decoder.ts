import { isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import type { DecodeContext, StreamDecoder } from '../codec.ts';
import type { ChatEvent, ChatReply, FinishReason, JsonRecord } from '../ir.ts';
import { ReplyBuilder } from '../reply-builder.ts';
import { answerText, isWrappedAnswer } from './answer-tool.ts';
import { readCitation } from './citations.ts';
import { extend, withInput } from './collect.ts';
import { readFinish } from './finish.ts';
import { foreignPart } from './read-parts.ts';
import { messageEvents } from './stream-of.ts';
import { counted, NOTHING_COUNTED, usageOf } from './usage.ts';
import { UNSIGNED } from './unsigned.ts';

/** A content block that is being said. */
type Open =
  | { readonly kind: 'text'; readonly start: number; readonly citations: JsonRecord[] }
  | { readonly kind: 'thinking'; signature: string }
  | { readonly kind: 'call'; readonly call: number; readonly input: unknown; isGrown: boolean }
  /** The tool that stands in for structured output. */
  | { readonly kind: 'answer'; readonly tool: string; readonly input: unknown; json: string }
  | { readonly kind: 'foreign'; readonly block: Record<string, unknown>; json: string };

export const streamDecoder = (context: DecodeContext): StreamDecoder => new MessageReader(context);

/** A whole message, by way of the stream that would have said it. */
export function decodeReply(reply: JsonRecord, context: DecodeContext): ChatReply {
  const reader = new MessageReader(context);
  const builder = new ReplyBuilder();
  for (const json of messageEvents(reply)) for (const event of reader.push({ json })) builder.push(event);
  for (const event of reader.end()) builder.push(event);
  return builder.reply();
}

class MessageReader implements StreamDecoder {
  readonly #context: DecodeContext;
  readonly #open = new Map<number, Open>();
  #events: ChatEvent[] = [];
  #counts = NOTHING_COUNTED;
  #isStarted = false;
  #calls = 0;
  /** Characters of the text that is growing: citations are told by their place in it. */
  #textLength = 0;
  /** Thoughts were said whose end no signature marks. */
  #isThoughtOpen = false;
  /** With an answer tool, words before its call are no part of the answer; without that call they are all of it. */
  #heldText = '';
  #isAnswered = false;
  #finish: FinishReason | null = null;
  #isUsageTold = false;

  constructor(context: DecodeContext) {
    this.#context = context;
  }

  push({ json }: { readonly json: unknown }): readonly ChatEvent[] {
    if (isObject(json)) this.#read(json);
    return this.#take();
  }

  end(): readonly ChatEvent[] {
    this.#start({});
    if (!this.#finish) this.#end(null, null, null);
    this.#tellUsage(false);
    return this.#take();
  }

  #take(): readonly ChatEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #read(event: JsonRecord): void {
    const index = typeof event.index === 'number' ? event.index : 0;
    switch (event.type) {
      case 'message_start': {
        const message = isObject(event.message) ? event.message : {};
        this.#counts = counted(this.#counts, message.usage);
        this.#start(message);
        return;
      }
      case 'content_block_start':
        this.#start({});
        this.#close(index);
        if (isObject(event.content_block)) this.#begin(index, event.content_block);
        return;
      case 'content_block_delta':
        if (isObject(event.delta)) this.#grow(index, event.delta);
        return;
      case 'content_block_stop':
        this.#close(index);
        return;
      case 'message_delta': {
        this.#counts = counted(this.#counts, event.usage);
        const delta = isObject(event.delta) ? event.delta : {};
        const reason = textOr(delta.stop_reason);
        if (reason !== null && !this.#finish) {
          const explanation = isObject(delta.stop_details) ? textOr(delta.stop_details.explanation) : null;
          this.#end(reason, textOr(delta.stop_sequence), explanation);
        }
        this.#tellUsage(true);
        return;
      }
    }
  }

  #start(message: JsonRecord): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#events.push({ type: 'start', id: textOr(message.id), model: textOr(message.model), created: null });
  }

  #begin(index: number, block: JsonRecord): void {
    switch (block.type) {
      case 'text':
        this.#open.set(index, { kind: 'text', start: this.#textLength, citations: objectsIn(block.citations).slice() });
        this.#say(textOr(block.text) ?? '');
        return;
      case 'thinking':
        this.#open.set(index, { kind: 'thinking', signature: textOr(block.signature) ?? '' });
        if (this.#isThoughtOpen) this.#emit({ type: 'reasoning-break', choice: 0 });
        this.#think(textOr(block.thinking) ?? '');
        return;
      case 'redacted_thinking': {
        const value = textOr(block.data);
        const signature = { protocol: 'anthropic-messages', value: value ?? '' } as const;
        if (value !== null) this.#emit({ type: 'redacted-reasoning', choice: 0, signature });
        return;
      }
      case 'tool_use':
        this.#call(index, block);
        return;
      default:
        this.#open.set(index, { kind: 'foreign', block: { ...block }, json: '' });
    }
  }

  #call(index: number, block: JsonRecord): void {
    const name = textOr(block.name) ?? '';
    if (name !== '' && name === this.#context.answerTool) {
      if (!this.#isAnswered) this.#open.set(index, { kind: 'answer', tool: name, input: block.input, json: '' });
      this.#isAnswered = true;
      return;
    }
    this.#release();
    const call = this.#calls++;
    this.#open.set(index, { kind: 'call', call, input: block.input, isGrown: false });
    const id = textOr(block.id) || `toolu_${this.#context.seed}_${call}`;
    const known = this.#context.toolNames.get(name) ?? name;
    this.#emit({ type: 'tool-call-start', choice: 0, call, id, name: known, kind: 'function' });
  }

  #grow(index: number, delta: JsonRecord): void {
    const open = this.#open.get(index) ?? this.#unannounced(index, delta);
    switch (open?.kind) {
      case 'text':
        if (isObject(delta.citation)) open.citations.push(delta.citation);
        this.#say(textOr(delta.text) ?? '');
        return;
      case 'thinking':
        this.#think(textOr(delta.thinking) ?? '');
        open.signature = textOr(delta.signature) ?? open.signature;
        return;
      case 'call': {
        const text = textOr(delta.partial_json) ?? '';
        if (text === '') return;
        open.isGrown = true;
        this.#emit({ type: 'tool-call-delta', choice: 0, call: open.call, text });
        return;
      }
      case 'answer': {
        const text = textOr(delta.partial_json) ?? '';
        open.json += text;
        if (text !== '' && !isWrappedAnswer(open.tool)) this.#emit({ type: 'text-delta', choice: 0, text });
        return;
      }
      case 'foreign':
        if (delta.type === 'input_json_delta') open.json += textOr(delta.partial_json) ?? '';
        else extend(open.block, delta);
        return;
    }
  }

  /** Some compatible servers leave out that a block begins. */
  #unannounced(index: number, delta: JsonRecord): Open | undefined {
    if (delta.type === 'text_delta') this.#begin(index, { type: 'text' });
    else if (delta.type === 'thinking_delta') this.#begin(index, { type: 'thinking' });
    return this.#open.get(index);
  }

  #close(index: number): void {
    const open = this.#open.get(index);
    this.#open.delete(index);
    switch (open?.kind) {
      case 'text': {
        const range = { start: open.start, end: this.#textLength };
        for (const value of open.citations) this.#cite(value, range);
        return;
      }
      case 'thinking': {
        if (open.signature === '' || open.signature === UNSIGNED) return;
        const signature = { protocol: 'anthropic-messages', value: open.signature } as const;
        this.#emit({ type: 'reasoning-signature', choice: 0, signature });
        return;
      }
      case 'call': {
        const { call, input } = open;
        // Compatible servers send the input whole, where the block begins.
        const isWhole = !open.isGrown && isObject(input) && Object.keys(input).length > 0;
        if (isWhole) this.#emit({ type: 'tool-call-delta', choice: 0, call, text: JSON.stringify(input) });
        else if (!open.isGrown) this.#emit({ type: 'tool-call-delta', choice: 0, call, text: '{}' });
        this.#emit({ type: 'tool-call-end', choice: 0, call });
        return;
      }
      case 'answer': {
        const { tool, json, input } = open;
        const isTold = json !== '' && !isWrappedAnswer(tool);
        const text = answerText(tool, json === '' && isObject(input) ? JSON.stringify(input) : json);
        if (!isTold) this.#emit({ type: 'text-delta', choice: 0, text });
        return;
      }
      case 'foreign':
        this.#emit({ type: 'foreign', choice: 0, part: foreignPart(withInput(open.block, open.json)) });
        return;
    }
  }

  #say(text: string): void {
    if (text === '' || this.#isAnswered) return;
    if (this.#context.answerTool === null) this.#emit({ type: 'text-delta', choice: 0, text });
    else this.#heldText += text;
  }

  #think(text: string): void {
    if (text !== '') this.#emit({ type: 'reasoning-delta', choice: 0, text });
  }

  #cite(value: JsonRecord, range: { readonly start: number; readonly end: number }): void {
    if (this.#context.answerTool === null)
      this.#emit({ type: 'citation', choice: 0, citation: readCitation(value, range) });
  }

  /** The answer tool was not called: what was said before is the answer. */
  #release(): void {
    const text = this.#heldText;
    this.#heldText = '';
    if (text !== '' && !this.#isAnswered) this.#emit({ type: 'text-delta', choice: 0, text });
  }

  #end(reason: string | null, stopSequence: string | null, explanation: string | null): void {
    for (const index of [...this.#open.keys()].sort((a, b) => a - b)) this.#close(index);
    this.#release();
    // Why it will not answer stands nowhere else.
    if (explanation) this.#emit({ type: 'refusal-delta', choice: 0, text: explanation });
    const hasCalls = this.#calls > 0;
    const said = reason === null ? null : readFinish(reason, stopSequence);
    let unified = said?.unified ?? 'stop';
    // What counts is whether there is a call: the answer tool's is none, and compatible servers forget to say it.
    if (unified === 'stop' || unified === 'tool-calls') unified = hasCalls ? 'tool-calls' : 'stop';
    this.#finish = { ...said, unified, raw: reason };
    this.#emit({ type: 'finish', choice: 0, finish: this.#finish });
  }

  #tellUsage(isAgain: boolean): void {
    const usage = usageOf(this.#counts);
    if (usage === null || (this.#isUsageTold && !isAgain)) return;
    this.#isUsageTold = true;
    this.#events.push({ type: 'usage', usage });
  }

  #emit(event: ChatEvent): void {
    this.#events.push(event);
    if (event.type === 'text-delta') this.#textLength += event.text.length;
    else if (event.type !== 'citation') this.#textLength = 0;
    this.#isThoughtOpen = event.type === 'reasoning-delta';
  }
}
