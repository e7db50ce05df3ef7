import { purposeOf, type Purpose } from '../protocols/embeddings/embeddings.ts';
import type { JsonIndex } from '../shared/json-bytes.ts';
import type { Embeddings, FieldEdit } from './provider.ts';

/** OpenAI's own limits; who follows it says what differs. */
export const openAiEmbeddings = {
  form: 'openai-chat',
  path: '/embeddings',
  maxInputs: 2048,
  takesTokens: true,
} as const satisfies Embeddings;

/** Of vendors that follow OpenAI and take texts alone. */
export const textEmbeddings = { ...openAiEmbeddings, takesTokens: false } as const satisfies Embeddings;

/** https://ai.google.dev/api/embeddings: a hundred requests in a batch. */
export const geminiEmbeddings = { form: 'gemini', maxInputs: 100, takesTokens: false } as const satisfies Embeddings;

/** For vendors that refuse a field they do not know. */
export const withoutInputType = (index: JsonIndex): FieldEdit | undefined =>
  index.has('input_type') ? { remove: ['input_type'], changes: ['input_type removed'] } : undefined;

/** The input type in the vendor's words, whatever words it came in; one that nobody knows stays as it is. */
export function inputTypeEdit(
  index: JsonIndex,
  words: Readonly<Partial<Record<Purpose, string>>>,
): FieldEdit | undefined {
  const given = index.get('input_type');
  if (typeof given !== 'string') return undefined;
  const purpose = purposeOf(given);
  const word = purpose && words[purpose];
  if (!word || word === given) return undefined;
  return { set: { input_type: word }, changes: [`input_type ${given} → ${word}`] };
}
