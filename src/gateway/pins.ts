import type { CredentialId } from '../pool/credential.ts';
import type { ProtocolId } from '../protocols/codec.ts';
import { skipSpace, stringEnd } from '../shared/json-grammar.ts';

/**
 * Which credential issued what only its issuer takes back: encrypted reasoning of Responses, Gemini's thought signatures.
 * Found on the bytes of answers and requests alike, by the names of the fields that carry them; nothing is parsed.
 */

/** `isFirm`: no other credential can read it. Otherwise the issuer is merely the best one. */
type Kind = { readonly name: Buffer; readonly isFirm: boolean };

const KINDS: readonly Kind[] = [
  // Encrypted with a key of the account.
  { name: Buffer.from('"encrypted_content"'), isFirm: true },
  // Checked by the model; another key of the same vendor is known to do, and a lost one can be bypassed.
  { name: Buffer.from('"thoughtSignature"'), isFirm: false },
  { name: Buffer.from('"thought_signature"'), isFirm: false },
];

/** Protocols whose answers carry such things. */
export const issuesState = (protocol: ProtocolId): boolean => protocol === 'openai-responses' || protocol === 'gemini';

export type Pin = { readonly provider: string; readonly credential: CredentialId; readonly isFirm: boolean };

const MAX_PINS = 50_000;
const QUOTE = 34;
const COLON = 58;
const BACKSLASH = 92;

export class Pins {
  /** Hash of a value → its issuer, in the order of last use. */
  readonly #issuers = new Map<string, { readonly provider: string; readonly credential: CredentialId }>();

  /** Remembers who issued what stands in these bytes of an answer. */
  note(answer: Uint8Array, provider: string, credential: CredentialId): void {
    for (const { key } of valuesIn(answer)) {
      this.#issuers.delete(key);
      this.#issuers.set(key, { provider, credential });
    }
    for (const oldest of this.#issuers.keys()) {
      if (this.#issuers.size <= MAX_PINS) return;
      this.#issuers.delete(oldest);
    }
  }

  /** The issuer of what a request carries; of several the last in the conversation, firm ones first. */
  find(request: Uint8Array): Pin | null {
    if (this.#issuers.size === 0) return null;
    let found: Pin | null = null;
    for (const { key, isFirm } of valuesIn(request)) {
      const issuer = this.#issuers.get(key);
      if (!issuer || (found?.isFirm && !isFirm)) continue;
      this.#issuers.delete(key);
      this.#issuers.set(key, issuer);
      found = { ...issuer, isFirm };
    }
    return found;
  }
}

function* valuesIn(bytes: Uint8Array): Generator<{ readonly key: string; readonly isFirm: boolean }> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { name, isFirm } of KINDS) {
    for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at)) {
      at = skipSpace(text, at + name.length);
      if (text[at] !== COLON) continue;
      const open = skipSpace(text, at + 1);
      if (text[open] !== QUOTE) continue;
      const close = stringEnd(text, open);
      if (close < 0) break;
      at = close;
      if (close - open > 1) yield { key: hashOf(text.subarray(open + 1, close)), isFirm };
    }
  }
}

/** Of what the literal means: one side may write `=` as an escape and the other as it is. */
function hashOf(literal: Buffer): string {
  const value = literal.includes(BACKSLASH) ? unescaped(literal) : literal;
  return Bun.hash(value).toString(36);
}

function unescaped(literal: Buffer): Uint8Array {
  try {
    return Buffer.from(JSON.parse(`"${literal.toString()}"`) as string); // A string literal is a string.
  } catch {
    return literal;
  }
}
