// Whatever a server answers and whatever a file holds: nothing is thrown, and no secret gets into a reason.
import { expect, test } from 'bun:test';
import * as fc from 'fast-check';
import { readAccount } from '../../src/oauth/accounts/account-json.ts';
import { readLoad, nextStep } from '../../src/oauth/code-assist/load-answer.ts';
import { accountRefusal } from '../../src/oauth/code-assist/refusal.ts';
import { requestTokens } from '../../src/oauth/engine/token-endpoint.ts';
import type { JsonObject } from '../../src/oauth/json-object.ts';
import { profiles } from '../../src/oauth/profiles/index.ts';
import { isObject } from '../../src/shared/json-shape.ts';
import { serviceAt, toolsWith } from './oauth-fixture.ts';

const SECRET = 'refresh-token-that-is-secret';

/** JSON with names that are looked for, and the secret here and there. */
const names = fc.constantFrom(
  ...['error', 'error_description', 'access_token', 'refresh_token', 'expires_in', 'token_type', 'data', 'success'],
  ...['scope', 'id_token', 'message', 'code', 'tokens', 'token', 'expiry_date', '_proxy_metadata', '_rotator', 'email'],
  ...['currentTier', 'paidTier', 'allowedTiers', 'ineligibleTiers', 'id', 'details', 'domain', 'metadata', 'standing'],
);
const leaf = fc.oneof(fc.constant(SECRET), fc.string(), fc.double(), fc.boolean(), fc.constant(null));
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(names, tie('json'), { maxKeys: 6 }),
  ),
}));
const object = json.filter((value): value is JsonObject => isObject(value));

test('a token endpoint may answer anything', async () => {
  const service = serviceAt('codex', 'http://127.0.0.1:1');
  await fc.assert(
    fc.asyncProperty(
      json,
      fc.constantFrom(200, 201, 204, 302, 400, 401, 403, 404, 418, 429, 500, 503),
      async (body, status) => {
        const tools = {
          ...toolsWith(),
          upstream: async () => new Response(status === 204 ? null : JSON.stringify(body), { status }),
        };
        const grant = { type: 'refresh_token', parameters: { refresh_token: SECRET } };
        const answer = await requestTokens(grant, service.client, service, tools);
        if (answer.kind === 'tokens') expect(status).toBe(200);
        else expect(JSON.stringify(answer)).not.toContain(SECRET);
      },
    ),
    { numRuns: 400 },
  );
});

test('a file may hold any object', () => {
  fc.assert(
    fc.property(object, fc.constantFrom(...profiles), (value, profile) => {
      const read = readAccount(value, { id: 'x-1', source: { kind: 'file', path: '/x' }, profile });
      if ('problem' in read) expect(read.problem).not.toContain(SECRET);
    }),
    { numRuns: 500 },
  );
});

test('Google may say anything of an account', () => {
  fc.assert(
    fc.property(object, fc.constantFrom(null, 'mine'), (value, configured) => {
      nextStep(readLoad(value), configured);
      accountRefusal(403, value);
    }),
    { numRuns: 500 },
  );
});
