import { isObject, textOr } from '../../shared/json-shape.ts';
import { cleanNames, namesBack, PLAIN_NAME } from '../clean-names.ts';
import type { EncodeContext, EncodedRequest, Warned } from '../codec.ts';
import type { ChatRequest, JsonRecord, Turn } from '../ir.ts';
import { wellFormedTurns } from '../well-formed-turns.ts';
import { type Block, MAX_MARKS, settleCacheMarks } from './cache-marks.ts';
import { ownFields } from './own-fields.ts';
import { boundsOf } from './write-thinking.ts';
import { writeTools } from './write-tools.ts';
import { foreignBlocks, messagesOf, textBlocks } from './write-turns.ts';

/** The vendor's own limit for the name of a user. */
const MAX_USER_LENGTH = 256;

/** A neutral request as one for a message: what the strictest server of this protocol takes. */
export function encodeRequest(request: ChatRequest, context: EncodeContext): Warned<EncodedRequest> {
  const warnings = new Set<string>();
  const warn = (warning: string) => void warnings.add(warning);
  const history = wellFormedTurns(request.turns.filter(({ role }) => role !== 'system'));
  const { turns } = history;
  const names = cleanNames(toolNames(request), PLAIN_NAME);
  const written = writeTools(request, turns, names, context, warn);
  const bounds = boundsOf(request, turns, written.isForced, context);
  const system = systemBlocks(request, warn);
  const messages = messagesOf(turns, { names, keepsThinking: bounds.isThinking !== false, warn });
  const { output_config: ownConfig, metadata: ownMetadata, thinking: _, ...fields } = ownFields(request.foreign);
  const marks = MAX_MARKS - (isObject(fields.cache_control) ? 1 : 0);
  const blocks = [...written.tools, ...system, ...messages.flatMap(({ content }) => content)];
  for (const warning of [...history.warnings, ...bounds.warnings, ...settleCacheMarks(blocks, marks)]) warn(warning);
  for (const warning of unsaid(request)) warn(warning);

  const { effort: __, ...config } = isObject(ownConfig) ? ownConfig : {};
  const output = {
    ...config,
    ...(bounds.effort !== null && { effort: bounds.effort }),
    ...(written.format && { format: written.format }),
  };
  const user = userOf(request.user, warn);
  const metadata = { ...(isObject(ownMetadata) && ownMetadata), ...(user !== null && { user_id: user }) };
  const stop = request.stop.filter((sequence) => sequence.trim() !== '');
  if (stop.length < request.stop.length) warn('blank stop sequence removed');
  const tier = tierOf(request.serviceTier, warn);
  const body: JsonRecord = {
    model: context.model,
    max_tokens: bounds.maxTokens,
    ...(isFilled(system) && { system }),
    messages,
    ...(isFilled(written.tools) && { tools: written.tools }),
    ...(written.choice && { tool_choice: written.choice }),
    ...(bounds.thinking && { thinking: bounds.thinking }),
    ...(Object.keys(output).length > 0 && { output_config: output }),
    ...bounds.sampling,
    ...(isFilled(stop) && { stop_sequences: stop }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
    ...(tier !== null && { service_tier: tier }),
    ...(context.isStream && { stream: true }),
    ...fields,
  };
  const trace = { toolNames: namesBack(names), answerTool: written.answerTool };
  return { value: { body, trace }, warnings: [...warnings] };
}

const isFilled = (list: readonly unknown[]) => list.length > 0;

function toolNames(request: ChatRequest): readonly string[] {
  const defined = request.tools.flatMap((tool) => {
    if (tool.type !== 'foreign') return [tool.name];
    const name = textOr(tool.value.name);
    return name === null ? [] : [name];
  });
  const chosen = request.toolChoice?.type === 'tool' ? [request.toolChoice.name] : [];
  const called = request.turns.flatMap((turn: Turn) =>
    turn.role === 'assistant' ? turn.parts.flatMap((part) => (part.type === 'tool-call' ? [part.name] : [])) : [],
  );
  return [...defined, ...chosen, ...called];
}

/** Instructions given midway stand with the others: not every model takes them in their place. */
function systemBlocks(request: ChatRequest, warn: (warning: string) => void): readonly Block[] {
  const midway = request.turns.flatMap((turn) => (turn.role === 'system' ? turn.parts : []));
  const isMidway = request.turns.some(({ role }, at) => role === 'system' && request.turns.slice(0, at).some(isSpoken));
  if (isMidway) warn('instructions given midway moved to the front');
  return [...request.instructions, ...midway].flatMap((part) =>
    part.type === 'text' ? textBlocks(part, warn) : foreignBlocks(part, { warn }),
  );
}

const isSpoken = ({ role }: Turn) => role !== 'system';

function userOf(user: string | null, warn: (warning: string) => void): string | null {
  if (user === null || user.length <= MAX_USER_LENGTH) return user;
  warn('user removed: it is too long');
  return null;
}

function tierOf(tier: string | null, warn: (warning: string) => void): string | null {
  switch (tier) {
    case null:
      return null;
    case 'auto':
      return 'auto';
    case 'default':
    case 'standard_only':
      return 'standard_only';
    default:
      warn(`service tier ${tier} removed`);
      return null;
  }
}

/** What was asked for and has no place in this protocol. */
function* unsaid(request: ChatRequest): Generator<string> {
  if (request.seed !== null) yield 'seed removed';
  if (request.presencePenalty) yield 'presence_penalty removed';
  if (request.frequencyPenalty) yield 'frequency_penalty removed';
  if (request.choices > 1) yield 'n removed';
  if (request.logprobs !== null) yield 'logprobs removed';
  if (request.modalities.some((modality) => modality !== 'text')) yield 'modalities removed';
  if (request.verbosity !== null) yield 'verbosity removed';
  if (request.cacheKey !== null) yield 'prompt_cache_key removed';
  if (request.metadata !== null && Object.keys(request.metadata).length > 0) yield 'metadata removed';
  if (request.foreign === null || request.foreign.protocol === 'anthropic-messages') return;
  for (const name of Object.keys(request.foreign.fields)) yield `${name} removed`;
}
