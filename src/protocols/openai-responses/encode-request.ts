import { isObject } from '../../shared/json-shape.ts';
import { cleanNames, namesBack, PLAIN_NAME } from '../clean-names.ts';
import type { EncodeContext, EncodedRequest, Warned } from '../codec.ts';
import type { ChatRequest, JsonRecord, OutputFormat, ReasoningLevel, Turn } from '../ir.ts';
import { fittedAmount, levelOfBudget } from '../reasoning.ts';
import { wellFormedTurns } from '../well-formed-turns.ts';
import { withCallIds } from './call-ids.ts';
import { type OwnName, ownNames } from './namespaces.ts';
import { contentParts } from './write-content.ts';
import { type ItemRules, itemsOf } from './write-items.ts';
import { toolChoiceJson, toolsJson } from './write-tools.ts';

// The vendor refuses less.
const MIN_OUTPUT_TOKENS = 16;

/** A request of any client for an upstream that speaks Responses. */
export function encodeRequest(request: ChatRequest, context: EncodeContext): Warned<EncodedRequest> {
  const { foreign } = request;
  return foreign?.protocol === 'openai-responses'
    ? encodeHome(request, { ...foreign.fields, ...foreign.original }, context)
    : encodeForeign(request, context);
}

/** Back where it came from: what had no neutral form goes as it came, and names, ids and layout stay. */
function encodeHome(request: ChatRequest, came: JsonRecord, context: EncodeContext): Warned<EncodedRequest> {
  const warnings = new Set<string>();
  const own = ownNames(came.tools);
  const rules: ItemRules = {
    warnings,
    isHome: true,
    ownName: (name) => own.get(name) ?? { name, namespace: null },
    looksUpIds: came.store !== false,
  };
  // Instructions that were messages are messages again.
  const isField = typeof came.instructions === 'string' && came.instructions !== '';
  const messages = request.instructions.slice(isField ? 1 : 0);
  const turns: readonly Turn[] =
    messages.length > 0 ? [{ role: 'system', parts: messages }, ...request.turns] : request.turns;
  const text = textField(request);
  const reasoning = homeReasoning(request, came.reasoning, context);
  const { reasoning: _, ...rest } = came;
  const body: JsonRecord = {
    ...toolFields(request, rules),
    ...(request.user !== null && came.safety_identifier === undefined && { user: request.user }),
    ...rest,
    ...neutralFields(request, context, warnings),
    input: itemsOf(turns, rules),
    ...(text && { text: { ...(isObject(came.text) && came.text), ...text } }),
    ...(reasoning && { reasoning }),
  };
  return { value: { body, trace: { toolNames: new Map(), answerTool: null } }, warnings: [...warnings] };
}

/** As it came, but for the amount, which may have been said again since: in the model's name. */
function homeReasoning(request: ChatRequest, came: unknown, context: EncodeContext): JsonRecord | null {
  if (context.reasoning.kind === 'none') return null;
  const wished = reasoningField(request, context);
  if (!isObject(came)) return wished;
  return { ...came, ...(wished?.effort !== undefined && { effort: wished.effort }) };
}

function encodeForeign(request: ChatRequest, context: EncodeContext): Warned<EncodedRequest> {
  const { turns: formed, warnings: formWarnings } = wellFormedTurns(request.turns);
  const warnings = new Set(formWarnings);
  const turns = withCallIds(formed);
  const clean = cleanNames(toolNames(request), PLAIN_NAME);
  const ownName = (name: string): OwnName => ({ name: clean.get(name) ?? name, namespace: null });
  const rules: ItemRules = { warnings, isHome: false, ownName, looksUpIds: false };
  const input = itemsOf(turns, rules);
  const text = textField(request);
  const reasoning = reasoningField(request, context);
  const include = [
    // Without a stored response the model's thoughts survive a tool loop only in the client's hands.
    ...(context.reasoning.kind === 'none' ? [] : ['reasoning.encrypted_content']),
    ...(request.logprobs === null ? [] : ['message.output_text.logprobs']),
  ];
  warnOfMissing(request, warnings);
  const body: JsonRecord = {
    ...neutralFields(request, context, warnings),
    ...(input.length > 0 && instructionsField(request, rules)),
    // A request without input is refused: instructions that stand alone are what is asked.
    input: input.length > 0 ? input : itemsOf([{ role: 'system', parts: request.instructions }], rules),
    ...toolFields(request, rules),
    ...(text && { text }),
    ...(reasoning && { reasoning }),
    ...(request.user !== null && { user: request.user }),
    ...(include.length > 0 && { include }),
    store: false,
  };
  return { value: { body, trace: { toolNames: namesBack(clean), answerTool: null } }, warnings: [...warnings] };
}

function neutralFields(request: ChatRequest, context: EncodeContext, warnings: Set<string>): JsonRecord {
  const limit = outputLimit(request, context, warnings);
  return {
    model: context.model,
    ...(context.isStream && { stream: true }),
    ...(limit !== null && { max_output_tokens: limit }),
    ...(request.temperature !== null && { temperature: request.temperature }),
    ...(request.topP !== null && { top_p: request.topP }),
    ...(request.serviceTier !== null && { service_tier: request.serviceTier }),
    ...(request.metadata && { metadata: request.metadata }),
    ...(request.cacheKey !== null && { prompt_cache_key: request.cacheKey }),
    ...(request.logprobs !== null && request.logprobs > 0 && { top_logprobs: request.logprobs }),
  };
}

/** Without tools there is nothing to choose from, and the vendor refuses a choice. */
function toolFields(request: ChatRequest, { ownName, warnings }: ItemRules): JsonRecord {
  const tools = toolsJson(request.tools, ownName, warnings);
  if (tools.length === 0) return {};
  return {
    tools,
    ...(request.toolChoice && { tool_choice: toolChoiceJson(request.toolChoice, request, ownName) }),
    ...(request.allowsParallelCalls !== null && { parallel_tool_calls: request.allowsParallelCalls }),
  };
}

function outputLimit(
  { maxOutputTokens: wanted }: ChatRequest,
  { maxOutputTokens: most }: EncodeContext,
  warnings: Set<string>,
): number | null {
  if (wanted === null) return null;
  if (most !== null && wanted > most) {
    warnings.add(`max_output_tokens lowered to ${most}`);
    return most;
  }
  if (wanted >= MIN_OUTPUT_TOKENS) return wanted;
  warnings.add(`max_output_tokens raised to ${MIN_OUTPUT_TOKENS}`);
  return MIN_OUTPUT_TOKENS;
}

function instructionsField(request: ChatRequest, rules: ItemRules): JsonRecord {
  const texts = contentParts(request.instructions, rules).flatMap(({ text }) => (typeof text === 'string' ? text : []));
  return texts.length > 0 ? { instructions: texts.join('\n\n') } : {};
}

function textField({ output, verbosity }: ChatRequest): JsonRecord | null {
  if (!output && verbosity === null) return null;
  return { ...(output && { format: formatJson(output) }), ...(verbosity !== null && { verbosity }) };
}

function formatJson(output: OutputFormat): JsonRecord {
  if (output.type === 'json') return { type: 'json_object' };
  return {
    type: 'json_schema',
    // The vendor wants a name.
    name: output.name ?? 'answer',
    ...(output.description !== null && { description: output.description }),
    schema: output.schema,
    ...(output.isStrict !== null && { strict: output.isStrict }),
  };
}

function reasoningField({ reasoning }: ChatRequest, context: EncodeContext): JsonRecord | null {
  if (!reasoning || context.reasoning.kind === 'none') return null;
  const amount = reasoning.amount && fittedAmount(reasoning.amount, context.reasoning);
  const effort = amount && effortOf(amount);
  // Thoughts are shown as summaries, and only to those who ask; who asks for thinking elsewhere sees it.
  const isShown = reasoning.isShown ?? effort !== 'none';
  if (!effort && !isShown) return null;
  return { ...(effort && { effort }), ...(isShown && { summary: 'auto' }) };
}

function effortOf(amount: NonNullable<ReturnType<typeof fittedAmount>>): ReasoningLevel | 'none' | null {
  switch (amount.kind) {
    case 'level':
      return amount.level;
    case 'budget':
      return amount.tokens > 0 ? levelOfBudget(amount.tokens) : 'none';
    case 'off':
      return 'none';
    // Left out, the model decides.
    case 'dynamic':
      return null;
  }
}

/** Of tools, of calls in the history, and of a choice: all are known under the same name. */
function* toolNames(request: ChatRequest): Generator<string> {
  for (const tool of request.tools) if (tool.type !== 'foreign') yield tool.name;
  for (const turn of request.turns) {
    if (turn.role !== 'assistant') continue;
    for (const part of turn.parts) if (part.type === 'tool-call') yield part.name;
  }
  if (request.toolChoice?.type === 'tool') yield request.toolChoice.name;
}

/** Wishes that this protocol has no field for. */
function warnOfMissing(request: ChatRequest, warnings: Set<string>): void {
  const missing: readonly [boolean, string][] = [
    [request.stop.length > 0, 'stop'],
    [request.topK !== null, 'top_k'],
    [request.seed !== null, 'seed'],
    [(request.presencePenalty ?? 0) !== 0, 'presence_penalty'],
    [(request.frequencyPenalty ?? 0) !== 0, 'frequency_penalty'],
    [request.choices > 1, 'n'],
    [request.modalities.some((modality) => modality !== 'text'), 'modalities'],
  ];
  for (const [isAsked, name] of missing) if (isAsked) warnings.add(`${name} removed`);
  for (const name of Object.keys(request.foreign?.fields ?? {})) warnings.add(`${name} removed`);
}
