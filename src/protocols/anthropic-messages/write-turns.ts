import { parseJson } from '../../shared/json-shape.ts';
import { cleanNames } from '../clean-names.ts';
import { wrapInput } from '../custom-tools.ts';
import type {
  AssistantPart,
  ForeignPart,
  JsonRecord,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
  UserPart,
} from '../ir.ts';
import { type Block, writeCacheMark } from './cache-marks.ts';
import { ownCitations } from './citations.ts';
import { ownFields } from './own-fields.ts';
import { toolInput } from './tool-input.ts';
import { documentBlock, imageBlock } from './write-media.ts';

export type Message = { readonly role: 'user' | 'assistant'; readonly content: Block[] };

export type TurnRules = {
  /** Client's tool name → the vendor's. */
  readonly names: ReadonlyMap<string, string>;
  readonly keepsThinking: boolean;
  readonly warn: (warning: string) => void;
};

/** Something that must be said where the vendor wants words and there are none. */
const PLACEHOLDER = '.';

/**
 * A well-formed history as messages that take turns: the first is the user's, results stand first in theirs, no text is
 * empty, and every call has an id of its own.
 */
export function messagesOf(turns: readonly Turn[], rules: TurnRules): readonly Message[] {
  const messages: Message[] = [];
  const ids = new CallIds();
  const push = (role: Message['role'], content: Block[]) => {
    const last = messages.at(-1);
    if (content.length === 0) return;
    if (last?.role === role) last.content.push(...content);
    else messages.push({ role, content });
  };
  for (const turn of turns) {
    switch (turn.role) {
      case 'assistant':
        ids.nextTurn();
        push(
          'assistant',
          callsLast(turn.parts).flatMap((part) => assistantBlocks(part, ids, rules)),
        );
        break;
      case 'tool':
        push(
          'user',
          turn.parts.flatMap((part) =>
            part.type === 'foreign' ? foreignBlocks(part, rules) : [resultBlock(part, ids, rules)],
          ),
        );
        break;
      case 'user':
      case 'system':
        push(
          'user',
          turn.parts.flatMap((part) => userBlocks(part, rules)),
        );
        break;
    }
  }
  if (messages[0]?.role !== 'user') messages.unshift({ role: 'user', content: [{ type: 'text', text: PLACEHOLDER }] });
  const last = messages.at(-1);
  if (last?.role === 'assistant') trimEnd(last.content);
  return messages;
}

export function textBlocks(part: TextPart, warn: TurnRules['warn']): Block[] {
  if (part.text.trim() === '') return [];
  const citations = ownCitations(part.citations ?? []);
  if (citations.length < (part.citations?.length ?? 0)) warn('citations removed');
  return [{ type: 'text', text: part.text, ...writeCacheMark(part.cache), ...(citations.length > 0 && { citations }) }];
}

export function foreignBlocks(part: ForeignPart, { warn }: Pick<TurnRules, 'warn'>): Block[] {
  if (part.protocol === 'anthropic-messages') return [{ ...part.value }];
  warn(`${part.name} removed`);
  return [];
}

function userBlocks(part: UserPart, rules: TurnRules): Block[] {
  switch (part.type) {
    case 'text':
      return textBlocks(part, rules.warn);
    case 'image':
      return listed(imageBlock(part, rules.warn));
    case 'file':
      return listed(documentBlock(part, rules.warn));
    case 'audio':
      rules.warn('audio removed');
      return [];
    case 'foreign':
      return foreignBlocks(part, rules);
  }
}

const listed = (block: Block | null): Block[] => (block ? [block] : []);

function assistantBlocks(part: AssistantPart, ids: CallIds, rules: TurnRules): Block[] {
  switch (part.type) {
    case 'text':
      return textBlocks(part, rules.warn);
    case 'refusal':
      return textBlocks({ type: 'text', text: part.text }, rules.warn);
    case 'reasoning': {
      if (!rules.keepsThinking) return [];
      // Only its issuer can say that it was not changed; unsigned, the vendor refuses it.
      if (part.signature?.protocol !== 'anthropic-messages') {
        if (part.text !== '') rules.warn('thinking without a signature removed');
        return [];
      }
      return [{ type: 'thinking', thinking: part.text, signature: part.signature.value }];
    }
    case 'redacted-reasoning': {
      const { protocol, value } = part.signature;
      return rules.keepsThinking && protocol === 'anthropic-messages'
        ? [{ type: 'redacted_thinking', data: value }]
        : [];
    }
    case 'tool-call':
      return [callBlock(part, ids, rules)];
    case 'image':
    case 'audio':
      rules.warn(`${part.type} in an assistant turn removed`);
      return [];
    case 'foreign':
      return foreignBlocks(part, rules);
  }
}

/** Text in front of calls, as the vendor's own models write; what one of them wrote keeps its order, or its seal breaks. */
function callsLast(parts: readonly AssistantPart[]): readonly AssistantPart[] {
  const isOwn = parts.some(
    (part) =>
      (part.type === 'reasoning' && part.signature?.protocol === 'anthropic-messages') ||
      (part.type === 'redacted-reasoning' && part.signature.protocol === 'anthropic-messages') ||
      (part.type === 'foreign' && part.protocol === 'anthropic-messages'),
  );
  if (isOwn) return parts;
  const isCall = ({ type }: AssistantPart) => type === 'tool-call';
  return [...parts.filter((part) => !isCall(part)), ...parts.filter(isCall)];
}

function callBlock(part: ToolCallPart, ids: CallIds, rules: TurnRules): Block {
  return {
    type: 'tool_use',
    id: ids.written(part.id),
    name: rules.names.get(part.name) ?? part.name,
    input: inputOf(part),
    ...writeCacheMark(part.cache),
    ...ownFields(part.foreign),
  };
}

/** The vendor takes nothing but an object. */
function inputOf(part: ToolCallPart): JsonRecord {
  const text = part.kind === 'custom' ? wrapInput(part.arguments) : part.arguments;
  return toolInput(text) ?? { input: parseJson(text) ?? text };
}

function resultBlock(part: ToolResultPart, ids: CallIds, rules: TurnRules): Block {
  const content = part.content.flatMap((piece) => userBlocks(piece, rules));
  const [only] = content;
  const isPlain = content.length === 1 && only?.type === 'text' && Object.keys(only).length === 2;
  return {
    type: 'tool_result',
    tool_use_id: ids.answered(part.callId),
    ...(content.length > 0 && { content: isPlain ? only.text : content }),
    ...(part.isError && { is_error: true }),
    ...writeCacheMark(part.cache),
    ...ownFields(part.foreign),
  };
}

/** The vendor refuses a last assistant text that ends in white space. */
function trimEnd(content: readonly Block[]): void {
  const last = content.at(-1);
  if (last?.type === 'text' && typeof last.text === 'string') last.text = last.text.trimEnd();
}

const ID_RULE = { allowed: /[A-Za-z0-9_-]/, maxLength: 128 };

/** Ids as the vendor takes them. Clients' ids may have any letters, and some begin to count anew in every turn. */
class CallIds {
  readonly #taken = new Set<string>();
  #open = new Map<string, string[]>();

  /** Results belong to the calls of the turn before them. */
  nextTurn(): void {
    this.#open = new Map();
  }

  written(id: string): string {
    const base = id === '' ? 'toolu_0' : (cleanNames([id], ID_RULE).get(id) ?? id);
    let free = base;
    for (let count = 2; this.#taken.has(free); count++) free = `${base}_${count}`;
    this.#taken.add(free);
    this.#open.set(id, [...(this.#open.get(id) ?? []), free]);
    return free;
  }

  /** Calls with the same id are answered in their order. */
  answered(id: string): string {
    const [first, ...rest] = this.#open.get(id) ?? [];
    if (rest.length > 0) this.#open.set(id, rest);
    return first ?? id;
  }
}
