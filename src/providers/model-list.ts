import { isObject, objectsIn } from '../shared/json-shape.ts';
import { countOf } from './count-of.ts';
import type { JsonObject, ListedModel } from './provider.ts';

/** The common reading of a model list: OpenAI's shape, with the extra fields that several vendors share. */
export function readCommonModels(page: unknown): { readonly models: readonly ListedModel[] } {
  return { models: readRows(modelRows(page)) };
}

/** The rows of a list: `data`, `models`, or the body itself; none when it is no list. */
export function modelRows(page: unknown): readonly JsonObject[] {
  return objectsIn(isObject(page) ? (page.data ?? page.models) : page);
}

/** Rows to models; `more` adds what only this vendor says. Rows without an id are passed over. */
export function readRows(
  rows: readonly JsonObject[],
  more: (row: JsonObject) => Partial<ListedModel> = () => ({}),
): readonly ListedModel[] {
  return rows.flatMap((row) => {
    const id = typeof row.id === 'string' ? row.id : row.name;
    return typeof id === 'string' && id !== '' ? [{ id, ...commonFields(row), ...more(row) }] : [];
  });
}

function commonFields(row: JsonObject): Partial<ListedModel> {
  // In this order: OpenRouter, Chutes, Cohere · Groq · Mistral · vLLM and its hosts · Google · LM Studio.
  const contextLength = firstCount(
    row.context_length,
    row.context_window,
    row.max_context_length,
    row.max_model_len,
    row.inputTokenLimit,
    row.loaded_context_length,
  );
  const maxOutputTokens = firstCount(row.max_output_tokens, row.max_completion_tokens, row.outputTokenLimit);
  const created = countOf(row.created);
  return {
    ...(contextLength !== undefined && { contextLength }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(typeof row.owned_by === 'string' && row.owned_by !== '' && { ownedBy: row.owned_by }),
    ...(created !== undefined && { created }),
  };
}

function firstCount(...values: readonly unknown[]): number | undefined {
  for (const value of values) {
    const count = countOf(value);
    if (count !== undefined) return count;
  }
  return undefined;
}
