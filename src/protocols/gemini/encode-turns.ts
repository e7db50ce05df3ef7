import { isObject, parseJson } from '../../shared/json-shape.ts';
import type { EncodeContext } from '../codec.ts';
import { wrapInput } from '../custom-tools.ts';
import type { AssistantPart, JsonRecord, ToolCallPart, ToolResultPart, Turn, UserPart } from '../ir.ts';
import { wellFormedTurns } from '../well-formed-turns.ts';
import { argumentsObject } from './call-arguments.ts';
import { encodeMedia } from './media.ts';
import { isThirdGeneration } from './model-family.ts';
import { isOwn } from './own.ts';
import { UNSIGNED, writeSignature } from './signature.ts';

export type Content = { readonly role: 'user' | 'model'; readonly parts: readonly JsonRecord[] };

export type TurnContext = Pick<EncodeContext, 'model' | 'reasoning'> & {
  /** Client's name of a tool → the one that Gemini takes. */
  readonly names: ReadonlyMap<string, string>;
  readonly hasTools: boolean;
  readonly warn: (warning: string) => void;
};

const BEGINNING: Content = { role: 'user', parts: [{ text: '(The beginning of this conversation is not shown.)' }] };
const CONTINUE: Content = { role: 'user', parts: [{ text: 'Continue exactly where your answer stops.' }] };

/** A history as Gemini wants it: a user first, then by turns, the results of calls in one content right behind them. */
export function encodeTurns(history: readonly Turn[], context: TurnContext): readonly Content[] {
  const { turns, warnings } = wellFormedTurns(history);
  for (const warning of warnings) context.warn(warning);
  const contents = merged(turns.map((turn) => contentOf(turn, context)));
  const whole = [...(contents[0]?.role === 'model' ? [BEGINNING] : []), ...contents];
  if (whole.at(-1)?.role === 'model' && refusesPrefill(context)) {
    context.warn('started answer followed by a wish to continue it');
    whole.push(CONTINUE);
  }
  return isThirdGeneration(context.model) ? withSignatures(whole) : whole;
}

/** Models that think, or may call tools, refuse to take up an answer that somebody else has started. */
const refusesPrefill = ({ reasoning, hasTools }: TurnContext): boolean =>
  hasTools || (reasoning.kind !== 'none' && reasoning.kind !== 'unknown');

function merged(contents: readonly Content[]): readonly Content[] {
  const out: Content[] = [];
  for (const content of contents) {
    if (content.parts.length === 0) continue;
    const last = out.at(-1);
    if (last?.role === content.role) out[out.length - 1] = { ...last, parts: [...last.parts, ...content.parts] };
    else out.push(content);
  }
  return out;
}

/**
 * The third generation checks the first call of every step since the user last spoke, and each image it made. What stands
 * beside results (the reminders of Claude Code) is no new word of the user: the step goes on. Where the
 * signature is lost, or never was, one that asks to be let through stands in its place.
 */
function withSignatures(contents: readonly Content[]): readonly Content[] {
  const spoke = contents.findLastIndex(
    ({ role, parts }) => role === 'user' && parts.every((part) => part.functionResponse === undefined),
  );
  return contents.map((content, at) => {
    if (content.role === 'user') return content;
    const first = at > spoke ? content.parts.findIndex((part) => part.functionCall !== undefined) : -1;
    const parts = content.parts.map((part, place) => {
      const isChecked = place === first || part.inlineData !== undefined;
      return isChecked && part.thoughtSignature === undefined ? { ...part, ...UNSIGNED } : part;
    });
    return { ...content, parts };
  });
}

function contentOf(turn: Turn, context: TurnContext): Content {
  switch (turn.role) {
    case 'user':
      return { role: 'user', parts: turn.parts.flatMap((part) => userPart(part, context)) };
    case 'assistant':
      return { role: 'model', parts: turn.parts.flatMap((part) => assistantPart(part, context)) };
    case 'tool':
      return { role: 'user', parts: resultParts(turn.parts, context) };
    case 'system':
      // There is one place for instructions, before everything. What was said midway is about what stands there.
      context.warn('system message inside the conversation sent as text of the user');
      return {
        role: 'user',
        parts: turn.parts.flatMap((part) =>
          part.type === 'text' && part.text !== ''
            ? [{ text: `<system>\n${part.text}\n</system>` }]
            : part.type === 'text'
              ? []
              : foreignPart(part, context),
        ),
      };
  }
}

function userPart(part: UserPart, context: TurnContext): readonly JsonRecord[] {
  if (part.type === 'foreign') return foreignPart(part, context);
  if (part.cache) context.warn('cache marks removed');
  if (part.type === 'text') return part.text === '' ? [] : [{ text: part.text }];
  const media = encodeMedia(part, context.warn);
  return media ? [media] : [];
}

function assistantPart(part: AssistantPart, context: TurnContext): readonly JsonRecord[] {
  const { warn } = context;
  switch (part.type) {
    case 'text': {
      if (part.cache) warn('cache marks removed');
      const signature = writeSignature(part.signature);
      return part.text === '' && Object.keys(signature).length === 0 ? [] : [{ text: part.text, ...signature }];
    }
    case 'reasoning':
      if (context.reasoning.kind === 'none' || (part.signature && !isOwn(part.signature))) {
        warn('reasoning in the history removed');
        return [];
      }
      if (part.text === '' && !part.signature) return [];
      return [{ text: part.text, thought: true, ...writeSignature(part.signature) }];
    case 'redacted-reasoning':
      warn('redacted reasoning removed');
      return [];
    case 'tool-call':
      return [callPart(part, context)];
    case 'image':
    case 'audio': {
      const media = encodeMedia(part, warn);
      return media ? [{ ...media, ...(part.type === 'image' && writeSignature(part.signature)) }] : [];
    }
    case 'refusal':
      return part.text === '' ? [] : [{ text: part.text }];
    case 'foreign':
      return foreignPart(part, context);
  }
}

function callPart(call: ToolCallPart, { names, warn }: TurnContext): JsonRecord {
  const args = argumentsObject(call.kind === 'custom' ? wrapInput(call.arguments) : call.arguments);
  if (!args) warn('unreadable arguments of a tool call removed');
  if (call.cache) warn('cache marks removed');
  const name = names.get(call.name) ?? call.name;
  return {
    functionCall: { name, args: args ?? {}, ...(call.id !== '' && { id: call.id }) },
    ...writeSignature(call.signature),
  };
}

/** Results first, in the order of their calls; media that they cannot hold behind all of them. */
function resultParts(parts: Extract<Turn, { role: 'tool' }>['parts'], context: TurnContext): readonly JsonRecord[] {
  const responses: JsonRecord[] = [];
  const beside: JsonRecord[] = [];
  for (const part of parts) {
    if (part.type === 'foreign') {
      beside.push(...foreignPart(part, context));
      continue;
    }
    const { response, media } = resultPart(part, context);
    const holdsMedia = isThirdGeneration(context.model);
    responses.push({ functionResponse: holdsMedia && media.length > 0 ? { ...response, parts: media } : response });
    if (!holdsMedia) beside.push(...media);
  }
  return [...responses, ...beside];
}

function resultPart(result: ToolResultPart, context: TurnContext) {
  if (result.cache) context.warn('cache marks removed');
  const texts: string[] = [];
  const media: JsonRecord[] = [];
  for (const part of result.content) {
    if (part.type === 'text') texts.push(part.text);
    else if (part.type === 'foreign') context.warn(`${part.name} in a tool result removed`);
    else {
      const encoded = encodeMedia(part, context.warn);
      if (encoded) media.push(encoded);
    }
  }
  const name = result.name === null ? 'unknown_function' : (context.names.get(result.name) ?? result.name);
  const value = resultValue(texts.join('\n'));
  const response: JsonRecord = {
    name,
    ...(result.callId !== '' && { id: result.callId }),
    response: result.isError ? { error: value } : { result: value },
  };
  return { response, media };
}

/** JSON as JSON, anything else as text; as text, too, what parsing would change: ids of more digits than a number holds. */
function resultValue(text: string): unknown {
  if (!/^\s*(?:[[{]|-?\d|true\b|false\b|null\b)/.test(text)) return text;
  const value = parseJson(text);
  if (value === undefined || value === null) return text;
  if (typeof value === 'number') return JSON.stringify(value) === text.trim() ? value : text;
  return /(?:^|[[:,\s])-?\d{16,}/.test(text) ? text : value;
}

function foreignPart(
  part: Extract<UserPart, { type: 'foreign' }>,
  { warn }: Pick<TurnContext, 'warn'>,
): readonly JsonRecord[] {
  if (isOwn(part) && isObject(part.value)) return [part.value];
  warn(`${part.name} removed`);
  return [];
}
