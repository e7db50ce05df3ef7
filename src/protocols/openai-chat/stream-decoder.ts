import { isObject, numberOr, objectsIn, textOr } from '../../shared/json-shape.ts';
import type { DecodeContext, StreamDecoder } from '../codec.ts';
import type { ChatEvent, Citation, JsonRecord, TokenLogprob } from '../ir.ts';
import { readLogprobs } from '../openai-logprobs.ts';
import { foreignPart, imagePart, thinkingText } from './decode-content.ts';
import { finishOf } from './finish.ts';
import { Losses } from './losses.ts';
import { audioTypeOf } from './media-names.ts';
import { OpaqueReasoning, plainReasoning, reasoningText } from './reasoning-fields.ts';
import { thoughtSignature } from './thought-signature.ts';
import { ToolCallPieces } from './tool-call-pieces.ts';
import { usageOf } from './usage.ts';

/** Reads `chat.completion.chunk`s. A whole reply is read the same way, as one chunk whose deltas are the messages. */
export function streamDecoder(context: DecodeContext): StreamDecoder {
  const choices = new Map<number, ChoiceDecoder>();
  let hasStarted = false;

  function* start(json: JsonRecord): Generator<ChatEvent> {
    if (hasStarted) return;
    hasStarted = true;
    yield {
      type: 'start',
      id: textOr(json.id) || null,
      model: textOr(json.model) || null,
      created: numberOr(json.created) || null,
    };
  }

  function* chunk(json: JsonRecord): Generator<ChatEvent> {
    const listed = objectsIn(json.choices);
    // Azure begins with a chunk that names neither an id nor a choice.
    if (listed.length > 0 || textOr(json.id)) yield* start(json);
    for (const [position, choice] of listed.entries()) {
      const index = placeOf(choice.index) ?? position;
      const decoder = choices.get(index) ?? new ChoiceDecoder(index, context);
      choices.set(index, decoder);
      yield* decoder.push(choice);
      // Perplexity lists its sources beside the choices, again in every chunk.
      if (Array.isArray(json.citations)) yield* decoder.sources(json.citations);
    }
    const usage = usageOf(json);
    if (usage) {
      yield* start(json);
      yield { type: 'usage', usage };
    }
  }

  function* end(): Generator<ChatEvent> {
    yield* start({});
    for (const [, decoder] of [...choices].sort(([one], [other]) => one - other)) yield* decoder.end();
  }

  return {
    push: ({ json }) => (isObject(json) ? [...chunk(json)] : []),
    end: () => [...end()],
  };
}

const MAX_CHOICES = 1024;

const placeOf = (index: unknown): number | null =>
  typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < MAX_CHOICES ? index : null;

class ChoiceDecoder {
  readonly #index: number;
  readonly #calls: ToolCallPieces;
  readonly #opaque = new OpaqueReasoning();
  readonly #audio: Buffer[] = [];
  /** Thoughts that came as plain text. */
  #plain = '';
  #hasCited = false;
  #raw: string | null = null;
  /** Of the chunk's content. */
  #logprobs: readonly TokenLogprob[] | null = null;

  constructor(index: number, context: DecodeContext) {
    this.#index = index;
    this.#calls = new ToolCallPieces(index, context);
  }

  *push(choice: JsonRecord): Generator<ChatEvent> {
    const said = isObject(choice.delta) ? choice.delta : choice.message;
    if (isObject(choice.logprobs)) this.#logprobs = readLogprobs(choice.logprobs.content);
    if (isObject(said)) yield* this.#message(said);
    this.#logprobs = null;
    // Some hosts send a finish reason with every chunk: only the last one counts, when the stream has ended.
    this.#raw = textOr(choice.finish_reason) || this.#raw;
  }

  *end(): Generator<ChatEvent> {
    const choice = this.#index;
    yield* this.#calls.end();
    yield* this.#sign();
    if (this.#audio.length > 0) {
      const data = Buffer.concat(this.#audio).toString('base64');
      const source = { kind: 'data', mediaType: audioTypeOf(data), data } as const;
      yield { type: 'media', choice, part: { type: 'audio', source } };
    }
    yield { type: 'finish', choice, finish: finishOf(this.#raw, this.#calls.hasCalls) };
  }

  *sources(urls: readonly unknown[]): Generator<ChatEvent> {
    if (this.#hasCited) return;
    for (const url of urls) {
      if (typeof url !== 'string') continue;
      this.#hasCited = true;
      const citation: Citation = { url, title: null, citedText: null, range: null };
      yield { type: 'citation', choice: this.#index, citation };
    }
  }

  *#message(said: JsonRecord): Generator<ChatEvent> {
    const choice = this.#index;
    this.#opaque.add(said);
    const thought = this.#unsaid(said);
    if (thought !== '') yield { type: 'reasoning-delta', choice, text: thought };
    const calls = objectsIn(said.tool_calls);
    // Tokens of thoughts and calls, which some servers list too, have no place elsewhere.
    if (said.content === '' && (thought !== '' || calls.length > 0)) this.#logprobs = null;
    yield* this.#content(said.content);
    const signature = thoughtSignature(said);
    if (signature) yield { type: 'text-signature', choice, signature };
    for (const annotation of objectsIn(said.annotations)) {
      this.#hasCited = true;
      yield { type: 'citation', choice, citation: citationOf(annotation) };
    }
    const refusal = textOr(said.refusal);
    if (refusal) {
      yield* this.#sign();
      yield { type: 'refusal-delta', choice, text: refusal };
    }
    for (const image of objectsIn(said.images)) yield* this.#image(image);
    if (isObject(said.audio)) yield* this.#sound(said.audio);
    if (calls.length > 0 || isObject(said.function_call)) yield* this.#sign();
    yield* this.#calls.push(calls);
    if (isObject(said.function_call)) yield* this.#calls.pushLegacy(said.function_call);
  }

  /** Thoughts are over when something else comes: what they are to be returned with ends them. */
  *#sign(): Generator<ChatEvent> {
    const signature = this.#opaque.take();
    if (signature) yield { type: 'reasoning-signature', choice: this.#index, signature };
  }

  /** Some write a thought as plain text while it grows, and again, signed, into a list when it is whole. */
  #unsaid(said: JsonRecord): string {
    const text = reasoningText(said);
    const isListed = plainReasoning(said) === null;
    if (isListed && text !== '' && withoutSpace(this.#plain).endsWith(withoutSpace(text))) return '';
    if (!isListed) this.#plain += text;
    return text;
  }

  /** A text, or Mistral's list of parts. */
  *#content(content: unknown): Generator<ChatEvent> {
    if (typeof content === 'string') yield* this.#text(content);
    if (!Array.isArray(content)) return;
    for (const part of content) {
      if (typeof part === 'string') yield* this.#text(part);
      if (isObject(part)) yield* this.#part(part);
    }
  }

  *#part(part: JsonRecord): Generator<ChatEvent> {
    const choice = this.#index;
    switch (part.type) {
      case 'text':
        yield* this.#text(textOr(part.text) ?? '');
        return;
      case 'thinking': {
        const text = thinkingText(part);
        if (text !== '') yield { type: 'reasoning-delta', choice, text };
        return;
      }
      case 'refusal': {
        const text = textOr(part.refusal) ?? '';
        if (text !== '') yield { type: 'refusal-delta', choice, text };
        return;
      }
      case 'image_url':
        yield* this.#image(part);
        return;
      default:
        yield* this.#sign();
        yield { type: 'foreign', choice, part: foreignPart(part) };
    }
  }

  *#text(text: string): Generator<ChatEvent> {
    const logprobs = this.#logprobs;
    if (text === '' && !logprobs) return;
    this.#logprobs = null;
    yield* this.#sign();
    yield { type: 'text-delta', choice: this.#index, text, ...(logprobs && { logprobs }) };
  }

  *#image(image: JsonRecord): Generator<ChatEvent> {
    const part = imagePart(image, 'images', new Losses());
    if (!part) return;
    yield* this.#sign();
    yield { type: 'media', choice: this.#index, part };
  }

  /** The sound comes in pieces of base64, each whole in itself; its words come beside it and are the answer's text. */
  *#sound(audio: JsonRecord): Generator<ChatEvent> {
    const data = textOr(audio.data);
    if (data) this.#audio.push(Buffer.from(data, 'base64'));
    yield* this.#text(textOr(audio.transcript) ?? '');
  }
}

/** Paragraphs are set apart in a text, and entries of their own in a list. */
const withoutSpace = (text: string) => text.replace(/\s+/g, '');

function citationOf(annotation: JsonRecord): Citation {
  const inner = isObject(annotation.url_citation) ? annotation.url_citation : annotation;
  const start = numberOr(inner.start_index);
  const end = numberOr(inner.end_index);
  return {
    url: textOr(inner.url),
    title: textOr(inner.title),
    citedText: textOr(inner.content),
    // OpenRouter writes zeros where it does not know.
    range: start === null || end === null || end <= start ? null : { start, end },
    foreign: { protocol: 'openai-chat', value: annotation },
  };
}
