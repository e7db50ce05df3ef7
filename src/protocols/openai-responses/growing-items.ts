import type { JsonRecord } from '../ir.ts';
import type { EventSequence } from './event-sequence.ts';

/**
 * Output items while they are being said, each with the frames that its protocol wants, in their order: added, its parts
 * opened, growing and closed, done. The one place that knows these orders.
 */

export type ItemStatus = 'completed' | 'incomplete';

type Place = { readonly events: EventSequence; readonly outputIndex: number; readonly id: string };

type TextContent = {
  readonly type: 'output_text';
  readonly annotations: JsonRecord[];
  readonly logprobs: JsonRecord[];
  text: string;
};
type RefusalContent = { readonly type: 'refusal'; refusal: string };

/** A message: text and refusals. */
export class MessageItem {
  readonly outputIndex: number;
  readonly #place: Place;
  readonly #content: (TextContent | RefusalContent)[] = [];
  #isPartOpen = false;

  constructor(place: Place) {
    this.#place = place;
    this.outputIndex = place.outputIndex;
  }

  open(): string {
    return added(this.#place, { ...this.#head('in_progress'), content: [] });
  }

  text(delta: string, logprobs: readonly JsonRecord[] = []): string {
    const frames = this.#part('output_text');
    const part = this.#content.at(-1);
    if (part?.type === 'output_text') part.text += delta;
    this.likely(logprobs);
    return delta === '' ? frames : frames + this.#frame('response.output_text.delta', { delta, logprobs });
  }

  /** Log probabilities that come behind the last words: they stand where the text is told whole. */
  likely(logprobs: readonly JsonRecord[]): void {
    const part = this.#content.at(-1);
    if (part?.type === 'output_text') for (const logprob of logprobs) part.logprobs.push(logprob);
  }

  refusal(delta: string): string {
    const frames = this.#part('refusal');
    const part = this.#content.at(-1);
    if (part?.type === 'refusal') part.refusal += delta;
    return delta === '' ? frames : frames + this.#frame('response.refusal.delta', { delta });
  }

  /** How much text the open part holds; null when no text is open. */
  get textLength(): number | null {
    const part = this.#isPartOpen ? this.#content.at(-1) : undefined;
    return part?.type === 'output_text' ? part.text.length : null;
  }

  annotate(annotation: JsonRecord): string {
    const part = this.#content.at(-1);
    if (!this.#isPartOpen || part?.type !== 'output_text') return '';
    const annotationIndex = part.annotations.push(annotation) - 1;
    const fields = { annotation_index: annotationIndex, annotation };
    return this.#frame('response.output_text.annotation.added', fields);
  }

  /** `whole`: the part as it is to stand, where more is known of it than what was said. */
  closePart(whole?: JsonRecord): string {
    const part = this.#content.at(-1);
    if (!this.#isPartOpen || !part) return '';
    const done =
      part.type === 'output_text'
        ? this.#frame('response.output_text.done', { text: part.text, logprobs: part.logprobs })
        : this.#frame('response.refusal.done', { refusal: part.refusal });
    const frames = done + this.#frame('response.content_part.done', { part: whole ?? part });
    this.#isPartOpen = false;
    return frames;
  }

  close(status: ItemStatus, whole?: JsonRecord): Closed {
    const frames = this.closePart();
    const item = whole ?? { ...this.#head(status), content: this.#content };
    return { item, frames: frames + itemDone(this.#place, item) };
  }

  #head(status: string): JsonRecord {
    return { id: this.#place.id, type: 'message', status, role: 'assistant' };
  }

  #part(type: 'output_text' | 'refusal'): string {
    if (this.#isPartOpen && this.#content.at(-1)?.type === type) return '';
    const frames = this.closePart();
    const part: TextContent | RefusalContent =
      type === 'output_text' ? { type, annotations: [], logprobs: [], text: '' } : { type, refusal: '' };
    this.#content.push(part);
    this.#isPartOpen = true;
    return frames + this.#frame('response.content_part.added', { part });
  }

  #frame(type: string, fields: JsonRecord): string {
    const { events, outputIndex, id } = this.#place;
    return events.frame(type, {
      item_id: id,
      output_index: outputIndex,
      content_index: this.#content.length - 1,
      ...fields,
    });
  }
}

/** Reasoning: paragraphs of a summary. */
export class ReasoningItem {
  readonly outputIndex: number;
  readonly #place: Place;
  readonly #summary: { readonly type: 'summary_text'; text: string }[] = [];
  #isPartOpen = false;

  constructor(place: Place) {
    this.#place = place;
    this.outputIndex = place.outputIndex;
  }

  open(): string {
    return added(this.#place, { id: this.#place.id, type: 'reasoning', summary: [] });
  }

  say(delta: string): string {
    let frames = '';
    if (!this.#isPartOpen) {
      this.#summary.push({ type: 'summary_text', text: '' });
      this.#isPartOpen = true;
      frames = this.#frame('response.reasoning_summary_part.added', { part: { type: 'summary_text', text: '' } });
    }
    const part = this.#summary.at(-1);
    if (part) part.text += delta;
    return frames + this.#frame('response.reasoning_summary_text.delta', { delta });
  }

  /** What follows is another paragraph. */
  closePart(): string {
    const part = this.#summary.at(-1);
    if (!this.#isPartOpen || !part) return '';
    this.#isPartOpen = false;
    return (
      this.#frame('response.reasoning_summary_text.done', { text: part.text }) +
      this.#frame('response.reasoning_summary_part.done', { part })
    );
  }

  /** `encrypted`: its vendor's own form of it, for the next request. */
  close(encrypted: string | null, whole?: JsonRecord): Closed {
    const frames = this.closePart();
    const item = whole ?? {
      id: this.#place.id,
      type: 'reasoning',
      summary: this.#summary,
      ...(encrypted !== null && { encrypted_content: encrypted }),
    };
    return { item, frames: frames + itemDone(this.#place, item) };
  }

  #frame(type: string, fields: JsonRecord): string {
    const { events, outputIndex, id } = this.#place;
    const summaryIndex = this.#summary.length - 1;
    return events.frame(type, { item_id: id, output_index: outputIndex, summary_index: summaryIndex, ...fields });
  }
}

/** A call of one of the client's tools. */
export class CallItem {
  readonly outputIndex: number;
  readonly isCustom: boolean;
  readonly #place: Place;
  readonly #head: JsonRecord;
  #text = '';

  constructor(
    place: Place,
    call: {
      readonly isCustom: boolean;
      readonly callId: string;
      readonly name: string;
      readonly namespace: string | null;
    },
  ) {
    this.#place = place;
    this.outputIndex = place.outputIndex;
    this.isCustom = call.isCustom;
    this.#head = {
      id: place.id,
      type: call.isCustom ? 'custom_tool_call' : 'function_call',
      call_id: call.callId,
      name: call.name,
      ...(call.namespace !== null && { namespace: call.namespace }),
    };
  }

  open(): string {
    return added(this.#place, this.#item('in_progress', ''));
  }

  say(delta: string): string {
    this.#text += delta;
    if (delta === '') return '';
    return this.#frame(this.isCustom ? 'custom_tool_call_input.delta' : 'function_call_arguments.delta', { delta });
  }

  /** Nothing of it has been said. */
  get isEmpty(): boolean {
    return this.#text === '';
  }

  close(status: ItemStatus, whole?: JsonRecord): Closed {
    const frames = this.isCustom
      ? this.#frame('custom_tool_call_input.done', { input: this.#text })
      : this.#frame('function_call_arguments.done', { name: this.#head.name, arguments: this.#text });
    const item = whole ?? this.#item(status, this.#text);
    return { item, frames: frames + itemDone(this.#place, item) };
  }

  #item(status: string, text: string): JsonRecord {
    return { ...this.#head, status, ...(this.isCustom ? { input: text } : { arguments: text }) };
  }

  #frame(type: string, fields: JsonRecord): string {
    const { events, outputIndex, id } = this.#place;
    return events.frame(`response.${type}`, { item_id: id, output_index: outputIndex, ...fields });
  }
}

/** An item that comes at once, such as an image or a call of a vendor's own tool. */
export function wholeItem(events: EventSequence, outputIndex: number, item: JsonRecord): string {
  const id = typeof item.id === 'string' ? item.id : '';
  const place = { events, outputIndex, id };
  if (item.type !== 'image_generation_call') return added(place, item) + itemDone(place, item);
  const step = (name: string) =>
    events.frame(`response.image_generation_call.${name}`, { item_id: id, output_index: outputIndex });
  return (
    added(place, { ...item, status: 'in_progress', result: null }) +
    step('in_progress') +
    step('generating') +
    step('completed') +
    itemDone(place, item)
  );
}

/** A closed item as it stands in the response, and the frames that say so. */
export type Closed = { readonly item: JsonRecord; readonly frames: string };

function added({ events, outputIndex }: Place, item: JsonRecord): string {
  return events.frame('response.output_item.added', { output_index: outputIndex, item });
}

function itemDone({ events, outputIndex }: Place, item: JsonRecord): string {
  return events.frame('response.output_item.done', { output_index: outputIndex, item });
}
