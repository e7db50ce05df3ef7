import type { JsonIndex } from '../../shared/json-bytes.ts';
import { isObject } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';

/** A request's `input` as the list of items that it stands for. */
export function inputItems(input: unknown): readonly JsonRecord[] {
  if (typeof input === 'string') return [userMessage(input)];
  if (!Array.isArray(input)) return [];
  return input.flatMap((item) => (typeof item === 'string' ? [userMessage(item)] : isObject(item) ? [item] : []));
}

function userMessage(text: string): JsonRecord {
  return { type: 'message', role: 'user', content: [{ type: 'input_text', text }] };
}

export const ITEM_REFERENCE = 'item_reference';

/** The id of an item that is named instead of repeated; null: it is an item. */
export const referencedId = ({ type, id }: JsonRecord): string | null =>
  type === ITEM_REFERENCE && typeof id === 'string' ? id : null;

/** What is known of an earlier answer: what it was asked, already expanded, and what it said. */
export type EarlierTurn = { readonly input: readonly JsonRecord[]; readonly output: readonly JsonRecord[] };

/**
 * The whole conversation of a request that names an earlier response instead of repeating it: what was asked then, what
 * was said, reasoning included, and what is asked now. The earlier instructions do not carry over.
 */
export function expandedInput(earlier: EarlierTurn, input: unknown): readonly JsonRecord[] {
  return [...earlier.input, ...earlier.output, ...inputItems(input)];
}

/** The same request with its whole conversation in place of the earlier response's id; every other byte as it came. */
export const expandedRequest = (index: JsonIndex, input: readonly JsonRecord[]): Uint8Array =>
  index.edit({ set: { input }, remove: new Set(['previous_response_id']) });
