/** Embeddings in no vendor's words. */

/** A text, or tokens where a client has counted them itself. */
export type EmbeddingInput = string | readonly number[];

export type EmbeddingRequest = {
  readonly inputs: readonly EmbeddingInput[];
  /** Null: the model's own. */
  readonly dimensions: number | null;
  /** What the vectors are for, in whatever words the client has for it; null: it does not say. */
  readonly inputType: string | null;
  /** Fields that have no neutral form. */
  readonly others: readonly string[];
};

/** Numbers, or the same as 32-bit floats, little-endian, in base64. */
export type Vector = readonly number[] | string;

export type EmbeddingReply = {
  /** In the order of the inputs. */
  readonly vectors: readonly Vector[];
  /** As the upstream calls it; null: it does not say. */
  readonly model: string | null;
  readonly inputTokens: number | null;
};

/** What vectors are made for, as vendors tell purposes apart. */
export type Purpose = 'document' | 'query' | 'similarity' | 'classification' | 'clustering' | 'code-query';

const PURPOSES: Readonly<Record<string, Purpose>> = {
  document: 'document',
  passage: 'document',
  search_document: 'document',
  retrieval_document: 'document',
  query: 'query',
  search_query: 'query',
  retrieval_query: 'query',
  similarity: 'similarity',
  semantic_similarity: 'similarity',
  classification: 'classification',
  clustering: 'clustering',
  code_retrieval_query: 'code-query',
};

/** Of an input type in the words of Cohere, Google, NVIDIA or Voyage; null for any other word. */
export function purposeOf(inputType: string): Purpose | null {
  const word = inputType.toLowerCase();
  return Object.hasOwn(PURPOSES, word) ? (PURPOSES[word] ?? null) : null;
}
