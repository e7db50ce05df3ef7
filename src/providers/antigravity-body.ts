import { toGeminiParameters } from '../protocols/gemini/schema-to-gemini.ts';
import { field } from '../protocols/gemini/wire-field.ts';
import type { JsonIndex } from '../shared/json-bytes.ts';
import { isObject, objectsIn } from '../shared/json-shape.ts';
import { holds } from '../shared/byte-search.ts';
import { countOf } from './count-of.ts';
import { together } from './field-edits.ts';
import type { AdaptContext, FieldEdit, JsonObject } from './provider.ts';

/** What Antigravity wants of a `generateContent` body: less than Gemini takes, and more where Claude is behind it. */
export function editAntigravityBody(index: JsonIndex, { model }: AdaptContext): FieldEdit | undefined {
  const isClaude = isClaudeModel(model);
  return together(
    index.has('safetySettings') ? { remove: ['safetySettings'], changes: ['safetySettings removed'] } : undefined,
    editTools(index),
    isClaude ? validateCalls(index) : undefined,
    isClaude ? editClaudeConfig(index, model) : dropOutputLimit(index),
    isClaude ? signThoughts(index, model) : undefined,
  );
}

export const isClaudeModel = (model: string): boolean => /(?:^|\/)claude-/i.test(model);

/** Opus has no other form here. */
export const alwaysThinks = (model: string): boolean => /claude-opus-|-thinking$/i.test(model);

/** Is thinking asked for? */
export function wantsThoughts(config: unknown): boolean {
  const thinking = isObject(config) ? field(config, 'thinkingConfig') : undefined;
  if (!isObject(thinking)) return false;
  return field(thinking, 'thinkingBudget') !== 0 && Object.keys(thinking).length > 0;
}

/** One entry holds all functions, and their parameters stand in the older of the two fields. */
function editTools(index: JsonIndex): FieldEdit | undefined {
  const bytes = index.slice('tools');
  const isSplit = holds(bytes, 'parametersJsonSchema') || holds(bytes, 'parameters_json_schema');
  const entries = bytes === undefined ? [] : objectsIn(index.get('tools'));
  const functions = entries.filter((entry) => Array.isArray(field(entry, 'functionDeclarations')));
  if (!isSplit && functions.length < 2) return undefined;
  const changes: string[] = [];
  if (functions.length > 1) changes.push('functionDeclarations joined');
  if (isSplit) changes.push('parametersJsonSchema → parameters');
  const declared = functions.flatMap((entry) => objectsIn(field(entry, 'functionDeclarations')).map(withParameters));
  const rest = entries.filter((entry) => !functions.includes(entry));
  return { set: { tools: [{ functionDeclarations: declared }, ...rest] }, changes };
}

function withParameters(declaration: JsonObject): JsonObject {
  const { parametersJsonSchema, parameters_json_schema: snake, ...others } = declaration;
  const schema = parametersJsonSchema ?? snake;
  if (!isObject(schema)) return declaration;
  const cleaned = toGeminiParameters(schema);
  return { ...others, ...(cleaned && { parameters: cleaned.schema }) };
}

/** Claude's calls are checked against the tools: without that the host hands malformed ones on. */
function validateCalls(index: JsonIndex): FieldEdit | undefined {
  if (!holds(index.slice('tools'), 'unction')) return undefined;
  const name = index.has('tool_config') ? 'tool_config' : 'toolConfig';
  const written = index.get(name);
  const config = isObject(written) ? written : {};
  const calling = field(config, 'functionCallingConfig');
  const { function_calling_config: _, ...rest } = config;
  const mode = isObject(calling) ? calling.mode : undefined;
  // Who wants no call, or one for certain, says more than that they be valid.
  if (mode === 'NONE' || mode === 'ANY' || mode === 'VALIDATED') return undefined;
  const validated = { ...(isObject(calling) ? calling : {}), mode: 'VALIDATED' };
  return { set: { [name]: { ...rest, functionCallingConfig: validated } }, changes: ['calls of tools validated'] };
}

const MOST_OUTPUT = 64_000;
const USUAL_OUTPUT = 32_000;
const ROOM_FOR_ANSWER = 1024;

/** Thoughts are counted as output: their budget must leave room for an answer. */
function editClaudeConfig(index: JsonIndex, model: string): FieldEdit | undefined {
  const [name, config] = configOf(index);
  const thinking = field(config, 'thinkingConfig');
  const budget = isObject(thinking) ? (countOf(field(thinking, 'thinkingBudget')) ?? 0) : 0;
  const asked = countOf(field(config, 'maxOutputTokens'));
  if (asked === undefined && budget === 0 && !alwaysThinks(model)) return undefined;
  const least = budget >= (asked ?? USUAL_OUTPUT) ? budget + ROOM_FOR_ANSWER : (asked ?? USUAL_OUTPUT);
  const most = Math.min(least, MOST_OUTPUT);
  if (most === asked) return undefined;
  const { max_output_tokens: _, ...rest } = config;
  return {
    set: { [name]: { ...rest, maxOutputTokens: most } },
    changes: asked === undefined ? [] : [`maxOutputTokens ${asked} → ${most}`],
  };
}

/** Refused beside Gemini's models here. */
function dropOutputLimit(index: JsonIndex): FieldEdit | undefined {
  const [name, config] = configOf(index);
  if (field(config, 'maxOutputTokens') === undefined) return undefined;
  const { maxOutputTokens: _, max_output_tokens: __, ...rest } = config;
  return { set: { [name]: rest }, changes: ['maxOutputTokens removed'] };
}

function configOf(index: JsonIndex): readonly [string, JsonObject] {
  const name = index.has('generation_config') ? 'generation_config' : 'generationConfig';
  const config = index.get(name);
  return [name, isObject(config) ? config : {}];
}

const BYPASS = ['skip_thought_signature_validator', 'context_engineering_is_the_way_to_go'];

/**
 * Claude thinks on inside a tool loop only where the loop began with a thought of its own signing. Unsigned thoughts, and
 * Google's word for skipping the check, are worth nothing to it. Where the first thought is lost the loop is ended in
 * words, so that the model may think anew.
 */
function signThoughts(index: JsonIndex, model: string): FieldEdit | undefined {
  const contents = objectsIn(index.get('contents'));
  const changes = new Set<string>();
  const signed = contents.flatMap((content): readonly JsonObject[] => {
    if (content.role !== 'model') return [content];
    const parts = objectsIn(content.parts).flatMap((part): readonly JsonObject[] => {
      const isBypassed = BYPASS.includes(String(field(part, 'thoughtSignature')));
      const { thoughtSignature: _, thought_signature: __, ...bare } = part;
      if (isTrue(part.thought) && (isBypassed || !isSigned(part))) {
        changes.add('unsigned thoughts removed');
        return [];
      }
      return [isBypassed ? bare : part];
    });
    const isSame = parts.every((part, at) => part === objectsIn(content.parts)[at]);
    if (isSame && parts.length === objectsIn(content.parts).length) return [content];
    return parts.length > 0 ? [{ ...content, parts }] : [];
  });
  const isThinking = alwaysThinks(model) || wantsThoughts(configOf(index)[1]);
  const whole = isThinking && isLoopUnsigned(signed) ? [...signed, ...LOOP_END] : signed;
  if (whole !== signed) changes.add('tool loop without its thoughts ended in words');
  const isChanged = whole.length !== contents.length || whole.some((content, at) => content !== contents[at]);
  return isChanged ? { set: { contents: whole }, changes: [...changes] } : undefined;
}

const LOOP_END: readonly JsonObject[] = [
  { role: 'model', parts: [{ text: '(The results of the tools have arrived.)' }] },
  { role: 'user', parts: [{ text: 'Go on from these results.' }] },
];

/** The last word is a tool's, and the first answer since a person spoke begins with no signed thought. */
function isLoopUnsigned(contents: readonly JsonObject[]): boolean {
  const isResult = (part: JsonObject) => field(part, 'functionResponse') !== undefined;
  const last = contents.at(-1);
  if (last?.role === 'model' || !objectsIn(last?.parts).some(isResult)) return false;
  const spoke = contents.findLastIndex(
    ({ role, parts }) => role !== 'model' && objectsIn(parts).some((part) => !isResult(part)),
  );
  const answer = contents.slice(spoke + 1).find(({ role }) => role === 'model');
  const [first] = objectsIn(answer?.parts);
  return !(first && isTrue(first.thought) && isSigned(first));
}

const isTrue = (value: unknown) => value === true || value === 'true';

const isSigned = (part: JsonObject) => {
  const signature = field(part, 'thoughtSignature');
  return typeof signature === 'string' && signature !== '';
};
