import { countOr, isObject } from '../shared/json-shape.ts';
import { type Purpose, purposeOf } from '../protocols/embeddings/embeddings.ts';
import type { Embeddings } from './provider.ts';

/** There is no neutral input type, and none is an error. */
const INPUT_TYPES: Readonly<Partial<Record<Purpose, string>>> = {
  document: 'search_document',
  query: 'search_query',
  classification: 'classification',
  clustering: 'clustering',
};

/** Cohere's own `v2/embed`, beside the compatibility layer on the same host. https://docs.cohere.com/reference/embed */
export const cohereEmbeddings = {
  form: 'own',
  path: '/../../v2/embed',
  maxInputs: 96,
  takesTokens: false,
  encode: ({ inputs, dimensions, inputType }, model) => {
    const purpose = inputType === null ? 'document' : purposeOf(inputType);
    return {
      model,
      texts: inputs,
      input_type: (purpose && INPUT_TYPES[purpose]) ?? inputType ?? 'search_document',
      embedding_types: ['float'],
      ...(dimensions !== null && { output_dimension: dimensions }),
    };
  },
  decode: (reply) => {
    const vectors = isObject(reply.embeddings) ? reply.embeddings.float : undefined;
    if (!Array.isArray(vectors)) return null;
    const read = vectors.filter(isNumbers);
    const billed = isObject(reply.meta) && isObject(reply.meta.billed_units) ? reply.meta.billed_units : {};
    return read.length === vectors.length
      ? { vectors: read, model: null, inputTokens: countOr(billed.input_tokens) }
      : null;
  },
} as const satisfies Embeddings;

const isNumbers = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'number');
