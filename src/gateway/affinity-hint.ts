import type { Affinity } from '../pool/pool.ts';
import type { RequestLayout } from '../protocols/codec.ts';
import type { JsonIndex } from '../shared/json-bytes.ts';
import { remembered } from '../shared/remembered.ts';
import { holdsAnswer, openingOf } from './opening.ts';

/**
 * Which conversation a request belongs to, so that the credential that served it before, and holds its prompt cache, can
 * serve it again. A user's id (`user`, `metadata.user_id`) is no conversation: it would tie all that somebody does to
 * one credential.
 */

/** Each client's own name for it: rotator's, Claude Code's, Codex's (of today and before), OpenCode's. */
const HEADERS: readonly string[] = [
  'x-session-id',
  'x-claude-code-session-id',
  'thread-id',
  'session-id',
  'conversation_id',
  'session_id',
  'x-session-affinity',
];

/** Top-level fields, the first that is there counts. */
const FIELDS: readonly string[] = [
  'prompt_cache_key',
  'session_id',
  'conversation_id',
  'conversationId',
  'thread_id',
  'threadId',
  'chat_id',
  'chatId',
];

const ranks = new Map(FIELDS.map((field, rank) => [field, rank]));

/** Tools and their schemas: the beginning tells them apart. */
const MAX_TOOLS_BYTES = 64 * 1024;

/** Of what stands apart from the conversation: the beginning tells system prompts apart. */
const MAX_INSTRUCTION_BYTES = 16 * 1024;

/** Null when nothing tells conversations apart. Reads bytes, parses nothing. */
export function affinityOf(
  headers: Headers,
  index: JsonIndex,
  layout: RequestLayout,
  clientId: string,
): Affinity | null {
  const client = seedOf(clientId);
  const named = namedIn(headers) ?? fieldIn(index);
  if (named !== null) return { key: `e${hash(named, client)}`, isExplicit: true, isHonoured: true };
  return inferred(index, layout, client);
}

function namedIn(headers: Headers): string | null {
  for (const name of HEADERS) {
    const value = headers.get(name)?.trim();
    if (value) return value;
  }
  return null;
}

/** The bytes of an id that is a text or a number. Of a repeated field the last counts, as for JSON.parse. */
function fieldIn({ bytes, entries }: JsonIndex): Uint8Array | null {
  let best: Uint8Array | null = null;
  let bestRank = FIELDS.length;
  for (const { key, start, end } of entries) {
    const rank = ranks.get(key);
    if (rank === undefined || rank > bestRank) continue;
    const value = idBytes(bytes, start, end);
    if (value === null) continue;
    best = value;
    bestRank = rank;
  }
  return best;
}

const QUOTE = 34;
const SPACE = 32;

function idBytes(bytes: Uint8Array, start: number, end: number): Uint8Array | null {
  const first = bytes[start] ?? 0;
  // A number; `null`, `true`, lists and mappings are no ids.
  if (first >= 48 && first <= 57) return bytes.subarray(start, end);
  if (first !== QUOTE) return null;
  const inner = bytes.subarray(start + 1, end - 1);
  return inner.some((code) => code !== SPACE) ? inner : null;
}

const MAX_SEEDS = 10_000;

/** Clients are few: the hash of each is made once. */
const seedOf = remembered(MAX_SEEDS, (clientId: string) => Bun.hash(clientId));

/** By what was written before the first answer: the system prompt, the tools and the first user message. */
function inferred(index: JsonIndex, layout: RequestLayout, client: bigint): Affinity | null {
  const messages = index.slice(layout.conversation);
  const opening = messages && openingOf(messages);
  if (!messages || !opening) return null;
  const tools = index.slice('tools') ?? index.slice('functions');
  const seed = tools ? Bun.hash(tools.subarray(0, MAX_TOOLS_BYTES), client) : client;
  const key = new TextHash(seed);
  const instructions = layout.instructions === null ? undefined : index.slice(layout.instructions);
  if (instructions) key.add(instructions, 0, Math.min(instructions.length, MAX_INSTRUCTION_BYTES));
  for (const { start, end } of opening.texts) key.add(messages, start, end);
  return {
    key: `i${key.digest().toString(36)}`,
    isExplicit: false,
    // Many conversations begin alike; only one that has gone on can be another one's continuation.
    isHonoured: holdsAnswer(messages, opening.end),
  };
}

const hash = (value: string | Uint8Array, seed: bigint): string => Bun.hash(value, seed).toString(36);

const MAX_COPIED = 64;

/** Many short texts as one hash. Not a cryptographic one: a collision costs a prompt cache. */
class TextHash {
  /** Shared: nothing is kept in it between calls, and no call waits. */
  static readonly #pending = new Uint8Array(64 * 1024);
  #used = 0;
  #seed: bigint;

  constructor(seed: bigint) {
    this.#seed = seed;
  }

  /** At most 32 KB. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const pending = TextHash.#pending;
    const length = end - start;
    if (this.#used + length + 1 > pending.length) {
      this.#seed = this.digest();
      this.#used = 0;
    }
    // A view costs more than to copy some letters, such as a role's.
    if (length > MAX_COPIED) pending.set(bytes.subarray(start, end), this.#used);
    else for (let i = 0; i < length; i++) pending[this.#used + i] = bytes[start + i] ?? 0;
    this.#used += length;
    // No byte of UTF-8: where one text ends and the next begins counts.
    pending[this.#used++] = 0xff;
  }

  digest(): bigint {
    return Bun.hash(TextHash.#pending.subarray(0, this.#used), this.#seed);
  }
}
