import { isObject, textOr } from '../../shared/json-shape.ts';
import type { Envelope, Warned } from '../codec.ts';
import type { ChatRequest, JsonRecord } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { wrong } from '../request-bytes.ts';
import { decodeInstructions, decodeTurns } from './decode-turns.ts';
import { decodeConfig } from './generation-config.ts';
import { topField } from './request.ts';
import { decodeToolChoice, decodeTools, isPlainChoice } from './tools.ts';
import { field, rest, spellings } from './wire-field.ts';

const KNOWN = ['contents', 'systemInstruction', 'tools', 'toolConfig', 'generationConfig', 'serviceTier'] as const;

/** A client's request in neutral form. */
export function decodeRequest(envelope: Envelope): Warned<ChatRequest> | Problem {
  const { index, model, isStream, wantsUsage } = envelope;
  const contents = index.get('contents');
  if (!Array.isArray(contents)) return wrong('contents is not valid JSON', 'contents');
  const warnings = new Set<string>();
  const warn = (warning: string) => void warnings.add(warning);
  const { foreign: ownConfig, ...sampling } = decodeConfig(topField(index, 'generationConfig'));
  const toolConfig = topField(index, 'toolConfig');
  const calling = isObject(toolConfig) ? field(toolConfig, 'functionCallingConfig') : undefined;
  const ownToolConfig = isObject(toolConfig) ? rest(toolConfig, ['functionCallingConfig']) : {};
  const fields: JsonRecord = {
    ...topFields(envelope),
    ...dotted('generationConfig', ownConfig),
    ...dotted('toolConfig', ownToolConfig),
    ...(isObject(calling) && !isPlainChoice(calling) && { 'toolConfig.functionCallingConfig': calling }),
  };
  const request: ChatRequest = {
    model,
    isStream,
    wantsUsage,
    instructions: decodeInstructions(topField(index, 'systemInstruction')),
    turns: decodeTurns(contents, warn),
    tools: decodeTools(index.get('tools'), warn),
    toolChoice: decodeToolChoice(calling),
    allowsParallelCalls: null,
    ...sampling,
    verbosity: null,
    user: null,
    cacheKey: null,
    serviceTier: textOr(topField(index, 'serviceTier')),
    metadata: null,
    foreign: Object.keys(fields).length > 0 ? { protocol: 'gemini', fields } : null,
  };
  return { value: request, warnings: [...warnings] };
}

function topFields({ index }: Envelope): JsonRecord {
  const known = new Set(KNOWN.flatMap(spellings));
  const own = index.entries.map(({ key }) => key).filter((key) => !known.has(key));
  return Object.fromEntries(own.map((key) => [key, index.get(key)]));
}

/** Fields below the top keep their place in their name. */
const dotted = (parent: string, fields: JsonRecord): JsonRecord =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [`${parent}.${key}`, value]));
