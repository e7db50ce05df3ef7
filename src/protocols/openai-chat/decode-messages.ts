import { isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import type { AssistantPart, ForeignPart, JsonRecord, TextPart, ToolCallPart, ToolResultPart, Turn } from '../ir.ts';
import { cacheMark, withMark } from './cache-marks.ts';
import { contentParts, foreignPart, imagePart, textParts, thinkingText } from './decode-content.ts';
import type { Losses } from './losses.ts';
import { returnedThoughts } from './reasoning-fields.ts';
import { thoughtSignature } from './thought-signature.ts';

export type Conversation = {
  readonly instructions: readonly (TextPart | ForeignPart)[];
  readonly turns: readonly Turn[];
};

/** The messages of a request. What stands before the first turn instructs; a system message later is a turn of its own. */
export function decodeMessages(messages: readonly unknown[], losses: Losses): Conversation {
  const instructions: (TextPart | ForeignPart)[] = [];
  const turns: Turn[] = [];
  const legacy = new LegacyCalls();
  for (const [place, message] of messages.entries()) {
    const where = `messages[${place}]`;
    if (!isObject(message)) {
      losses.refuse(`${where} must be an object`, where);
      continue;
    }
    const content = `${where}.content`;
    switch (message.role) {
      case 'system':
      case 'developer': {
        const parts = marked(message, textParts(message.content, content, losses));
        if (turns.length === 0) instructions.push(...parts);
        else if (parts.length > 0) turns.push({ role: 'system', parts });
        break;
      }
      case 'user':
        if (typeof message.name === 'string') losses.warn('name of a user message removed');
        turns.push({ role: 'user', parts: marked(message, contentParts(message.content, content, losses)) });
        break;
      case 'assistant':
        turns.push({ role: 'assistant', parts: assistantParts(message, where, losses, legacy) });
        break;
      case 'tool':
      case 'function':
        turns.push({ role: 'tool', parts: [toolResult(message, content, losses, legacy)] });
        break;
      default: {
        const role = typeof message.role === 'string' ? `"${message.role.slice(0, 40)}" is not known` : 'is missing';
        losses.refuse(`${where}.role ${role}: system, developer, user, assistant or tool`, `${where}.role`);
      }
    }
  }
  return { instructions, turns: withNames(turns) };
}

const MARKABLE: readonly string[] = ['text', 'image', 'audio', 'file'];

/** A mark on a message is one on its last part. */
function marked<Part extends { readonly type: string }>(message: JsonRecord, parts: readonly Part[]): readonly Part[] {
  const cache = cacheMark(message);
  const last = parts.at(-1);
  return cache && last && MARKABLE.includes(last.type) ? [...parts.slice(0, -1), { ...last, cache }] : parts;
}

/** Calls from before tools had ids: their results name the function, and belong to its last call. */
class LegacyCalls {
  readonly #last = new Map<string, string>();
  #count = 0;

  issue(name: string): string {
    const id = `call_legacy_${this.#count++}`;
    this.#last.set(name, id);
    return id;
  }

  idFor(name: string): string {
    return this.#last.get(name) ?? '';
  }
}

function assistantParts(message: JsonRecord, where: string, losses: Losses, legacy: LegacyCalls): AssistantPart[] {
  const parts: AssistantPart[] = [...returnedThoughts(message), ...said(message, where, losses)];
  const refusal = textOr(message.refusal);
  if (refusal) parts.push({ type: 'refusal', text: refusal });
  for (const image of objectsIn(message.images)) {
    const part = imagePart(image, `${where}.images`, losses);
    if (part) parts.push(part);
  }
  const audioId = isObject(message.audio) ? textOr(message.audio.id) : null;
  if (audioId) parts.push({ type: 'audio', source: { kind: 'file-id', protocol: 'openai-chat', id: audioId } });
  for (const [place, call] of objectsIn(message.tool_calls).entries()) {
    parts.push(toolCall(call, `${where}.tool_calls[${place}]`, losses));
  }
  if (isObject(message.function_call)) {
    const name = textOr(message.function_call.name) ?? '';
    parts.push({
      type: 'tool-call',
      id: legacy.issue(name),
      name,
      arguments: argumentsText(message.function_call.arguments),
      kind: 'function',
    });
  }
  const signature = thoughtSignature(message);
  if (signature) {
    const place = parts.findLastIndex(({ type }) => type === 'text');
    const text = parts[place];
    if (text?.type === 'text') parts[place] = { ...text, signature };
    else parts.push({ type: 'text', text: '', signature });
  }
  return parts;
}

function said(message: JsonRecord, where: string, losses: Losses): readonly AssistantPart[] {
  const { content } = message;
  const raw: readonly unknown[] = Array.isArray(content) ? content : [content];
  const parts = raw.flatMap((part, place): readonly AssistantPart[] => {
    if (isObject(part) && part.type === 'refusal') return [{ type: 'refusal', text: textOr(part.refusal) ?? '' }];
    if (isObject(part) && part.type === 'thinking') return thinking(part);
    const decoded = contentParts(Array.isArray(content) ? [part] : part, `${where}.content[${place}]`, losses);
    // An answer's file has no neutral form.
    return decoded.flatMap((one) => (one.type !== 'file' ? [one] : isObject(part) ? [foreignPart(part)] : []));
  });
  return marked(message, parts);
}

const thinking = (part: JsonRecord): AssistantPart[] => {
  const text = thinkingText(part);
  return text === '' ? [] : [{ type: 'reasoning', text, signature: null }];
};

function toolCall(call: JsonRecord, where: string, losses: Losses): ToolCallPart {
  const custom = isObject(call.custom) ? call.custom : null;
  const named = custom ?? (isObject(call.function) ? call.function : call);
  const name = textOr(named.name) ?? '';
  if (name === '') losses.refuse(`${where}.function.name is missing`, `${where}.function.name`);
  const signature = thoughtSignature(call);
  return {
    type: 'tool-call',
    id: textOr(call.id) ?? '',
    name,
    arguments: custom ? (textOr(custom.input) ?? '') : argumentsText(named.arguments),
    kind: custom ? 'custom' : 'function',
    ...(signature && { signature }),
    ...withMark(call),
  };
}

/** By the rules a JSON text; some clients send the object itself. */
export function argumentsText(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === null || value === undefined ? '' : JSON.stringify(value);
}

function toolResult(message: JsonRecord, where: string, losses: Losses, legacy: LegacyCalls): ToolResultPart {
  const name = textOr(message.name);
  const id = textOr(message.tool_call_id);
  return {
    type: 'tool-result',
    callId: id ?? (message.role === 'function' ? legacy.idFor(name ?? '') : ''),
    name,
    content: contentParts(message.content, where, losses),
    isError: message.is_error === true,
    kind: 'function',
    ...withMark(message),
  };
}

/** A result says the id of its call; the name and the kind are the call's. */
function withNames(turns: readonly Turn[]): readonly Turn[] {
  const calls = new Map<string, ToolCallPart>();
  return turns.map((turn): Turn => {
    if (turn.role === 'assistant') {
      for (const part of turn.parts) if (part.type === 'tool-call' && part.id !== '') calls.set(part.id, part);
    }
    if (turn.role !== 'tool') return turn;
    const parts = turn.parts.map((part) => {
      const call = part.type === 'tool-result' ? calls.get(part.callId) : undefined;
      return call && part.type === 'tool-result' ? { ...part, name: part.name ?? call.name, kind: call.kind } : part;
    });
    return { role: 'tool', parts };
  });
}
