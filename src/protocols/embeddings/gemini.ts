import { countOr, isObject, objectsIn } from '../../shared/json-shape.ts';
import type { JsonIndex } from '../../shared/json-bytes.ts';
import { isProblem } from '../codec.ts';
import type { JsonRecord } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { readObject, wrong } from '../request-bytes.ts';
import { type EmbeddingReply, type EmbeddingRequest, type Purpose, purposeOf, type Vector } from './embeddings.ts';
import { vectorAs } from './vector.ts';

/** Gemini's `:embedContent` for one input and `:batchEmbedContents` for several. */

export type GeminiMethod = 'embedContent' | 'batchEmbedContents';

/** One input with its own settings, as a client wrote it. */
export type GeminiItem = {
  readonly raw: JsonRecord;
  /** Null: it holds more than text. */
  readonly text: string | null;
};

export type GeminiEmbedding = {
  readonly method: GeminiMethod;
  readonly index: JsonIndex;
  readonly items: readonly GeminiItem[];
  /** What all items agree on; null where they do not, so that only Gemini can be asked. */
  readonly settings: Omit<EmbeddingRequest, 'inputs'> | null;
};

export function readGeminiEmbedding(bytes: Uint8Array, method: GeminiMethod): GeminiEmbedding | Problem {
  const index = readObject(bytes);
  if (isProblem(index)) return index;
  const raws =
    method === 'embedContent'
      ? [Object.fromEntries(index.entries.map(({ key }) => [key, index.get(key)]))]
      : requestsIn(index);
  if (isProblem(raws)) return raws;
  const odd = raws.findIndex(({ content }) => !isObject(content));
  const place = method === 'embedContent' ? 'content' : `requests[${odd}].content`;
  if (odd >= 0) return wrong(`${place} is missing or no object`, place);
  return { method, index, items: raws.map((raw) => ({ raw, text: textOf(raw.content) })), settings: commonOf(raws) };
}

function requestsIn(index: JsonIndex): readonly JsonRecord[] | Problem {
  const requests = index.get('requests');
  if (!Array.isArray(requests))
    return wrong(index.has('requests') ? 'requests must be an array' : 'requests is missing', 'requests');
  if (requests.length === 0) return wrong('requests must not be empty', 'requests');
  const odd = requests.findIndex((request) => !isObject(request));
  return odd < 0 ? objectsIn(requests) : wrong(`requests[${odd}] must be an object`, 'requests');
}

/** Several text parts are one input, as Gemini reads them. */
function textOf(content: unknown): string | null {
  const parts = isObject(content) ? objectsIn(content.parts) : [];
  if (parts.length === 0) return null;
  let text = '';
  for (const part of parts) {
    if (typeof part.text !== 'string') return null;
    text += part.text;
  }
  return text;
}

const NEUTRAL: readonly string[] = ['model', 'content', 'taskType', 'outputDimensionality'];

function commonOf(raws: readonly JsonRecord[]): GeminiEmbedding['settings'] {
  const [first, ...more] = raws.map(({ content: _, model: __, ...settings }) => settings);
  if (!first || more.some((other) => !Bun.deepEquals(other, first))) return null;
  return {
    dimensions: countOr(first.outputDimensionality),
    inputType: typeof first.taskType === 'string' ? first.taskType : null,
    others: Object.keys(first).filter((key) => !NEUTRAL.includes(key)),
  };
}

/** What goes to Gemini: the client's own words, with the model that is called there. */
export function patchedGemini(
  { method, index }: GeminiEmbedding,
  model: string,
  items: readonly JsonRecord[] | null,
): Uint8Array {
  const name = `models/${model}`;
  if (method === 'embedContent') return index.has('model') ? index.edit({ set: { model: name } }) : index.bytes;
  const requests = items ?? objectsIn(index.get('requests'));
  return index.edit({ set: { requests: requests.map((request) => ({ ...request, model: name })) } });
}

const TASKS: Readonly<Record<Purpose, string>> = {
  document: 'RETRIEVAL_DOCUMENT',
  query: 'RETRIEVAL_QUERY',
  similarity: 'SEMANTIC_SIMILARITY',
  classification: 'CLASSIFICATION',
  clustering: 'CLUSTERING',
  'code-query': 'CODE_RETRIEVAL_QUERY',
};

/** A request that came in other words: which method, and its body. */
export function writtenGemini(
  { inputs, dimensions, inputType }: EmbeddingRequest,
  model: string,
): { readonly method: GeminiMethod; readonly body: JsonRecord } {
  const purpose = inputType === null ? null : purposeOf(inputType);
  const settings = {
    // A word that nobody here knows may be a task that Gemini has learned meanwhile.
    ...(inputType !== null && { taskType: purpose ? TASKS[purpose] : inputType }),
    ...(dimensions !== null && { outputDimensionality: dimensions }),
  };
  const requests = inputs.map((text) => ({ model: `models/${model}`, content: { parts: [{ text }] }, ...settings }));
  const [only, ...more] = requests;
  return only && more.length === 0
    ? { method: 'embedContent', body: only }
    : { method: 'batchEmbedContents', body: { requests } };
}

/** Of either method. Null when it does not hold one vector for each of `count` inputs. */
export function readGeminiReply(reply: JsonRecord, count: number): EmbeddingReply | null {
  const listed = isObject(reply.embedding) ? [reply.embedding] : objectsIn(reply.embeddings);
  const vectors = listed.flatMap(({ values }) => (isNumbers(values) ? [values] : []));
  if (vectors.length !== count) return null;
  const usage = isObject(reply.usageMetadata) ? reply.usageMetadata : {};
  return { vectors, model: null, inputTokens: countOr(usage.promptTokenCount) };
}

const isNumbers = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'number');

export function writeGeminiReply(method: GeminiMethod, vectors: readonly Vector[]): Uint8Array {
  const written = vectors.map((vector) => ({ values: vectorAs('float', vector) }));
  const body = method === 'embedContent' ? { embedding: written[0] } : { embeddings: written };
  return new TextEncoder().encode(JSON.stringify(body));
}
