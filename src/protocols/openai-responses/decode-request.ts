import { booleanOr, countOr, isObject, numberOr, parseJson, textOr } from '../../shared/json-shape.ts';
import { type Envelope, isProblem, type Warned } from '../codec.ts';
import type { ChatRequest, JsonRecord, OutputFormat, ReasoningWish } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { LEVELS } from '../reasoning.ts';
import { wrong } from '../request-bytes.ts';
import { readTools } from './read-tools.ts';
import { readTurns } from './read-turns.ts';

/** Fields that have a neutral form, or that rotator itself sees to. What is not among them has a meaning here alone. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  'model',
  'input',
  'instructions',
  'stream',
  'max_output_tokens',
  'temperature',
  'top_p',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'text',
  'reasoning',
  'service_tier',
  'metadata',
  'prompt_cache_key',
  'top_logprobs',
  'include',
  'user',
  'safety_identifier',
  'store',
  // Refused where it is true.
  'background',
  // What it says of streams is about how they look on the network.
  'stream_options',
]);

export function decodeRequest(envelope: Envelope): Warned<ChatRequest> | Problem {
  const body = parseJson(new TextDecoder().decode(envelope.index.bytes));
  if (!isObject(body)) return wrong('the request body is not a valid JSON object');
  const kept = keptElsewhere(body);
  if (kept) return kept;
  const turns = readTurns(body);
  if (isProblem(turns)) return turns;
  const warnings = new Set(turns.warnings);
  const { tools, toolChoice } = readTools(body, warnings);
  const text = isObject(body.text) ? body.text : {};
  const request: ChatRequest = {
    model: envelope.model,
    isStream: envelope.isStream,
    wantsUsage: true,
    instructions: turns.instructions,
    turns: turns.turns,
    tools,
    toolChoice,
    allowsParallelCalls: booleanOr(body.parallel_tool_calls),
    output: outputFormat(text.format),
    reasoning: reasoningWish(body.reasoning),
    maxOutputTokens: countOr(body.max_output_tokens),
    stop: [],
    temperature: numberOr(body.temperature),
    topP: numberOr(body.top_p),
    topK: null,
    seed: null,
    presencePenalty: null,
    frequencyPenalty: null,
    choices: 1,
    logprobs: logprobs(body),
    modalities: [],
    verbosity: verbosity(text.verbosity),
    user: textOr(body.user) ?? textOr(body.safety_identifier),
    cacheKey: textOr(body.prompt_cache_key),
    serviceTier: textOr(body.service_tier),
    metadata: isObject(body.metadata) ? body.metadata : null,
    foreign: { protocol: 'openai-responses', fields: foreignFields(body), original: withoutInput(body) },
  };
  return { value: request, warnings: [...warnings] };
}

/** Conversations, templates and jobs that only the vendor has: without it there is nothing to send. */
function keptElsewhere(body: JsonRecord): Problem | null {
  const earlier = textOr(body.previous_response_id);
  if (earlier !== null) {
    const name = JSON.stringify(earlier);
    return wrong(
      `the response ${name} is not known here, so that the conversation it ends cannot be continued; send the whole conversation in input`,
      'previous_response_id',
    );
  }
  const other = (['conversation', 'prompt'] as const).find((name) => isSaid(body[name]));
  if (other) {
    const what = `${other} is kept by a vendor of the Responses API, and the model asked for is served by another`;
    return wrong(`${what}; send the whole conversation in input`, other);
  }
  if (body.background === true) {
    return wrong('background is not supported for this model; leave it out, or use stream', 'background');
  }
  return null;
}

function foreignFields(body: JsonRecord): JsonRecord {
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => !UNDERSTOOD.has(name) && isSaid(value)));
}

function withoutInput({ input: _, ...rest }: JsonRecord): JsonRecord {
  return rest;
}

const isSaid = (value: unknown) => value !== undefined && value !== null;

function outputFormat(value: unknown): OutputFormat | null {
  if (!isObject(value)) return null;
  if (value.type === 'json_object') return { type: 'json' };
  if (value.type !== 'json_schema') return null;
  return {
    type: 'json-schema',
    name: textOr(value.name),
    description: textOr(value.description),
    schema: isObject(value.schema) ? value.schema : {},
    isStrict: booleanOr(value.strict),
  };
}

function reasoningWish(value: unknown): ReasoningWish | null {
  if (!isObject(value)) return null;
  const level = LEVELS.find((one) => one === value.effort);
  const amount: ReasoningWish['amount'] =
    value.effort === 'none' ? { kind: 'off' } : level ? { kind: 'level', level } : null;
  // The summary had another name before.
  const isShown = isSaid(value.summary) || isSaid(value.generate_summary) ? true : null;
  return amount === null && isShown === null ? null : { amount, isShown };
}

function logprobs(body: JsonRecord): number | null {
  const top = countOr(body.top_logprobs);
  if (top !== null && top > 0) return top;
  return Array.isArray(body.include) && body.include.includes('message.output_text.logprobs') ? 0 : null;
}

function verbosity(value: unknown): ChatRequest['verbosity'] {
  return value === 'low' || value === 'medium' || value === 'high' ? value : null;
}
