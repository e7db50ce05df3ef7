import { booleanOr, countOr, isObject, numberOr, textOr } from '../../shared/json-shape.ts';
import type { EncodeContext } from '../codec.ts';
import type { ChatRequest, JsonRecord, OutputFormat } from '../ir.ts';
import { fromGeminiSchema } from './schema-from-gemini.ts';
import { toGeminiSchema } from './schema-to-gemini.ts';
import { decodeThinking, encodeThinking } from './thinking-config.ts';
import { field, rest } from './wire-field.ts';

/** `generationConfig`, both ways. */

type Sampling = Pick<
  ChatRequest,
  | 'output'
  | 'reasoning'
  | 'maxOutputTokens'
  | 'stop'
  | 'temperature'
  | 'topP'
  | 'topK'
  | 'seed'
  | 'presencePenalty'
  | 'frequencyPenalty'
  | 'choices'
  | 'logprobs'
  | 'modalities'
>;

const KNOWN = [
  'maxOutputTokens',
  'stopSequences',
  'temperature',
  'topP',
  'topK',
  'seed',
  'presencePenalty',
  'frequencyPenalty',
  'candidateCount',
  'responseLogprobs',
  'logprobs',
  'responseModalities',
  'thinkingConfig',
] as const;
const OUTPUT = ['responseMimeType', 'responseSchema', 'responseJsonSchema'] as const;

/** The config as neutral fields, and what of it has none. */
export function decodeConfig(value: unknown): Sampling & { readonly foreign: JsonRecord } {
  const config = isObject(value) ? value : {};
  const number = (name: string) => numberOr(field(config, name));
  const stop = field(config, 'stopSequences');
  const modalities = field(config, 'responseModalities');
  const output = decodeOutput(config);
  // A format that is neither text nor JSON goes home with its schema.
  const type = textOr(field(config, 'responseMimeType'));
  const isOutputKnown = output !== null || type === null || type === 'text/plain';
  return {
    output,
    reasoning: decodeThinking(field(config, 'thinkingConfig')),
    maxOutputTokens: countOr(field(config, 'maxOutputTokens')),
    stop: Array.isArray(stop) ? stop.filter((one) => typeof one === 'string') : [],
    temperature: number('temperature'),
    topP: number('topP'),
    topK: number('topK'),
    seed: number('seed'),
    presencePenalty: number('presencePenalty'),
    frequencyPenalty: number('frequencyPenalty'),
    choices: Math.max(1, countOr(field(config, 'candidateCount')) ?? 1),
    logprobs: booleanOr(field(config, 'responseLogprobs')) ? (countOr(field(config, 'logprobs')) ?? 0) : null,
    modalities: Array.isArray(modalities)
      ? modalities.filter((one) => typeof one === 'string').map((one) => one.toLowerCase())
      : [],
    foreign: rest(config, isOutputKnown ? [...KNOWN, ...OUTPUT] : KNOWN),
  };
}

function decodeOutput(config: JsonRecord): OutputFormat | null {
  if (field(config, 'responseMimeType') !== 'application/json') return null;
  const json = field(config, 'responseJsonSchema');
  const gemini = field(config, 'responseSchema');
  const schema = isObject(json) ? json : isObject(gemini) ? fromGeminiSchema(gemini) : null;
  return schema ? { type: 'json-schema', name: null, description: null, schema, isStrict: null } : { type: 'json' };
}

// https://ai.google.dev/api/generate-content#generationconfig
const MAX_STOPS = 5;
const MAX_LOGPROBS = 5;

export function encodeConfig(request: Sampling, context: EncodeContext, warn: (warning: string) => void): JsonRecord {
  const { stop, output, reasoning, modalities, choices, seed } = request;
  // A signed number of 32 bits there.
  const takesSeed = seed !== null && Number.isInteger(seed) && Math.abs(seed) < 2 ** 31;
  if (seed !== null && !takesSeed) warn('seed removed');
  if (stop.length > MAX_STOPS) warn(`stop sequences beyond ${MAX_STOPS} removed`);
  const thinking = reasoning && encodeThinking(reasoning, context);
  if (reasoning && context.reasoning.kind === 'none') warn('reasoning wish removed');
  const maxOutputTokens = limited(request.maxOutputTokens, context.maxOutputTokens, 'maximum of output tokens', warn);
  return {
    ...(maxOutputTokens !== null && { maxOutputTokens }),
    ...given({
      temperature: request.temperature,
      topP: request.topP,
      topK: request.topK,
      seed: takesSeed ? seed : null,
      presencePenalty: request.presencePenalty,
      frequencyPenalty: request.frequencyPenalty,
    }),
    ...(choices > 1 && { candidateCount: choices }),
    ...(stop.length > 0 && { stopSequences: stop.slice(0, MAX_STOPS) }),
    ...(request.logprobs !== null && logprobFields(request.logprobs, warn)),
    ...(modalities.length > 0 && { responseModalities: modalities.map((one) => one.toUpperCase()) }),
    ...(output && outputFields(output, warn)),
    ...(thinking && { thinkingConfig: thinking }),
  };
}

const given = (fields: Readonly<Record<string, number | null>>): JsonRecord =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

function limited(asked: number | null, limit: number | null, what: string, warn: (warning: string) => void) {
  if (asked === null || limit === null || asked <= limit) return asked;
  warn(`${what} lowered to ${limit}`);
  return limit;
}

function logprobFields(asked: number, warn: (warning: string) => void): JsonRecord {
  const logprobs = limited(asked, MAX_LOGPROBS, 'top_logprobs', warn) ?? 0;
  return { responseLogprobs: true, ...(logprobs > 0 && { logprobs }) };
}

/** The cleaned schema, as for tools: every host of the format takes it. Only here the order of the properties is kept in words. */
function outputFields(output: OutputFormat, warn: (warning: string) => void): JsonRecord {
  if (output.type === 'json') return { responseMimeType: 'application/json' };
  const { schema, warnings } = toGeminiSchema(output.schema, { isOrdered: true });
  for (const warning of warnings) warn(`${warning} (output format)`);
  return { responseMimeType: 'application/json', responseSchema: schema };
}
