import { isObject, numberOr, countOr, objectsIn, parseJson, textOr } from '../../shared/json-shape.ts';
import type { Envelope, Warned } from '../codec.ts';
import type { ChatRequest, ForeignPart, JsonRecord, OutputFormat, TextPart, Tool, ToolChoice, Turn } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { wrong } from '../request-bytes.ts';
import { readCacheMark } from './cache-marks.ts';
import { readThinking } from './read-thinking.ts';
import {
  assistantPart,
  blocksOf,
  foreignFields,
  foreignPart,
  textPart,
  toolResultPart,
  userPart,
} from './read-parts.ts';

const FIELDS = new Set([
  'model',
  'messages',
  'system',
  'max_tokens',
  'stream',
  'stop_sequences',
  'temperature',
  'top_p',
  'top_k',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'output_format',
  'metadata',
  'service_tier',
]);

/** Clients that are told so in this way send the whole conversation instead, of their own accord. */
const noThread: Problem = {
  kind: 'bad-request',
  status: 400,
  message: 'thread: this model’s provider holds no conversations; send the whole one, without `thread`',
  code: 'thread_unsupported_request',
  param: 'thread',
};

/** The neutral form of a request for a message. */
export function decodeRequest(envelope: Envelope): Warned<ChatRequest> | Problem {
  const body = parseJson(new TextDecoder().decode(envelope.index.bytes));
  if (!isObject(body)) return wrong('the request body is not a valid JSON object');
  if (isObject(body.thread)) return noThread;
  const messages = Array.isArray(body.messages) ? body.messages : [];
  const odd = messages.findIndex((message) => !isObject(message));
  if (odd >= 0) return wrong(`messages[${odd}] must be an object`, 'messages');
  const choice = isObject(body.tool_choice) ? body.tool_choice : {};
  const config = isObject(body.output_config) ? body.output_config : {};
  const metadata = isObject(body.metadata) ? body.metadata : {};
  const { reasoning, foreign: thinkingFields } = readThinking(body.thinking, config.effort);
  const { effort: _, format, ...otherConfig } = config;
  const { user_id: user, ...otherMetadata } = metadata;
  const keptConfig = { ...otherConfig, ...thinkingFields.output_config };
  const foreign = {
    ...foreignFields(body, FIELDS).foreign?.fields,
    ...(thinkingFields.thinking && { thinking: thinkingFields.thinking }),
    ...(Object.keys(keptConfig).length > 0 && { output_config: keptConfig }),
    ...(Object.keys(otherMetadata).length > 0 && { metadata: otherMetadata }),
  };
  const value: ChatRequest = {
    model: envelope.model,
    isStream: envelope.isStream,
    wantsUsage: envelope.wantsUsage,
    instructions: blocksOf(body.system).map(instruction),
    turns: turnsOf(objectsIn(messages)),
    tools: objectsIn(body.tools).map(toolOf),
    toolChoice: toolChoiceOf(choice),
    allowsParallelCalls:
      typeof choice.disable_parallel_tool_use === 'boolean' ? !choice.disable_parallel_tool_use : null,
    output: outputOf(format ?? body.output_format),
    reasoning,
    maxOutputTokens: countOr(body.max_tokens),
    stop: Array.isArray(body.stop_sequences) ? body.stop_sequences.filter((one) => typeof one === 'string') : [],
    temperature: numberOr(body.temperature),
    topP: numberOr(body.top_p),
    topK: countOr(body.top_k),
    seed: null,
    presencePenalty: null,
    frequencyPenalty: null,
    choices: 1,
    logprobs: null,
    modalities: [],
    verbosity: null,
    user: textOr(user),
    cacheKey: null,
    // The other protocols' word for what is not better than usual.
    serviceTier: body.service_tier === 'standard_only' ? 'default' : textOr(body.service_tier),
    metadata: null,
    foreign: Object.keys(foreign).length > 0 ? { protocol: 'anthropic-messages', fields: foreign } : null,
  };
  return { value, warnings: [] };
}

/** Claude Code's first block is for the vendor's books, changes with every request and would undo every other's cache. */
function instruction(block: JsonRecord): TextPart | ForeignPart {
  if (block.type !== 'text') return foreignPart(block);
  if (/^\s*x-anthropic-billing-header\b/i.test(textOr(block.text) ?? '')) return foreignPart(block, 'billing header');
  return textPart(block);
}

function turnsOf(messages: readonly JsonRecord[]): readonly Turn[] {
  const names = new Map<string, string>();
  return messages.flatMap((message): readonly Turn[] => {
    const blocks = blocksOf(message.content);
    switch (message.role) {
      case 'assistant': {
        const parts = blocks.map(assistantPart);
        for (const part of parts) if (part.type === 'tool-call') names.set(part.id, part.name);
        return [{ role: 'assistant', parts }];
      }
      // Claude Code speaks to the model midway, behind a tool's result.
      case 'system':
      case 'developer':
        return [
          {
            role: 'system',
            parts: blocks.map((block) => (block.type === 'text' ? textPart(block) : foreignPart(block))),
          },
        ];
      default:
        return userTurns(blocks, names);
    }
  });
}

/** Results belong right behind their calls, wherever in the message they stand. */
function userTurns(blocks: readonly JsonRecord[], names: ReadonlyMap<string, string>): readonly Turn[] {
  const isResult = (block: JsonRecord) => block.type === 'tool_result';
  const results = blocks.filter(isResult).map((block) => toolResultPart(block, names));
  const others = blocks.filter((block) => !isResult(block)).map(userPart);
  return [
    ...(results.length > 0 ? [{ role: 'tool', parts: results } as const] : []),
    ...(others.length > 0 || results.length === 0 ? [{ role: 'user', parts: others } as const] : []),
  ];
}

const TOOL_FIELDS = new Set(['type', 'name', 'description', 'input_schema', 'strict', 'cache_control']);

function toolOf(tool: JsonRecord): Tool {
  const isOwn = tool.type === undefined || tool.type === null || tool.type === 'custom';
  if (!isOwn) {
    return { type: 'foreign', protocol: 'anthropic-messages', name: textOr(tool.type) ?? 'tool', value: tool };
  }
  return {
    type: 'function',
    name: textOr(tool.name) ?? '',
    description: textOr(tool.description),
    parameters: isObject(tool.input_schema) ? tool.input_schema : null,
    isStrict: typeof tool.strict === 'boolean' ? tool.strict : null,
    ...readCacheMark(tool.cache_control),
    ...foreignFields(tool, TOOL_FIELDS),
  };
}

function toolChoiceOf({ type, name }: JsonRecord): ToolChoice | null {
  switch (type) {
    case 'auto':
    case 'none':
      return { type };
    case 'any':
      return { type: 'required' };
    case 'tool':
      return typeof name === 'string' ? { type: 'tool', name } : null;
    default:
      return null;
  }
}

function outputOf(format: unknown): OutputFormat | null {
  if (!isObject(format) || format.type !== 'json_schema' || !isObject(format.schema)) return null;
  return { type: 'json-schema', name: textOr(format.name), description: null, schema: format.schema, isStrict: null };
}
