import { countOr, isObject, objectsIn, parseJson } from '../../shared/json-shape.ts';
import { JsonIndex } from '../../shared/json-bytes.ts';
import { skipSpace } from '../../shared/json-grammar.ts';
import { isProblem } from '../codec.ts';
import type { Problem } from '../problem.ts';
import { isRepeated, readModel, readObject, wrong } from '../request-bytes.ts';
import type { EmbeddingInput, EmbeddingReply, EmbeddingRequest, Vector } from './embeddings.ts';
import { type VectorFormat, vectorAs } from './vector.ts';

/** `POST /v1/embeddings`, as OpenAI and all that follow it speak it. */

export type OpenAiEmbedding = EmbeddingRequest & {
  readonly index: JsonIndex;
  /** As the client wrote it. */
  readonly model: string;
  readonly format: VectorFormat;
};

const NEUTRAL: readonly string[] = ['model', 'input', 'dimensions', 'input_type', 'encoding_format'];

/** A problem names the field that is missing or wrong. */
export function readEmbeddingRequest(bytes: Uint8Array): OpenAiEmbedding | Problem {
  const index = readObject(bytes);
  if (isProblem(index)) return index;
  const model = readModel(index);
  if (typeof model !== 'string') return model;
  const inputs = readInputs(index);
  if (isProblem(inputs)) return inputs;
  const dimensions = index.get('dimensions') ?? null;
  if (dimensions !== null && !isPositive(dimensions)) {
    return wrong('dimensions must be a whole number above 0', 'dimensions');
  }
  const inputType = index.get('input_type') ?? null;
  if (inputType !== null && typeof inputType !== 'string') return wrong('input_type must be a string', 'input_type');
  const format = index.get('encoding_format') ?? 'float';
  if (format !== 'float' && format !== 'base64') {
    return wrong('encoding_format must be "float" or "base64"', 'encoding_format');
  }
  const others = new Set(index.entries.map(({ key }) => key).filter((key) => !NEUTRAL.includes(key)));
  return { index, model, inputs, dimensions, inputType, format, others: [...others] };
}

function readInputs(index: JsonIndex): readonly EmbeddingInput[] | Problem {
  const input = index.get('input');
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input)) {
    return wrong(index.has('input') ? `input must be ${INPUT_FORMS}` : 'input is missing', 'input');
  }
  if (input.length === 0) return wrong('input must not be an empty array', 'input');
  if (isTokens(input)) return [input];
  const listed: readonly unknown[] = input;
  const inputs = listed.filter(isInput);
  const odd = listed.findIndex((one, i) => one !== inputs[i]);
  return odd < 0 ? inputs : wrong(`input[${odd}] is neither a string nor an array of tokens`, 'input');
}

const isInput = (value: unknown): value is EmbeddingInput =>
  typeof value === 'string' || (Array.isArray(value) && isTokens(value));

const INPUT_FORMS = 'a string, an array of strings, or an array of tokens';

const isTokens = (value: readonly unknown[]): value is readonly number[] =>
  value.length > 0 && value.every((token) => Number.isInteger(token));

const isPositive = (value: unknown): value is number => Number.isInteger(value) && Number(value) > 0;

/** The client's own bytes for another model name. `inputs`: others in place of its own; null: as they came. */
export function patchedRequest(
  { index, model }: OpenAiEmbedding,
  upstreamModel: string,
  inputs: readonly EmbeddingInput[] | null,
): JsonIndex {
  const set = {
    ...((model !== upstreamModel || isRepeated(index, 'model')) && { model: upstreamModel }),
    ...(inputs && { input: inputs }),
  };
  return indexed(Object.keys(set).length === 0 ? index.bytes : index.edit({ set }));
}

/** A request that came in other words. */
export function writtenRequest({ inputs, dimensions, inputType }: EmbeddingRequest, model: string): JsonIndex {
  const body = {
    model,
    input: inputs,
    ...(dimensions !== null && { dimensions }),
    ...(inputType !== null && { input_type: inputType }),
    encoding_format: 'float',
  };
  return indexed(new TextEncoder().encode(JSON.stringify(body)));
}

function indexed(bytes: Uint8Array): JsonIndex {
  const index = JsonIndex.of(bytes);
  if (!index) throw new Error('an embedding request was written that is no object');
  return index;
}

/** Null when it does not hold one vector for each of `count` inputs. */
export function readEmbeddingReply(bytes: Uint8Array, count: number): EmbeddingReply | null {
  const reply = parseJson(new TextDecoder().decode(bytes));
  if (!isObject(reply)) return null;
  const vectors = new Array<Vector>(count);
  let found = 0;
  for (const [position, { embedding, index }] of objectsIn(reply.data).entries()) {
    const at = typeof index === 'number' ? index : position;
    if (!isVector(embedding) || at < 0 || at >= count || vectors[at] !== undefined) return null;
    vectors[at] = embedding;
    found++;
  }
  if (found !== count) return null;
  return {
    vectors,
    model: typeof reply.model === 'string' ? reply.model : null,
    inputTokens: inputTokensOf(reply.usage),
  };
}

export function inputTokensOf(usage: unknown): number | null {
  if (!isObject(usage)) return null;
  return countOr(usage.prompt_tokens) ?? countOr(usage.input_tokens) ?? countOr(usage.total_tokens);
}

const isVector = (value: unknown): value is Vector =>
  (typeof value === 'string' && value !== '') ||
  (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'number'));

export function writeEmbeddingReply({ vectors, model, inputTokens }: EmbeddingReply, format: VectorFormat): Uint8Array {
  const tokens = inputTokens ?? 0;
  const body = {
    object: 'list',
    data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: vectorAs(format, vector) })),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
  return new TextEncoder().encode(JSON.stringify(body));
}

const NAME = Buffer.from('"embedding"');
const QUOTE = 34;
const COLON = 58;
const OPEN_BRACKET = 91;

/** The vectors of a reply as its bytes show them, without a parse: how the first is written, and how many there are. */
export function seenVectors(reply: Uint8Array): { readonly format: VectorFormat | null; readonly count: number } {
  const bytes = Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength);
  let format: VectorFormat | null = null;
  let count = 0;
  for (let at = bytes.indexOf(NAME); at >= 0; at = bytes.indexOf(NAME, at)) {
    at = skipSpace(bytes, at + NAME.length);
    // The word is a value, too: `"object": "embedding"`.
    if (bytes[at] !== COLON) continue;
    const first = bytes[skipSpace(bytes, at + 1)];
    if (first !== OPEN_BRACKET && first !== QUOTE) continue;
    format ??= first === QUOTE ? 'base64' : 'float';
    count++;
  }
  return { format, count };
}
