import { isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import { argumentsText } from './decode-messages.ts';
import { framesOf } from '../frames-of.ts';
import type { JsonRecord } from '../ir.ts';
import { addPiece } from './reasoning-fields.ts';
import { streamReader } from './stream.ts';

/** What is called, and with which words: JSON, or the free text of a custom tool. */
type Called = { readonly name: string; readonly text: string };
type Call = { readonly fields: JsonRecord; readonly isCustom: boolean; readonly called: Called };
type Logprobs = { readonly content: readonly unknown[] | null; readonly refusal: readonly unknown[] | null };
type Collected = {
  readonly message: { role: string; content: unknown; [field: string]: unknown };
  readonly calls: Map<number, Call>;
  legacyCall: Called | null;
  logprobs: Logprobs | null;
  finishReason: unknown;
};

/** Fields whose pieces are texts to be joined. */
const TEXTS = ['reasoning_content', 'reasoning', 'refusal'] as const;
/** Fields whose pieces are lists of whole entries. */
const LISTS = ['images', 'annotations'] as const;
/** Fields whose pieces are lists of pieces. */
const GROWING_LISTS = ['reasoning_details', 'thinking_blocks'] as const;

/**
 * The whole answer of a stream, for an upstream that streams although nobody asked it to. Null when the stream is no
 * whole answer.
 */
export function collect(stream: Uint8Array): Uint8Array | null {
  const reader = streamReader();
  const choices = new Map<number, Collected>();
  let head: Readonly<Record<string, unknown>> | null = null;
  let usage: unknown;
  for (const frame of framesOf(new TextDecoder().decode(stream))) {
    const { json, error, isEnd } = reader.push(frame);
    if (error !== undefined) return null;
    if (isEnd) break;
    if (!isObject(json)) continue;
    head ??= json;
    usage = json.usage ?? usage;
    for (const [position, choice] of (Array.isArray(json.choices) ? json.choices : []).entries()) {
      if (isObject(choice)) add(choices, typeof choice.index === 'number' ? choice.index : position, choice);
    }
  }
  if (!head || reader.end().state === 'broken') return null;
  const whole = {
    ...head,
    object: 'chat.completion',
    choices: [...choices].sort(([a], [b]) => a - b).map(([index, collected]) => choiceOf(index, collected)),
    ...(usage !== undefined && { usage }),
  };
  return new TextEncoder().encode(JSON.stringify(whole));
}

function add(choices: Map<number, Collected>, index: number, choice: JsonRecord): void {
  const known = choices.get(index);
  const collected: Collected = known ?? {
    message: { role: 'assistant', content: null },
    calls: new Map(),
    legacyCall: null,
    logprobs: null,
    finishReason: null,
  };
  choices.set(index, collected);
  const { message } = collected;
  collected.finishReason = choice.finish_reason ?? collected.finishReason;
  if (isObject(choice.logprobs)) collected.logprobs = joinedLogprobs(collected.logprobs, choice.logprobs);
  const delta = isObject(choice.delta) ? choice.delta : {};
  if (typeof delta.role === 'string') message.role = delta.role;
  message.content = joinedContent(message.content, delta.content);
  for (const field of TEXTS) {
    const piece = delta[field];
    if (typeof piece === 'string') message[field] = `${message[field] ?? ''}${piece}`;
  }
  for (const field of LISTS) {
    const pieces = objectsIn(delta[field]);
    if (pieces.length > 0) message[field] = [...objectsIn(message[field]), ...pieces];
  }
  for (const field of GROWING_LISTS) {
    const list = [...objectsIn(message[field])];
    for (const piece of objectsIn(delta[field])) addPiece(list, piece);
    if (list.length > 0) message[field] = list;
  }
  for (const [position, call] of objectsIn(delta.tool_calls).entries()) {
    addCall(collected, typeof call.index === 'number' ? call.index : position, call);
  }
  if (isObject(delta.function_call)) collected.legacyCall = grown(collected.legacyCall, delta.function_call);
}

/** A text; or, where a server thinks in parts as Mistral does, a list in which texts may stand as they are. */
function joinedContent(before: unknown, piece: unknown): unknown {
  if (typeof piece === 'string') return Array.isArray(before) ? [...before, part(piece)] : `${before ?? ''}${piece}`;
  if (!Array.isArray(piece)) return before;
  const known = Array.isArray(before) ? before : typeof before === 'string' && before !== '' ? [part(before)] : [];
  return [...known, ...piece];
}

const part = (text: string) => ({ type: 'text', text });

/** The first piece of a call has its id and name; the rest are pieces of its arguments. */
function addCall({ calls }: Collected, index: number, piece: JsonRecord): void {
  const known = calls.get(index);
  const { index: _, function: named, custom, ...fields } = piece;
  calls.set(index, {
    fields: { type: 'function', ...fields, ...known?.fields },
    isCustom: known?.isCustom ?? isObject(custom),
    called: grown(known?.called ?? null, isObject(custom) ? custom : isObject(named) ? named : {}),
  });
}

const grown = (call: Called | null, piece: JsonRecord): Called => ({
  name: call?.name || (textOr(piece.name) ?? ''),
  text: (call?.text ?? '') + argumentsText(piece.input ?? piece.arguments),
});

function joinedLogprobs(before: Logprobs | null, { content, refusal }: JsonRecord): Logprobs {
  const joined = (known: readonly unknown[] | null | undefined, more: unknown) =>
    Array.isArray(more) ? [...(known ?? []), ...more] : (known ?? null);
  return { content: joined(before?.content, content), refusal: joined(before?.refusal, refusal) };
}

function choiceOf(index: number, { message, calls, legacyCall, logprobs, finishReason }: Collected): object {
  const listed = [...calls].sort(([a], [b]) => a - b).map(([, call]) => callOf(call));
  return {
    index,
    message: {
      ...message,
      ...(listed.length > 0 && { tool_calls: listed }),
      ...(legacyCall && { function_call: functionOf(legacyCall) }),
    },
    ...(logprobs && { logprobs }),
    finish_reason: finishReason,
  };
}

const callOf = ({ fields, isCustom, called }: Call): object =>
  isCustom
    ? { ...fields, custom: { name: called.name, input: called.text } }
    : { ...fields, function: functionOf(called) };

const functionOf = ({ name, text }: Called) => ({ name, arguments: text });
