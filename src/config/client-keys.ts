import { createHash } from 'node:crypto';
import { type NamePattern, namePattern } from '../shared/wildcard.ts';
import type { Config } from './schema.ts';

/** A client key as it is compared: by digest, so that the key itself need not stay in memory. */
export type ClientKeySetting = {
  readonly name: string | null;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Empty means all. */
  readonly models: readonly NamePattern[];
};

export const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Of a literal key, or of one written as `sha256:<hex>`. */
export function digestOfKey(key: string): string {
  const digest = /^sha256:([0-9a-f]{64})$/i.exec(key)?.[1];
  return digest ? digest.toLowerCase() : sha256Hex(key);
}

/** `open`: no key is needed. Null: the config names none, and one is to be made in the state directory. */
export function clientKeysOf(config: Pick<Config, 'server'>): 'open' | readonly ClientKeySetting[] | null {
  const { client_keys: keys } = config.server;
  if (keys === null) return null;
  if (keys === 'none') return 'open';
  return keys.map(({ name, key, models }) => ({
    name,
    sha256: digestOfKey(key.reveal()),
    models: models.map(namePattern),
  }));
}
