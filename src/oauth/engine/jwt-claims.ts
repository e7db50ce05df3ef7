import { type JsonObject, parseObject, textOf } from '../json-object.ts';

/**
 * The claims of a token that came straight from its issuer over TLS; its signature is not looked at (OpenID Connect Core
 * 3.1.3.7 allows that there). For names and plans to show, never to let somebody in. Empty for what is no JWT.
 */
export function claimsOf(token: string): JsonObject {
  const [, payload, signature] = token.split('.');
  if (payload === undefined || signature === undefined) return {};
  return parseObject(Buffer.from(payload, 'base64url').toString('utf8')) ?? {};
}

/** The subject of an access token that is a JWT, for services that say nothing else of the person. */
export const subjectOf = (token: string): string | null => textOf(claimsOf(token), 'sub', 'user_id');
