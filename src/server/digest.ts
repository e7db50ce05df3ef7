import { hash, timingSafeEqual } from 'node:crypto';

/** SHA-256 of a text's UTF-8 bytes. */
export function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

/**
 * Compares in a time that does not depend on where two digests differ. Digests rather than keys are compared, so that
 * neither the length of a key nor its first letters can be measured.
 */
export function isSameDigest(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}
