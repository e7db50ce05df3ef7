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
  #raw = '';
  /** Where in the arguments the text goes on; -1 before it has begun. */
  #at = -1;
  #isDone = false;

  push(piece: string): string {
    if (this.#isDone) return '';
    this.#raw += piece;
    if (this.#at < 0) {
      const head = HEAD.exec(this.#raw);
      if (!head) return '';
      this.#at = head[0].length;
    }
    const from = this.#at;
    this.#at = this.#certainEnd();
    const text = parseJson(`"${this.#raw.slice(from, this.#at).replace(CONTROLS, escaped)}"`);
    return typeof text === 'string' ? text : '';
  }

  /** What is left when the arguments are whole: everything, where they did not begin as they should. */
  end(): string {
    return this.#at < 0 ? unwrapInput(this.#raw) : '';
  }

  /** The end of what can be read without knowing what comes: no half escape, no half of a pair. */
  #certainEnd(): number {
    const raw = this.#raw;
    let at = this.#at;
    for (;;) {
      const code = raw.charCodeAt(at);
      if (Number.isNaN(code)) return at;
      if (code === QUOTE) {
        this.#isDone = true;
        return at;
      }
      const end = at + unitLength(raw, at);
      if (end > raw.length) return at;
      // A surrogate waits for the other half of its pair.
      const next = isHighSurrogate(raw, at) ? end + unitLength(raw, end) : end;
      if (next > raw.length || (next > end && end === raw.length)) return at;
      at = isLowSurrogate(raw, end) ? next : end;
    }
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
