import type { RequestLayout } from '../protocols/codec.ts';
import type { JsonIndex } from '../shared/json-bytes.ts';
import { holds, indexOfBytes } from '../shared/byte-search.ts';
import { estimateInput } from './token-estimate.ts';

/** What a request asks of a model, as far as its bytes tell without a parse. */
export type Needs = {
  /** A guess at the tokens of its prompt. */
  readonly inputTokens: number;
  readonly usesTools: boolean;
  readonly usesImages: boolean;
  /** The answer must follow a JSON schema. */
  readonly usesSchema: boolean;
};

export const NO_NEEDS: Needs = { inputTokens: 0, usesTools: false, usesImages: false, usesSchema: false };

/** What is known of a model. A field that is absent is not known; `false` is a statement. */
export type Abilities = {
  /** Tokens of prompt and answer together. */
  readonly contextLength?: number;
  readonly takesTools?: boolean;
  /** `text`, `image`… */
  readonly inputModalities?: readonly string[];
  readonly hasStructuredOutput?: boolean;
};

/** Why a model cannot do it; null when it can, or when nobody knows that it cannot. */
export function lacking(needs: () => Needs, abilities: Abilities | null): 'context' | 'capability' | null {
  if (!abilities) return null;
  if (abilities.contextLength !== undefined && needs().inputTokens > abilities.contextLength) return 'context';
  const lacks =
    (abilities.takesTools === false && needs().usesTools) ||
    (abilities.inputModalities?.includes('image') === false && needs().usesImages) ||
    (abilities.hasStructuredOutput === false && needs().usesSchema);
  return lacks ? 'capability' : null;
}

/** What these bytes need. */
export const needsOf = (index: JsonIndex, layout: RequestLayout): Needs => new NeedsOfBytes(index, layout);

/**
 * Each is found out when it is asked for, and once: long bodies are only read for what a target may lack. A class, because
 * accessors of an object literal are made anew for every request.
 */
class NeedsOfBytes implements Needs {
  readonly #index: JsonIndex;
  readonly #layout: RequestLayout;
  #inputTokens: number | null = null;
  #usesImages: boolean | null = null;

  constructor(index: JsonIndex, layout: RequestLayout) {
    this.#index = index;
    this.#layout = layout;
  }

  get inputTokens(): number {
    this.#inputTokens ??= estimateInput(this.#index.bytes);
    return this.#inputTokens;
  }

  get usesTools(): boolean {
    return isFilledList(this.#index.slice('tools')) || isFilledList(this.#index.slice('functions'));
  }

  get usesImages(): boolean {
    this.#usesImages ??= holdsImage(this.#index.slice(this.#layout.conversation));
    return this.#usesImages;
  }

  get usesSchema(): boolean {
    return SCHEMA_FIELDS.some((field) => SCHEMA_MARKS.some((mark) => holds(this.#index.slice(field), mark)));
  }
}

/**
 * Quoted, as they stand in a body and cannot stand in a text: there a quote has a backslash before it. Chat's and
 * Responses' parts have names of their own; Messages' type and Gemini's media types are words that a tool's arguments may
 * use for a field, and count as values alone.
 */
const IMAGE_NAMES: readonly Buffer[] = [Buffer.from('"image_url"'), Buffer.from('"input_image"')];
const IMAGE_VALUES: readonly Buffer[] = [Buffer.from('"image"'), Buffer.from('"image/')];

function holdsImage(conversation: Uint8Array | undefined): boolean {
  if (!conversation) return false;
  if (IMAGE_NAMES.some((mark) => holds(conversation, mark))) return true;
  return IMAGE_VALUES.some((mark) => {
    for (let at = indexOfBytes(conversation, mark); at >= 0; at = indexOfBytes(conversation, mark, at + mark.length)) {
      let before = at - 1;
      while (conversation[before] === 32 || conversation[before] === 10) before--;
      if (conversation[before] === COLON) return true;
    }
    return false;
  });
}

const COLON = 58;

/** Where each protocol says how the answer is to look. */
const SCHEMA_FIELDS = ['response_format', 'text', 'output_format', 'output_config', 'generationConfig'] as const;
const SCHEMA_MARKS: readonly Buffer[] = [
  '"json_schema"',
  '"responseSchema"',
  '"responseJsonSchema"',
  '"response_schema"',
].map((mark) => Buffer.from(mark));

/** `[ ]` asks for nothing. */
function isFilledList(bytes: Uint8Array | undefined): boolean {
  if (bytes?.[0] !== 91) return false;
  for (let i = 1; i < bytes.length - 1; i++) {
    const code = bytes[i];
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return true;
  }
  return false;
}
