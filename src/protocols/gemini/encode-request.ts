import { isObject } from '../../shared/json-shape.ts';
import { cleanNames, type NameRule, namesBack } from '../clean-names.ts';
import type { EncodeContext, EncodedRequest, Warned } from '../codec.ts';
import type { ChatRequest, JsonRecord, OutputFormat } from '../ir.ts';
import { type Content, encodeTurns } from './encode-turns.ts';
import { encodeConfig } from './generation-config.ts';
import { refusesJsonBesideTools } from './model-family.ts';
import { isOwn } from './own.ts';
import { encodeToolChoice, encodeTools } from './tools.ts';

/** https://ai.google.dev/api/caching#FunctionDeclaration, with the length that older models take. */
const FUNCTION_NAME: NameRule = { allowed: /[A-Za-z0-9_.:-]/, first: /[A-Za-z_]/, maxLength: 64 };

export function encodeRequest(request: ChatRequest, context: EncodeContext): Warned<EncodedRequest> {
  const warnings = new Set<string>();
  const warn = (warning: string) => void warnings.add(warning);
  const names = cleanNames(toolNamesIn(request), FUNCTION_NAME);
  const tools = encodeTools(request.tools, names, warn);
  const hasFunctions = request.tools.some((tool) => tool.type !== 'foreign');
  const history = encodeTurns(request.turns, { ...context, names, hasTools: tools.length > 0, warn });
  const isFormatTold = request.output !== null && tools.length > 0 && refusesJsonBesideTools(context.model);
  const told = isFormatTold && request.output ? [{ text: outputInWords(request.output) }] : [];
  if (isFormatTold) warn('output format beside tools sent as an instruction');
  const { systemInstruction, contents } = placed([...instructionParts(request, warn), ...told], history);
  const config = encodeConfig(isFormatTold ? { ...request, output: null } : request, context, warn);
  const { toolChoice } = request;
  if (toolChoice && !hasFunctions && toolChoice.type !== 'auto') warn('tool choice without tools removed');
  warnOfTheRest(request, warn);
  const body: JsonRecord = {
    ...(systemInstruction && { systemInstruction }),
    contents,
    ...(tools.length > 0 && { tools }),
    ...(toolChoice && hasFunctions && { toolConfig: { functionCallingConfig: encodeToolChoice(toolChoice, names) } }),
    ...(Object.keys(config).length > 0 && { generationConfig: config }),
  };
  return {
    value: { body: withForeign(body, request, warn), trace: { toolNames: namesBack(names), answerTool: null } },
    warnings: [...warnings],
  };
}

function toolNamesIn({ tools, turns, toolChoice }: ChatRequest): readonly string[] {
  return [
    ...tools.flatMap((tool) => (tool.type === 'foreign' ? [] : [tool.name])),
    ...turns.flatMap((turn) =>
      turn.role === 'assistant' ? turn.parts.flatMap((part) => (part.type === 'tool-call' ? [part.name] : [])) : [],
    ),
    ...(toolChoice?.type === 'tool' ? [toolChoice.name] : []),
  ];
}

function instructionParts({ instructions }: ChatRequest, warn: (warning: string) => void): readonly JsonRecord[] {
  return instructions.flatMap((part): readonly JsonRecord[] => {
    if (part.type === 'text') {
      if (part.cache) warn('cache marks removed');
      return part.text === '' ? [] : [{ text: part.text }];
    }
    if (isOwn(part)) return [part.value];
    warn(`${part.name} removed`);
    return [];
  });
}

function outputInWords(output: OutputFormat): string {
  const form = 'When you give your final answer, it is one JSON value and nothing else, without a code fence.';
  return output.type === 'json' ? form : `${form} It is valid under this JSON Schema: ${JSON.stringify(output.schema)}`;
}

/** A conversation must not be empty: instructions without one are all that there is to say. */
function placed(instructions: readonly JsonRecord[], contents: readonly Content[]) {
  const said: Content = { role: 'user', parts: instructions };
  if (contents.length === 0) return { systemInstruction: null, contents: instructions.length > 0 ? [said] : [] };
  return { systemInstruction: instructions.length > 0 ? said : null, contents };
}

function warnOfTheRest(request: ChatRequest, warn: (warning: string) => void): void {
  if (request.user !== null) warn('user removed');
  if (request.metadata !== null) warn('metadata removed');
  if (request.verbosity !== null) warn('verbosity removed');
  if (request.cacheKey !== null) warn('prompt_cache_key removed');
  if (request.allowsParallelCalls === false) warn('parallel_tool_calls removed');
}

/** Fields of Gemini's own go home; another protocol's are named. A service tier has the same name everywhere, and other values. */
function withForeign(body: JsonRecord, request: ChatRequest, warn: (warning: string) => void): JsonRecord {
  const { foreign, serviceTier } = request;
  if (!foreign || !isOwn(foreign)) {
    for (const name of Object.keys(foreign?.fields ?? {})) warn(`${name} removed`);
    if (serviceTier !== null) warn('service_tier removed');
    return body;
  }
  const whole: Record<string, unknown> = { ...body, ...(serviceTier !== null && { serviceTier }) };
  for (const [name, value] of Object.entries(foreign.fields)) {
    const [parent = '', child] = name.split(/\.(.*)/s);
    if (child === undefined) whole[name] ??= value;
    else {
      const own = whole[parent];
      whole[parent] = { ...(isObject(own) && own), [child]: value };
    }
  }
  return whole;
}
