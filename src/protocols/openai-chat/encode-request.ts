import { cleanNames, namesBack, PLAIN_NAME } from '../clean-names.ts';
import type { EncodeContext, EncodedRequest, Warned } from '../codec.ts';
import { customAsFunction } from '../custom-tools.ts';
import { isObject } from '../../shared/json-shape.ts';
import type { ChatRequest, JsonRecord, OutputFormat, ReasoningWish, Tool, ToolChoice } from '../ir.ts';
import { fittedAmount, levelOfBudget } from '../reasoning.ts';
import { cacheControl } from './cache-marks.ts';
import { type Dialect, dialectOf } from './dialect.ts';
import { encodeMessages } from './encode-messages.ts';
import { Losses } from './losses.ts';

const MAX_STOPS = 4;
const SERVICE_TIERS: readonly string[] = ['auto', 'default', 'flex', 'scale', 'priority'];

/** A request with nothing in it that was not asked for: many chat servers refuse what they do not know, and nulls. */
export function encodeRequest(request: ChatRequest, context: EncodeContext): Warned<EncodedRequest> {
  const losses = new Losses();
  const { model } = context;
  const dialect = dialectOf(request, model);
  const names = cleanNames(namesOf(request), PLAIN_NAME);
  const nameOf = (name: string) => names.get(name) ?? name;
  const output = outputFields(request.output, context, losses);
  const instructions = output.instruction
    ? [...request.instructions, { type: 'text' as const, text: output.instruction }]
    : request.instructions;
  const body: JsonRecord = {
    ...ownFields(request, losses),
    model,
    messages: encodeMessages({ instructions, turns: request.turns }, { dialect, losses, nameOf }),
    ...toolFields(request, dialect, nameOf, losses),
    ...output.fields,
    ...reasoningFields(request.reasoning, context, losses),
    ...limits(request, context, dialect),
    ...sampling(request, dialect, losses),
    ...about(request, losses),
    ...streaming(request, context),
  };
  return { value: { body, trace: { toolNames: namesBack(names), answerTool: null } }, warnings: losses.warnings };
}

function* namesOf({ tools, turns, toolChoice }: ChatRequest): Generator<string> {
  for (const tool of tools) if (tool.type !== 'foreign') yield tool.name;
  for (const { parts } of turns) for (const part of parts) if (part.type === 'tool-call') yield part.name;
  if (toolChoice?.type === 'tool') yield toolChoice.name;
}

function ownFields({ foreign }: ChatRequest, losses: Losses): JsonRecord {
  losses.foreign(foreign);
  if (foreign?.protocol !== 'openai-chat') return {};
  // Written with the rest of it, in streams alone.
  const { stream_options: _, ...fields } = foreign.fields;
  return fields;
}

function toolFields(request: ChatRequest, dialect: Dialect, nameOf: (name: string) => string, losses: Losses): object {
  const tools = request.tools.flatMap((tool) => encodeTool(tool, dialect, nameOf, losses));
  // A choice among no tools is refused.
  if (tools.length === 0) return {};
  return {
    tools,
    ...choiceFields(request, nameOf),
    // True is what everybody does by themselves.
    ...(request.allowsParallelCalls === false && { parallel_tool_calls: false }),
  };
}

function encodeTool(tool: Tool, dialect: Dialect, nameOf: (name: string) => string, losses: Losses): readonly object[] {
  switch (tool.type) {
    case 'custom':
      if (tool.format && tool.format.type !== 'text') losses.warn(`grammar of ${tool.name} removed`);
      return encodeTool(customAsFunction(tool), dialect, nameOf, losses);
    case 'foreign':
      if (tool.protocol === 'openai-chat') return [tool.value];
      losses.warn(`tool ${tool.name} removed`);
      return [];
    case 'function': {
      const { name, description, parameters, isStrict, cache, foreign } = tool;
      losses.foreign(foreign);
      if (cache && !dialect.takesCacheMarks) losses.warn('cache_control removed');
      return [
        {
          type: 'function',
          function: {
            name: nameOf(name),
            ...(description !== null && { description }),
            parameters: parameters ?? { type: 'object', properties: {} },
            ...(isStrict !== null && { strict: isStrict }),
          },
          ...(cache && dialect.takesCacheMarks && { cache_control: cacheControl(cache) }),
        },
      ];
    }
  }
}

function choiceFields({ toolChoice, tools }: ChatRequest, nameOf: (name: string) => string): object {
  const choice = toolChoice && encodeChoice(toolChoice, tools, nameOf);
  return choice ? { tool_choice: choice } : {};
}

function encodeChoice(choice: ToolChoice, tools: readonly Tool[], nameOf: (name: string) => string) {
  if (choice.type !== 'tool') return choice.type;
  const named = tools.find(({ name }) => name === choice.name);
  // A tool that nobody offers cannot be called.
  return named && named.type !== 'foreign' ? { type: 'function', function: { name: nameOf(choice.name) } } : null;
}

function outputFields(
  output: OutputFormat | null,
  context: EncodeContext,
  losses: Losses,
): { readonly fields: object; readonly instruction: string | null } {
  if (!output) return { fields: {}, instruction: null };
  if (output.type === 'json') return { fields: { response_format: { type: 'json_object' } }, instruction: null };
  const { name, description, schema, isStrict } = output;
  if (context.hasStructuredOutput === false) {
    losses.warn('response schema written as an instruction');
    const instruction = `Answer with one JSON object that is valid against this JSON Schema:\n${JSON.stringify(schema)}`;
    return { fields: { response_format: { type: 'json_object' } }, instruction };
  }
  const json_schema = {
    name: schemaName(name),
    ...(description !== null && { description }),
    schema,
    ...(isStrict !== null && { strict: isStrict }),
  };
  return { fields: { response_format: { type: 'json_schema', json_schema } }, instruction: null };
}

function schemaName(name: string | null): string {
  const wanted = name || 'answer';
  return cleanNames([wanted], PLAIN_NAME).get(wanted) ?? wanted;
}

function reasoningFields(wish: ReasoningWish | null, context: EncodeContext, losses: Losses): object {
  if (!wish?.amount) return {};
  const amount = fittedAmount(wish.amount, context.reasoning);
  switch (amount?.kind) {
    case 'level':
      return { reasoning_effort: amount.level };
    case 'budget':
      return { reasoning_effort: levelOfBudget(amount.tokens) };
    case 'off':
      return { reasoning_effort: 'none' };
    case 'dynamic':
      return {};
    case undefined:
      if (wish.amount.kind !== 'off' && wish.amount.kind !== 'dynamic') losses.warn('reasoning effort removed');
      return {};
  }
}

function limits({ maxOutputTokens }: ChatRequest, context: EncodeContext, dialect: Dialect): object {
  if (maxOutputTokens === null) return {};
  const tokens = Math.min(maxOutputTokens, context.maxOutputTokens ?? Number.POSITIVE_INFINITY);
  return dialect.hasCompletionLimit ? { max_completion_tokens: tokens } : { max_tokens: tokens };
}

function sampling(request: ChatRequest, { takesTopK }: Dialect, losses: Losses): object {
  if (request.topK !== null && !takesTopK) losses.warn('top_k removed');
  const { stop, logprobs, choices } = request;
  if (stop.length > MAX_STOPS) losses.warn(`stop sequences after the first ${MAX_STOPS} removed`);
  return {
    ...(stop.length > 0 && { stop: stop.slice(0, MAX_STOPS) }),
    ...(request.temperature !== null && { temperature: request.temperature }),
    ...(request.topP !== null && { top_p: request.topP }),
    ...(request.topK !== null && takesTopK && { top_k: request.topK }),
    ...(request.seed !== null && { seed: request.seed }),
    ...(request.presencePenalty !== null && { presence_penalty: request.presencePenalty }),
    ...(request.frequencyPenalty !== null && { frequency_penalty: request.frequencyPenalty }),
    ...(choices > 1 && { n: choices }),
    ...(logprobs !== null && { logprobs: true, ...(logprobs > 0 && { top_logprobs: logprobs }) }),
  };
}

function about(request: ChatRequest, losses: Losses): object {
  const { modalities, verbosity, user, cacheKey, serviceTier, metadata } = request;
  const isTierKnown = serviceTier !== null && SERVICE_TIERS.includes(serviceTier);
  if (serviceTier !== null && !isTierKnown) losses.warn('service_tier removed');
  return {
    // Text alone is what everybody answers by themselves.
    ...(modalities.some((modality) => modality !== 'text') && { modalities }),
    ...(verbosity !== null && { verbosity }),
    ...(user !== null && { user }),
    ...(cacheKey !== null && { prompt_cache_key: cacheKey }),
    ...(isTierKnown && { service_tier: serviceTier }),
    ...(metadata !== null && { metadata }),
  };
}

function streaming({ foreign }: ChatRequest, { isStream }: EncodeContext): object {
  if (!isStream) return {};
  const own = foreign?.protocol === 'openai-chat' ? foreign.fields.stream_options : null;
  return { stream: true, stream_options: { ...(isObject(own) && own), include_usage: true } };
}
