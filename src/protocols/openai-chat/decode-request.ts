import { booleanOr, countOr, isObject, numberOr, parseJson, textOr } from '../../shared/json-shape.ts';
import type { Envelope, Warned } from '../codec.ts';
import type { ChatRequest, JsonRecord, OutputFormat } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { wrong } from '../request-bytes.ts';
import { decodeMessages } from './decode-messages.ts';
import { decodeReasoningWish, googleThinking, REASONING_FIELDS } from './decode-reasoning-wish.ts';
import { decodeTools } from './decode-tools.ts';
import { Losses } from './losses.ts';

/** Fields with a neutral form. All others travel as they are, for a way home. */
const READ: ReadonlySet<string> = new Set([
  ...REASONING_FIELDS,
  'model',
  'messages',
  'stream',
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'parallel_tool_calls',
  'response_format',
  'max_tokens',
  'max_completion_tokens',
  'stop',
  'temperature',
  'top_p',
  'top_k',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'n',
  'logprobs',
  'top_logprobs',
  'modalities',
  'verbosity',
  'user',
  'prompt_cache_key',
  'service_tier',
  'metadata',
]);

export function decodeRequest(envelope: Envelope): Warned<ChatRequest> | Problem {
  const body = parseJson(new TextDecoder().decode(envelope.index.bytes));
  if (!isObject(body)) return wrong('the request body is not a valid JSON object');
  const losses = new Losses();
  const messages: readonly unknown[] = Array.isArray(body.messages) ? body.messages : [];
  const { instructions, turns } = decodeMessages(messages, losses);
  const { tools, choice } = decodeTools(body, losses);
  const request: ChatRequest = {
    model: envelope.model,
    isStream: envelope.isStream,
    wantsUsage: envelope.wantsUsage,
    instructions,
    turns,
    tools,
    toolChoice: choice,
    allowsParallelCalls: booleanOr(body.parallel_tool_calls),
    output: outputFormat(body.response_format),
    reasoning: decodeReasoningWish(body),
    maxOutputTokens: countOr(body.max_completion_tokens) ?? countOr(body.max_tokens),
    stop: texts(body.stop),
    temperature: numberOr(body.temperature),
    topP: numberOr(body.top_p),
    topK: numberOr(body.top_k),
    seed: numberOr(body.seed),
    presencePenalty: numberOr(body.presence_penalty),
    frequencyPenalty: numberOr(body.frequency_penalty),
    choices: Math.max(1, countOr(body.n) ?? 1),
    logprobs: logprobs(body),
    modalities: texts(body.modalities).map((modality) => modality.toLowerCase()),
    verbosity: verbosity(body.verbosity),
    user: textOr(body.user),
    cacheKey: textOr(body.prompt_cache_key),
    serviceTier: textOr(body.service_tier),
    metadata: isObject(body.metadata) ? body.metadata : null,
    foreign: foreignFields(body),
  };
  return losses.problem ?? { value: request, warnings: losses.warnings };
}

const texts = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === 'string' && one !== '');

function outputFormat(format: unknown): OutputFormat | null {
  if (!isObject(format)) return null;
  if (format.type === 'json_object') return { type: 'json' };
  if (format.type !== 'json_schema') return null;
  const inner = isObject(format.json_schema) ? format.json_schema : format;
  if (!isObject(inner.schema)) return { type: 'json' };
  return {
    type: 'json-schema',
    name: textOr(inner.name),
    description: textOr(inner.description),
    schema: inner.schema,
    isStrict: booleanOr(inner.strict),
  };
}

/** Old servers took a number here. */
function logprobs(body: JsonRecord): number | null {
  if (typeof body.logprobs === 'number') return countOr(body.logprobs);
  return body.logprobs === true ? (countOr(body.top_logprobs) ?? 0) : null;
}

function verbosity(value: unknown): ChatRequest['verbosity'] {
  return value === 'low' || value === 'medium' || value === 'high' ? value : null;
}

function foreignFields(body: JsonRecord): ChatRequest['foreign'] {
  const kept = Object.entries(body).flatMap(([name, value]) => {
    const rest = READ.has(name) || value === null ? undefined : unread(name, value);
    return rest === undefined ? [] : [[name, rest] as const];
  });
  const { messages: _, ...original } = body;
  return { protocol: 'openai-chat', fields: Object.fromEntries(kept), original };
}

/** Of fields that are read in part: what is left of them. */
function unread(name: string, value: unknown): unknown {
  if (!isObject(value)) return value;
  switch (name) {
    case 'stream_options': {
      const { include_usage: _, ...rest } = value;
      return Object.keys(rest).length > 0 ? rest : undefined;
    }
    case 'extra_body': {
      if (!googleThinking(value) || !isObject(value.google)) return value;
      const { thinking_config: _, ...google } = value.google;
      const { google: __, ...rest } = value;
      const left = Object.keys(google).length > 0 ? { ...rest, google } : rest;
      return Object.keys(left).length > 0 ? left : undefined;
    }
    default:
      return value;
  }
}
