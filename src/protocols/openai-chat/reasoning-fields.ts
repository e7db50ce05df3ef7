import { isObject, objectsIn, parseJson, textOr } from '../../shared/json-shape.ts';
import type { JsonRecord, ReasoningPart, RedactedReasoningPart, Signature } from '../ir.ts';
import type { ProtocolId } from '../protocol-id.ts';

/**
 * Thoughts in a chat message. Their text stands in `reasoning_content` (most servers) or `reasoning` (OpenRouter, Groq,
 * Cerebras, Ollama). What must be returned unchanged stands in `reasoning_details` (OpenRouter's lists, which name the
 * format of each entry) or `thinking_blocks` (Anthropic's blocks, as LiteLLM passes them on).
 *
 * - What an upstream sent is opaque: the lists as they were, as one signature of this protocol.
 * - What a client returns may hold what other protocols' signatures became here: the format says whose they are.
 */

export type Thought = ReasoningPart | RedactedReasoningPart;

/** The fields of a message that hold what must be returned. */
const LISTS = ['reasoning_details', 'thinking_blocks'] as const;
type Lists = { readonly [name in (typeof LISTS)[number]]?: readonly JsonRecord[] };

const isFilled = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** The text of a message or a delta; of its lists only when it stands nowhere else. */
export function reasoningText(message: JsonRecord): string {
  const plain = plainReasoning(message);
  if (plain !== null) return plain;
  const details = objectsIn(message.reasoning_details).map((detail) => textOr(detail.text) ?? textOr(detail.summary));
  const text = details.join('');
  if (text !== '') return text;
  return objectsIn(message.thinking_blocks)
    .map((block) => textOr(block.thinking) ?? '')
    .join('');
}

/** The text outside of the lists. */
export const plainReasoning = (message: JsonRecord): string | null =>
  [message.reasoning_content, message.reasoning].find(isFilled) ?? null;

/** Gathers the lists of an upstream's message, whole or in pieces, into what will be returned to it. */
export class OpaqueReasoning {
  #details: JsonRecord[] = [];
  #blocks: JsonRecord[] = [];

  add(message: JsonRecord): void {
    for (const detail of objectsIn(message.reasoning_details)) addPiece(this.#details, detail);
    for (const block of objectsIn(message.thinking_blocks)) addPiece(this.#blocks, block);
  }

  /** What has come since it was last taken. Null while nothing of it is signed: plain text can be returned as text. */
  take(): Signature | null {
    const hasProof = [...this.#details, ...this.#blocks].some(
      ({ signature, data }) => isFilled(signature) || isFilled(data),
    );
    if (!hasProof) return null;
    const lists: Lists = {
      ...(this.#details.length > 0 && { reasoning_details: this.#details }),
      ...(this.#blocks.length > 0 && { thinking_blocks: this.#blocks }),
    };
    this.#details = [];
    this.#blocks = [];
    return ownSignature(lists);
  }
}

const ownSignature = (lists: Lists): Signature => ({ protocol: 'openai-chat', value: JSON.stringify(lists) });

/** Streams send an entry in pieces: those of one kind and place that follow each other are one, until it is signed. */
export function addPiece(list: JsonRecord[], piece: JsonRecord): void {
  const last = list.at(-1);
  const field = ['text', 'summary', 'thinking'].find((name) => typeof piece[name] === 'string');
  const isSame = last && last.type === piece.type && (piece.index === undefined || last.index === piece.index);
  const isOpen = isSame && !isFilled(last.signature) && !isFilled(last.data) && !isFilled(piece.data);
  if (!last || !isOpen) {
    list.push(piece);
    return;
  }
  const filled = Object.entries(piece).filter(([, value]) => value !== null && value !== undefined);
  const grown: JsonRecord = { ...last, ...Object.fromEntries(filled) };
  const text = field && `${textOr(last[field]) ?? ''}${textOr(piece[field]) ?? ''}`;
  list[list.length - 1] = field === undefined ? grown : { ...grown, [field]: text };
}

/** What an own signature gives back, as fields of a message; nothing for another protocol's. */
function ownLists(signature: Signature): Lists {
  if (signature.protocol !== 'openai-chat') return {};
  const lists = parseJson(signature.value);
  return isObject(lists) ? joined([Object.fromEntries(LISTS.map((name) => [name, objectsIn(lists[name])]))]) : {};
}

/** The lists of a turn for an upstream of this protocol: only what such an upstream has issued. */
export const returnedLists = (thoughts: readonly Thought[]): Lists =>
  joined(thoughts.map(({ signature }) => (signature ? ownLists(signature) : {})));

function joined(all: readonly Lists[]): Lists {
  const of = (name: (typeof LISTS)[number]) => all.flatMap((lists) => lists[name] ?? []);
  return Object.fromEntries(LISTS.flatMap((name) => (of(name).length > 0 ? [[name, of(name)]] : [])));
}

/** Formats of `reasoning_details` as OpenRouter names them. */
const FORMATS: Readonly<Record<Exclude<ProtocolId, 'openai-chat'>, string>> = {
  'anthropic-messages': 'anthropic-claude-v1',
  'openai-responses': 'openai-responses-v1',
  gemini: 'google-gemini-v1',
};

function protocolOf(format: unknown): ProtocolId {
  switch (format) {
    case FORMATS['anthropic-messages']:
      return 'anthropic-messages';
    case FORMATS['openai-responses']:
      return 'openai-responses';
    case FORMATS.gemini:
      return 'gemini';
    default:
      return 'openai-chat';
  }
}

/**
 * Thoughts as lists for a client that returns its messages as they came. Nothing is written until one is signed, and from
 * then on everything, so that none is lost when the lists are read in place of the text.
 */
export class ThoughtLists {
  #waiting: ReasoningPart[] = [];
  #hasWritten = false;
  #index = 0;

  push(thought: Thought): Lists {
    if (thought.type === 'reasoning' && thought.signature === null) {
      if (thought.text !== '') this.#waiting.push(thought);
      return this.#hasWritten ? this.#flush() : {};
    }
    const earlier = this.#flush();
    this.#hasWritten = true;
    return joined([earlier, this.#signed(thought)]);
  }

  #flush(): Lists {
    const details = this.#waiting.map(({ text }) => this.#detail({ type: 'reasoning.text', text }));
    this.#waiting = [];
    return details.length > 0 ? { reasoning_details: details } : {};
  }

  #detail(fields: JsonRecord): JsonRecord {
    return { ...fields, index: this.#index++ };
  }

  #signed(thought: Thought): Lists {
    const { signature } = thought;
    const text = thought.type === 'reasoning' ? thought.text : '';
    if (signature === null) return {};
    const { protocol, value, itemId } = signature;
    if (protocol === 'openai-chat') return ownLists(signature);
    const format = FORMATS[protocol];
    if (protocol === 'openai-responses') {
      const id = itemId === undefined ? {} : { id: itemId };
      const summary = text === '' ? [] : [this.#detail({ type: 'reasoning.summary', summary: text, format, ...id })];
      return {
        reasoning_details: [...summary, this.#detail({ type: 'reasoning.encrypted', data: value, format, ...id })],
      };
    }
    const isRedacted = thought.type === 'redacted-reasoning';
    const detail = isRedacted
      ? { type: 'reasoning.encrypted', data: value, format }
      : { type: 'reasoning.text', text, signature: value, format };
    const block = isRedacted
      ? { type: 'redacted_thinking', data: value }
      : { type: 'thinking', thinking: text, signature: value };
    return {
      reasoning_details: [this.#detail(detail)],
      ...(format === FORMATS['anthropic-messages'] && { thinking_blocks: [block] }),
    };
  }
}

/** The thoughts of a message that a client returns. */
export function returnedThoughts(message: JsonRecord): readonly Thought[] {
  const details = thoughtsOfDetails(objectsIn(message.reasoning_details));
  const listed = details.length > 0 ? details : thoughtsOfBlocks(objectsIn(message.thinking_blocks));
  const text = reasoningText(message);
  const hasText = listed.some((thought) => thought.type === 'reasoning' && thought.text !== '');
  if (hasText || text === '') return listed;
  const [first, ...rest] = listed;
  // Signed without its text, which stands beside it.
  if (first?.type === 'reasoning') return [{ ...first, text }, ...rest];
  return [{ type: 'reasoning', text, signature: null }, ...listed];
}

function thoughtsOfBlocks(blocks: readonly JsonRecord[]): readonly Thought[] {
  return blocks.flatMap((block): Thought[] => {
    const { signature, data } = block;
    const protocol = 'anthropic-messages';
    if (isFilled(data)) return [{ type: 'redacted-reasoning', signature: { protocol, value: data } }];
    const text = textOr(block.thinking) ?? '';
    if (isFilled(signature)) return [{ type: 'reasoning', text, signature: { protocol, value: signature } }];
    return text === '' ? [] : [{ type: 'reasoning', text, signature: null }];
  });
}

function thoughtsOfDetails(pieces: readonly JsonRecord[]): readonly Thought[] {
  const details: JsonRecord[] = [];
  for (const piece of pieces) addPiece(details, piece);
  const thoughts: Thought[] = [];
  for (const [place, detail] of details.entries()) {
    const protocol = protocolOf(detail.format);
    const text = textOr(detail.text) ?? textOr(detail.summary) ?? '';
    const proof = [detail.signature, detail.data].find(isFilled);
    if (proof === undefined) {
      if (text !== '') thoughts.push({ type: 'reasoning', text, signature: null });
      continue;
    }
    if (protocol === 'openai-chat') {
      const signature = ownSignature({ reasoning_details: [detail] });
      thoughts.push(text === '' ? { type: 'redacted-reasoning', signature } : { type: 'reasoning', text, signature });
      continue;
    }
    const itemId = textOr(detail.id);
    const signature: Signature = { protocol, value: proof, ...(isFilled(itemId) && { itemId }) };
    if (protocol === 'openai-responses') {
      // The summary before it is of the same item: it becomes the text of what is signed.
      const summary = details[place - 1];
      const last = thoughts.at(-1);
      const isPair = summary?.type === 'reasoning.summary' && (summary.id ?? null) === (detail.id ?? null);
      if (isPair && last?.type === 'reasoning' && last.signature === null) {
        thoughts[thoughts.length - 1] = { ...last, signature };
      } else thoughts.push({ type: 'reasoning', text, signature });
      continue;
    }
    const vendors: Signature = { protocol, value: proof };
    if (detail.type === 'reasoning.encrypted') thoughts.push({ type: 'redacted-reasoning', signature: vendors });
    else thoughts.push({ type: 'reasoning', text, signature: vendors });
  }
  return thoughts;
}
