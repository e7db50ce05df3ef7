import { isObject } from '../../shared/json-shape.ts';
import { framesOf } from '../frames-of.ts';
import { streamReader } from './stream.ts';

type Collected = {
  readonly message: { role: string; content: string | null; [field: string]: unknown };
  readonly toolCalls: Map<number, { id?: unknown; type?: unknown; function: { name: string; arguments: string } }>;
  finishReason: unknown;
};

/** Fields whose pieces are texts to be joined. */
const TEXTS = ['content', 'reasoning_content', 'reasoning', 'refusal'] as const;

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

function add(choices: Map<number, Collected>, index: number, choice: Readonly<Record<string, unknown>>): void {
  const known = choices.get(index);
  const collected: Collected = known ?? {
    message: { role: 'assistant', content: null },
    toolCalls: new Map(),
    finishReason: null,
  };
  choices.set(index, collected);
  collected.finishReason = choice.finish_reason ?? collected.finishReason;
  const delta = isObject(choice.delta) ? choice.delta : {};
  if (typeof delta.role === 'string') collected.message.role = delta.role;
  for (const field of TEXTS) {
    const piece = delta[field];
    if (typeof piece === 'string') collected.message[field] = `${collected.message[field] ?? ''}${piece}`;
  }
  for (const [position, call] of (Array.isArray(delta.tool_calls) ? delta.tool_calls : []).entries()) {
    if (isObject(call)) addToolCall(collected, typeof call.index === 'number' ? call.index : position, call);
  }
}

/** The first piece of a call has its id and name; the rest are pieces of its arguments. */
function addToolCall({ toolCalls }: Collected, index: number, call: Readonly<Record<string, unknown>>): void {
  const known = toolCalls.get(index) ?? { function: { name: '', arguments: '' } };
  const piece = isObject(call.function) ? call.function : {};
  toolCalls.set(index, {
    id: known.id ?? call.id,
    type: known.type ?? call.type ?? 'function',
    function: {
      name: known.function.name || (typeof piece.name === 'string' ? piece.name : ''),
      arguments: known.function.arguments + (typeof piece.arguments === 'string' ? piece.arguments : ''),
    },
  });
}

function choiceOf(index: number, { message, toolCalls, finishReason }: Collected): object {
  const calls = [...toolCalls].sort(([a], [b]) => a - b).map(([, call]) => call);
  return {
    index,
    message: { ...message, ...(calls.length > 0 && { tool_calls: calls }) },
    finish_reason: finishReason,
  };
}
