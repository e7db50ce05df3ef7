import { join } from 'node:path';
import type { ClientLimits } from '../gateway/client-limits.ts';
import type { Secret } from '../shared/secret.ts';
import type { NamePattern } from '../shared/wildcard.ts';
import { sha256 } from './digest.ts';
import { type KeptSecret, keptSecret } from './kept-secret.ts';
import type { ClientKey } from './settings.ts';

const HASHED = /^sha256:([0-9a-f]{64})$/i;

/** A new client key: 256 random bits after the prefix by which people and scanners know it. */
export function newClientKey(): string {
  return `sk-rotator-${randomText()}`;
}

/** 32 random bytes in 43 letters that need no quoting anywhere. */
export function randomText(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
}

/** The one key of a server whose config names none: `ROTATOR_CLIENT_KEY`, else `<state>/client-key`, made when missing. */
export function defaultClientKey(
  env: Readonly<Record<string, string | undefined>>,
  stateDir: string | null,
): KeptSecret {
  return keptSecret({
    given: env['ROTATOR_CLIENT_KEY'],
    path: stateDir === null ? null : join(stateDir, 'client-key'),
    make: newClientKey,
  });
}

/** A key as the config writes it, itself or `sha256:` and the hex digest of it, as the server keeps it. */
export function clientKey(
  name: string | null,
  key: Secret,
  models: readonly NamePattern[] = [],
  limits: ClientLimits | null = null,
): ClientKey {
  const text = key.reveal();
  const digest = HASHED.exec(text)?.[1]?.toLowerCase() ?? sha256(text).toString('hex');
  return { name, sha256: digest, models, ...(limits && { limits }) };
}
