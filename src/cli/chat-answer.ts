import { isObject } from '../shared/json-shape.ts';

/** What one piece of an answer tells a person who reads along. */
export type AnswerEvent =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  | { readonly kind: 'usage'; readonly usage: TokenUsage }
  | { readonly kind: 'finish'; readonly reason: string }
  | { readonly kind: 'error'; readonly error: AnswerError };

export type TokenUsage = {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** Of the input tokens. */
  readonly cachedTokens: number | null;
  /** USD, as the provider says it; null when it does not. */
  readonly cost: number | null;
};

export type AnswerError = { readonly type: string | null; readonly code: string | null; readonly message: string };

/** Reads an OpenAI chat stream as it arrives. No I/O. */
export class AnswerReader {
  readonly #decoder = new TextDecoder();
  #rest = '';

  push(chunk: Uint8Array): AnswerEvent[] {
    this.#rest += this.#decoder.decode(chunk, { stream: true });
    const events: AnswerEvent[] = [];
    let end = this.#rest.indexOf('\n');
    while (end >= 0) {
      events.push(...readLine(this.#rest.slice(0, end)));
      this.#rest = this.#rest.slice(end + 1);
      end = this.#rest.indexOf('\n');
    }
    return events;
  }
}

// Chat events are one `data:` line each; comments, blank lines and `[DONE]` say nothing to a reader.
function readLine(line: string): AnswerEvent[] {
  const data = /^data: ?(.*?)\r?$/.exec(line)?.[1];
  if (data === undefined || data === '[DONE]') return [];
  try {
    return readEvent(JSON.parse(data), 'delta');
  } catch {
    return [];
  }
}

/** The same facts from a whole reply. */
export const readWhole = (reply: unknown): AnswerEvent[] => readEvent(reply, 'message');

function readEvent(event: unknown, part: 'delta' | 'message'): AnswerEvent[] {
  if (!isObject(event)) return [];
  const error = readError(event);
  if (error) return [{ kind: 'error', error }];
  const events: AnswerEvent[] = [];
  // Of several choices (`-o n=2`) the first is the answer; in a stream their pieces come mixed.
  const choices: readonly unknown[] = Array.isArray(event.choices) ? event.choices : [];
  const choice = choices.find((one) => isObject(one) && (one.index ?? 0) === 0);
  if (isObject(choice)) {
    const said = isObject(choice[part]) ? choice[part] : {};
    const reasoning = said.reasoning_content ?? said.reasoning;
    if (typeof reasoning === 'string' && reasoning !== '') events.push({ kind: 'reasoning', text: reasoning });
    if (typeof said.content === 'string' && said.content !== '') events.push({ kind: 'text', text: said.content });
    if (typeof choice.finish_reason === 'string') events.push({ kind: 'finish', reason: choice.finish_reason });
  }
  if (isObject(event.usage)) events.push({ kind: 'usage', usage: readUsage(event.usage) });
  return events;
}

/** The OpenAI error envelope; null when this is none. */
export function readError(body: unknown): AnswerError | null {
  if (!isObject(body) || body.error === undefined || body.error === null) return null;
  const error = body.error;
  if (!isObject(error)) return { type: null, code: null, message: String(error) };
  return {
    type: textOf(error.type),
    code: textOf(error.code),
    message: textOf(error.message) ?? 'no message was given',
  };
}

function readUsage(usage: Record<string, unknown>): TokenUsage {
  return {
    inputTokens: numberOf(usage.prompt_tokens),
    outputTokens: numberOf(usage.completion_tokens),
    cachedTokens: isObject(usage.prompt_tokens_details) ? numberOf(usage.prompt_tokens_details.cached_tokens) : null,
    cost: numberOf(usage.cost),
  };
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : null);
const numberOf = (value: unknown) => (typeof value === 'number' ? value : null);
