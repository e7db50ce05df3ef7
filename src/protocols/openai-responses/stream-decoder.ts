import { countOr, isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import type { DecodeContext, StreamDecoder } from '../codec.ts';
import type { ChatEvent, FinishReason, JsonRecord } from '../ir.ts';
import { readLogprobs } from '../openai-logprobs.ts';
import { replyEvents } from '../reply-events.ts';
import { citationOf } from './annotations.ts';
import { headOf, replyNames } from './decode-reply.ts';
import { finishReason } from './finish.ts';
import { assistantParts, callPart, type ItemNames } from './read-item.ts';
import { isEnd } from './terminal-events.ts';
import { readUsage } from './usage.ts';

/** What has been heard of one output item. */
type Heard = {
  /** Something of it was passed on, so that its whole form brings only the rest. */
  isSaid: boolean;
  /** The count of the call that it is; null while it is none, or not yet opened. */
  call: number | null;
  isClosed: boolean;
  /** How many log probabilities came with the pieces of the text that is open. */
  logprobs: number;
  annotations: number;
  /** Where its thoughts come from, and which paragraph: a summary and the full text are not both told. */
  thoughts: { readonly from: 'summary' | 'text'; readonly part: number } | null;
};

const CHOICE = 0;

export function streamDecoder(context: DecodeContext): StreamDecoder {
  return new Decoder(replyNames(context));
}

class Decoder implements StreamDecoder {
  readonly #names: ItemNames;
  readonly #items = new Map<unknown, Heard>();
  #calls = 0;
  #isStarted = false;
  #finish: FinishReason | null = null;
  /** The last event of content was of reasoning that nothing has closed. */
  #isThinking = false;

  constructor(names: ItemNames) {
    this.#names = names;
  }

  push({ json }: { readonly json: unknown }): readonly ChatEvent[] {
    if (!isObject(json) || this.#finish) return [];
    const events = [...this.#read(json)];
    if (events.length === 0 || this.#isStarted) return events;
    this.#isStarted = true;
    return [{ type: 'start', id: null, model: null, created: null }, ...events];
  }

  end(): readonly ChatEvent[] {
    if (this.#finish) return [];
    const finish: FinishReason = { unified: 'other', raw: null };
    this.#finish = finish;
    const closed = [...this.#items.values()].flatMap((heard) => [...this.#closeCall(heard)]);
    return [...closed, { type: 'finish', choice: CHOICE, finish }];
  }

  *#read(event: JsonRecord): Generator<ChatEvent> {
    const { response } = event;
    if (!this.#isStarted && isObject(response)) {
      this.#isStarted = true;
      yield { type: 'start', ...headOf(response) };
    }
    if (isEnd(event)) {
      yield* this.#readEnd(isObject(response) ? response : {});
      return;
    }
    const heard = this.#heard(event);
    const delta = textOr(event.delta) ?? '';
    switch (event.type) {
      case 'response.output_item.added':
        if (isObject(event.item)) yield* this.#openItem(heard, event.item);
        return;
      case 'response.output_item.done':
        if (isObject(event.item)) yield* this.#readWhole(heard, event.item);
        return;
      case 'response.output_text.delta': {
        const logprobs = readLogprobs(event.logprobs);
        heard.logprobs += logprobs?.length ?? 0;
        yield* this.#say(heard, { type: 'text-delta', choice: CHOICE, text: delta, ...(logprobs && { logprobs }) });
        return;
      }
      case 'response.output_text.done': {
        // Some servers tell them here alone.
        const logprobs = heard.isSaid ? readLogprobs(event.logprobs)?.slice(heard.logprobs) : null;
        heard.logprobs = 0;
        if (logprobs && logprobs.length > 0)
          yield* this.#say(heard, { type: 'text-delta', choice: CHOICE, text: '', logprobs });
        return;
      }
      case 'response.refusal.delta':
        yield* this.#say(heard, { type: 'refusal-delta', choice: CHOICE, text: delta });
        return;
      case 'response.output_text.annotation.added':
        if (!isObject(event.annotation)) return;
        heard.annotations++;
        yield { type: 'citation', choice: CHOICE, citation: citationOf(event.annotation) };
        return;
      case 'response.reasoning_summary_text.delta':
        yield* this.#think(heard, 'summary', countOr(event.summary_index) ?? 0, delta);
        return;
      case 'response.reasoning_text.delta':
        yield* this.#think(heard, 'text', countOr(event.content_index) ?? 0, delta);
        return;
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        yield* this.#argue(heard, delta);
        return;
      case 'response.function_call_arguments.done':
      case 'response.custom_tool_call_input.done':
        // Some servers send no pieces.
        if (!heard.isSaid) yield* this.#argue(heard, textOr(event.arguments) ?? textOr(event.input) ?? '');
        return;
      default:
        return;
    }
  }

  /** By its place, or by its id where a server does not count. */
  #heard(event: JsonRecord): Heard {
    const item = isObject(event.item) ? event.item : {};
    const key = countOr(event.output_index) ?? textOr(event.item_id) ?? textOr(item.id);
    const known = this.#items.get(key);
    if (known) return known;
    const fresh: Heard = {
      isSaid: false,
      call: null,
      isClosed: false,
      logprobs: 0,
      annotations: 0,
      thoughts: null,
    };
    // Events that are about no item leave none behind.
    if (key !== null) this.#items.set(key, fresh);
    return fresh;
  }

  *#say(heard: Heard, event: Extract<ChatEvent, { readonly text: string }>): Generator<ChatEvent> {
    if (event.text === '' && !(event.type === 'text-delta' && event.logprobs)) return;
    heard.isSaid = true;
    this.#isThinking = event.type === 'reasoning-delta';
    yield event;
  }

  *#think(heard: Heard, from: 'summary' | 'text', part: number, text: string): Generator<ChatEvent> {
    if (text === '' || (heard.thoughts && heard.thoughts.from !== from)) return;
    const isSame = heard.thoughts?.part === part;
    if (this.#isThinking && !isSame) yield { type: 'reasoning-break', choice: CHOICE };
    heard.thoughts = { from, part };
    yield* this.#say(heard, { type: 'reasoning-delta', choice: CHOICE, text });
  }

  *#openItem(heard: Heard, item: JsonRecord): Generator<ChatEvent> {
    if (item.type !== 'function_call' && item.type !== 'custom_tool_call') return;
    // Without a name it cannot be opened yet: its whole form has one.
    if (heard.call !== null || !textOr(item.name)) return;
    const { id, name, kind } = callPart(item, this.#names);
    heard.call = this.#calls++;
    this.#isThinking = false;
    yield { type: 'tool-call-start', choice: CHOICE, call: heard.call, id, name, kind };
    yield* this.#argue(heard, textOr(item.type === 'custom_tool_call' ? item.input : item.arguments) ?? '');
  }

  *#argue(heard: Heard, text: string): Generator<ChatEvent> {
    if (heard.call === null || heard.isClosed || text === '') return;
    heard.isSaid = true;
    yield { type: 'tool-call-delta', choice: CHOICE, call: heard.call, text };
  }

  *#closeCall(heard: Heard): Generator<ChatEvent> {
    if (heard.call === null || heard.isClosed) return;
    heard.isClosed = true;
    yield { type: 'tool-call-end', choice: CHOICE, call: heard.call };
  }

  /** An item is whole: what of it has not been said. */
  *#readWhole(heard: Heard, item: JsonRecord): Generator<ChatEvent> {
    if (heard.isClosed) return;
    switch (item.type) {
      case 'function_call':
      case 'custom_tool_call':
        yield* this.#openItem(heard, item);
        if (!heard.isSaid) yield* this.#argue(heard, callPart(item, this.#names).arguments);
        yield* this.#closeCall(heard);
        break;
      case 'message':
        if (!heard.isSaid) yield* this.#sayParts(item);
        else if (heard.annotations === 0) yield* citations(item);
        break;
      case 'reasoning':
        if (!heard.isSaid) yield* this.#sayParts(item);
        else yield* this.#sign(item);
        break;
      default:
        yield* this.#sayParts(item);
    }
    heard.isClosed = true;
  }

  *#sign(item: JsonRecord): Generator<ChatEvent> {
    const signature = assistantParts(item, this.#names).flatMap((part) =>
      part.type === 'reasoning' && part.signature ? part.signature : [],
    )[0];
    if (!signature) return;
    this.#isThinking = false;
    yield { type: 'reasoning-signature', choice: CHOICE, signature };
  }

  *#sayParts(item: JsonRecord): Generator<ChatEvent> {
    const parts = assistantParts(item, this.#names);
    const said = { id: null, model: null, created: null, usage: null };
    const finish: FinishReason = { unified: 'other', raw: null };
    if (this.#isThinking && parts[0]?.type === 'reasoning') yield { type: 'reasoning-break', choice: CHOICE };
    for (const event of replyEvents({ ...said, choices: [{ parts, finish }] })) {
      if (event.type !== 'start' && event.type !== 'finish') yield event;
    }
    const last = parts.at(-1);
    if (last) this.#isThinking = last.type === 'reasoning' && last.signature === null;
  }

  *#readEnd(response: JsonRecord): Generator<ChatEvent> {
    const isEndAlone = this.#items.size === 0;
    for (const [at, item] of objectsIn(response.output).entries()) {
      // Some servers send nothing but the end, or no ends of items.
      const heard = this.#items.get(at) ?? this.#items.get(item.id);
      if (heard || isEndAlone) yield* this.#readWhole(heard ?? this.#heard({ output_index: at }), item);
    }
    for (const heard of this.#items.values()) yield* this.#closeCall(heard);
    const usage = readUsage(response.usage);
    if (usage) yield { type: 'usage', usage };
    this.#finish = finishReason(response, this.#calls > 0);
    yield { type: 'finish', choice: CHOICE, finish: this.#finish };
  }
}

function* citations(item: JsonRecord): Generator<ChatEvent> {
  for (const part of objectsIn(item.content)) {
    for (const annotation of objectsIn(part.annotations)) {
      yield { type: 'citation', choice: CHOICE, citation: citationOf(annotation) };
    }
  }
}
