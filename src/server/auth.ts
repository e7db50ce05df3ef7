import type { Client } from '../gateway/gateway.ts';
import type { Secret } from '../shared/secret.ts';
import { isSameDigest, sha256 } from './digest.ts';
import { type Refusal, refuse } from './refusal.ts';
import type { ClientKey } from './settings.ts';

/** Headers that can carry a client key. None of them travels further than this room. */
const KEY_HEADERS = ['authorization', 'x-api-key', 'x-goog-api-key'] as const;

const ANONYMOUS: Client = { id: '', name: null, models: [] };
/** Of the key's digest: enough to tell keys apart, too little to be one. */
const CLIENT_ID_DIGITS = 16;
const CHALLENGE = { 'www-authenticate': 'Bearer' };

type KnownClient = { readonly digest: Uint8Array; readonly client: Client };

// Settings live until the next reload, so their digests are unpacked once, not once per request.
const clientsByKeys = new WeakMap<readonly ClientKey[], readonly KnownClient[]>();
const digestByToken = new WeakMap<Secret, Uint8Array>();

/** Who sends this request: the first place that holds a valid client key decides. */
export function identifyClient(
  headers: Headers,
  query: string,
  clientKeys: 'open' | readonly ClientKey[],
): Client | Refusal {
  if (clientKeys === 'open') return ANONYMOUS;
  const known = knownClients(clientKeys);
  let isAnyOffered = false;
  for (const find of KEY_PLACES) {
    const offered = find(headers, query);
    if (offered === null || offered === '') continue;
    isAnyOffered = true;
    const digest = sha256(offered);
    let found: Client | undefined;
    // No early end: the time taken says nothing about which key was near.
    for (const { digest: wanted, client } of known) if (isSameDigest(digest, wanted)) found ??= client;
    if (found) return found;
  }
  return refuse({ kind: 'unauthenticated', status: 401, message: isAnyOffered ? KEY_WRONG : KEY_MISSING }, CHALLENGE);
}

const KEY_MISSING =
  'no client key was sent: put it in "Authorization: Bearer <key>", "x-api-key", "x-goog-api-key" or "?key="';
const KEY_WRONG = "this client key is not known here; a provider's own key is not a client key";

/** The admin token opens `/admin` and nothing else does; it is taken from `Authorization: Bearer` only. */
export function checkAdmin(headers: Headers, adminToken: Secret): Refusal | null {
  let wanted = digestByToken.get(adminToken);
  if (!wanted) {
    wanted = sha256(adminToken.reveal());
    digestByToken.set(adminToken, wanted);
  }
  const offered = bearerOf(headers);
  if (offered !== null && isSameDigest(sha256(offered), wanted)) return null;
  const message = 'the admin API needs the admin token in "Authorization: Bearer <token>"; client keys do not open it';
  return refuse({ kind: 'unauthenticated', status: 401, message }, CHALLENGE);
}

/** Removes every place that can hold a client key, so that nothing behind this room can pass one on. */
export function stripKeys(headers: Headers): void {
  for (const name of KEY_HEADERS) headers.delete(name);
}

/** Where a client's key can stand, in the order in which they are tried. */
const KEY_PLACES: readonly ((headers: Headers, query: string) => string | null)[] = [
  bearerOf,
  (headers) => headers.get('x-api-key'),
  (headers) => headers.get('x-goog-api-key'),
  (_, query) => (query === '' ? null : new URLSearchParams(query).get('key')),
];

const BEARER = 'bearer ';

function bearerOf(headers: Headers): string | null {
  const value = headers.get('authorization');
  return value !== null && /^bearer +\S+ *$/i.test(value) ? value.slice(BEARER.length).trim() : null;
}

function knownClients(clientKeys: readonly ClientKey[]): readonly KnownClient[] {
  let known = clientsByKeys.get(clientKeys);
  if (!known) {
    known = clientKeys.map((key) => ({
      digest: Buffer.from(key.sha256, 'hex'),
      client: {
        id: key.sha256.slice(0, CLIENT_ID_DIGITS),
        name: key.name ?? 'default',
        models: key.models,
        ...(key.limits && { limits: key.limits }),
      },
    }));
    clientsByKeys.set(clientKeys, known);
  }
  return known;
}
