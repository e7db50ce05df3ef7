import { isObject, parseJson } from '../shared/json-shape.ts';
import type { JsonRecord, Tool } from './ir.ts';

/**
 * Custom tools take free text instead of JSON. Only Responses has them; elsewhere they are functions with one text field,
 * and their calls are wrapped and unwrapped here.
 */

const FIELD = 'input';

const PARAMETERS: JsonRecord = {
  type: 'object',
  properties: { [FIELD]: { type: 'string', description: 'The whole input of the tool, as free text.' } },
  required: [FIELD],
  additionalProperties: false,
};

export function customAsFunction(tool: Extract<Tool, { type: 'custom' }>): Extract<Tool, { type: 'function' }> {
  return {
    type: 'function',
    name: tool.name,
    description: tool.description,
    parameters: PARAMETERS,
    isStrict: null,
  };
}

/** Free text as a function's arguments. */
export const wrapInput = (input: string): string => JSON.stringify({ [FIELD]: input });

/** A function's arguments as free text; as they are when the model did not keep to the schema. */
export function unwrapInput(argumentsText: string): string {
  const value = parseJson(argumentsText);
  if (typeof value === 'string') return value;
  const input = isObject(value) ? value[FIELD] : undefined;
  return typeof input === 'string' ? input : argumentsText;
}

const HEAD = /^\s*\{\s*"input"\s*:\s*"/;

/** The same while the arguments are still coming: piece by piece, the free text that is certain so far. */
export class InputUnwrapper {
  /** What has come and is not passed on yet: everything until the text begins, then what is not certain. */
  #tail = '';
  #state: 'head' | 'text' | 'done' = 'head';

  push(piece: string): string {
    if (this.#state === 'done') return '';
    this.#tail += piece;
    if (this.#state === 'head') {
      const head = HEAD.exec(this.#tail);
      if (!head) return '';
      this.#state = 'text';
      this.#tail = this.#tail.slice(head[0].length);
    }
    const end = certainEnd(this.#tail);
    const certain = this.#tail.slice(0, end);
    const text = parseJson(`"${certain.replace(CONTROLS, escaped)}"`);
    if (this.#tail.charCodeAt(end) === QUOTE) this.#state = 'done';
    this.#tail = this.#tail.slice(end);
    // An escape that JSON does not have: shown as it is rather than lost.
    return typeof text === 'string' ? text : certain;
  }

  /** What is left when the arguments are whole: everything, where they did not begin as they should. */
  end(): string {
    return this.#state === 'head' ? unwrapInput(this.#tail) : '';
  }
}

/** The end of what can be read without knowing what comes: the closing quote, half an escape, half of a pair. */
function certainEnd(raw: string): number {
  for (let at = 0; ; ) {
    const end = at + unitLength(raw, at);
    if (raw.charCodeAt(at) === QUOTE || end > raw.length) return at;
    if (!isHighSurrogate(raw, at)) {
      at = end;
      continue;
    }
    // It waits for the other half of its pair.
    const next = end + unitLength(raw, end);
    if (next > raw.length) return at;
    at = isLowSurrogate(raw, end) ? next : end;
  }
}

const QUOTE = 34;
const BACKSLASH = 92;

// Models write line breaks into strings as they are.
const CONTROLS = /[\u0000-\u001f]/g;
const escaped = (character: string) => JSON.stringify(character).slice(1, -1);

/** How many characters the one at `at` is written with. */
function unitLength(raw: string, at: number): number {
  if (raw.charCodeAt(at) !== BACKSLASH) return 1;
  return raw[at + 1] === 'u' ? 6 : 2;
}

const unitAt = (raw: string, at: number): number =>
  raw.startsWith('\\u', at) ? Number.parseInt(raw.slice(at + 2, at + 6), 16) : raw.charCodeAt(at);
const isHighSurrogate = (raw: string, at: number) => (unitAt(raw, at) & 0xfc00) === 0xd800;
const isLowSurrogate = (raw: string, at: number) => (unitAt(raw, at) & 0xfc00) === 0xdc00;
