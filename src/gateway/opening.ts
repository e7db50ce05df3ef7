import { indexOfBytes } from '../shared/byte-search.ts';
import { skipSpace, stringEnd } from '../shared/json-grammar.ts';

/**
 * How a chat begins: all that is written before the model's first answer, found on the bytes of `messages` without
 * parsing them. It is what stays the same from turn to turn of one conversation.
 */
export type Opening = {
  /**
   * The contents of string literals, without their quotes and with their escapes, up to and with the first user message.
   * Without `type` and `cache_control`: clients move the marks of their cache from turn to turn.
   */
  readonly texts: readonly Span[];
  /** Where reading stopped: what follows the first user message lies behind it. */
  readonly end: number;
};

export type Span = { readonly start: number; readonly end: number };

/** A chat whose first user message ends behind this is not read to that end. */
const MAX_SCANNED_BYTES = 128 * 1024;
/** Of one text; two conversations differ before. */
const MAX_TEXT_BYTES = 16 * 1024;

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** Null when there is no user message within the first 128 KB. `messages`: the array, brackets and all. */
export function openingOf(messages: Uint8Array): Opening | null {
  const bytes = messages.length > MAX_SCANNED_BYTES ? messages.subarray(0, MAX_SCANNED_BYTES) : messages;
  if (bytes[0] !== OPEN_BRACKET) return null;
  const texts: Span[] = [];
  let at = 1;
  // Inside a message 1 or more: brackets and braces alike.
  let depth = 0;
  let isUser = false;
  let isRoleNext = false;
  /** The depth of a field whose value does not count; 0: none. */
  let muted = 0;
  while (at < bytes.length) {
    const code = bytes[at];
    if (code === QUOTE) {
      // Nothing after the user's first words is needed: of a long text the beginning will do.
      const close = stringEnd(bytes, at, isUser ? at + MAX_TEXT_BYTES : bytes.length);
      if (close < 0) {
        if (!isUser) return null;
        const end = Math.min(bytes.length, at + MAX_TEXT_BYTES);
        if (muted === 0) texts.push({ start: at + 1, end });
        return { texts, end };
      }
      const next = skipSpace(bytes, close + 1);
      if (bytes[next] === COLON) {
        isRoleNext = depth === 1 && isWord(bytes, at, close, 'role');
        if (muted === 0 && (isWord(bytes, at, close, 'cache_control') || isWord(bytes, at, close, 'type')))
          muted = depth;
        at = next + 1;
        continue;
      }
      if (isRoleNext && isWord(bytes, at, close, 'user')) isUser = true;
      isRoleNext = false;
      if (muted === 0) texts.push({ start: at + 1, end: Math.min(close, at + MAX_TEXT_BYTES) });
      at = next;
      continue;
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth++;
      isRoleNext = false;
    } else if (code === COMMA) {
      if (depth === muted) muted = 0;
      isRoleNext = false;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (depth === 0) return null;
      if (depth === muted) muted = 0;
      depth--;
      if (depth === 0 && isUser) return { texts, end: at + 1 };
    }
    at++;
  }
  return isUser ? { texts, end: bytes.length } : null;
}

/** Is the string literal between these quotes this ASCII word? */
function isWord(bytes: Uint8Array, open: number, close: number, word: string): boolean {
  if (close - open - 1 !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (bytes[open + 1 + i] !== word.charCodeAt(i)) return false;
  return true;
}

const ROLE = Buffer.from('"role"');
const ANSWERS: readonly string[] = ['assistant', 'tool', 'function', 'model'];

/**
 * Does an assistant turn or a tool result stand in these bytes from `from` on? Quotes inside a text are escaped, so that
 * `"role"` can only be a literal of its own, wherever the search begins.
 */
export function holdsAnswer(messages: Uint8Array, from: number): boolean {
  for (let at = indexOfBytes(messages, ROLE, from); at >= 0; at = indexOfBytes(messages, ROLE, at)) {
    at = skipSpace(messages, at + ROLE.length);
    if (messages[at] !== COLON) continue;
    const open = skipSpace(messages, at + 1);
    if (messages[open] !== QUOTE) continue;
    const close = messages.indexOf(QUOTE, open + 1);
    if (ANSWERS.some((role) => isWord(messages, open, close, role))) return true;
  }
  return false;
}
