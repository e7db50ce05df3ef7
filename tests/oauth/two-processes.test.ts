import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { Secret } from '../../src/shared/secret.ts';
import { requestTokens } from '../../src/oauth/engine/token-endpoint.ts';
import { beginCode, finishCode } from '../../src/oauth/engine/authorization-code.ts';
import { readPasted } from '../../src/oauth/engine/callback.ts';
import { newAccount } from '../../src/oauth/engine/new-account.ts';
import { startOidcServer } from '../support/oidc-server.mjs';
import { systemClock } from '../../src/shared/clock.ts';
import { visit } from '../support/person.ts';
import { serviceWith, StateDirectory, toolsWith } from './oauth-fixture.ts';

const PROCESSES = 4;

// At this server the second use of a refresh token revokes the account: one call too many, and all of them fail.
test('processes that share a directory renew an account once, and all go on with the same token', async () => {
  await using server = await startOidcServer();
  using state = new StateDirectory();
  const service = serviceWith('codex', {
    token_url: server.tokenUrl,
    authorize_url: server.authorizeUrl,
    client_id: server.clientId,
  });
  const tools = toolsWith(systemClock);
  const pending = await beginCode(service, 1, Date.now());
  if (!pending) throw new Error('no page');
  const callback = readPasted(await visit(pending.url), pending.state);
  if (callback.kind !== 'code') throw new Error(callback.kind);
  const answer = await finishCode(pending, callback.parameters, service, tools);
  if (answer.kind !== 'tokens') throw new Error(answer.failure.reason);
  const { account } = await state.directory().add(await newAccount(answer, service, tools));
  await state.directory().save({
    ...account,
    tokens: { ...account.tokens, access: new Secret('ended'), expiresAt: Date.now() - 1 },
  });

  const processes = Array.from({ length: PROCESSES }, () =>
    Bun.spawn(
      [
        process.execPath,
        join(import.meta.dir, 'refresh-once.ts'),
        state.path,
        server.tokenUrl,
        server.authorizeUrl,
        server.clientId,
        account.id,
      ],
      { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' },
    ),
  );
  const readers = processes.map(({ stdout }) => lines(stdout));
  expect(await Promise.all(readers.map((reader) => reader.next()))).toEqual(
    Array(PROCESSES).fill({ done: false, value: 'ready' }),
  );
  // All at the same moment.
  for (const { stdin } of processes) {
    stdin.write('go\n');
    stdin.end();
  }
  const tokens = await Promise.all(readers.map(async (reader) => (await reader.next()).value));
  expect(await Promise.all(processes.map(({ stderr }) => new Response(stderr).text()))).toEqual(
    Array(PROCESSES).fill(''),
  );
  const kept = await state.directory().read(account.id);
  expect(new Set(tokens)).toEqual(new Set([kept?.tokens.access?.reveal()]));
  expect(server.grants.filter((grant) => grant === 'refresh_token')).toHaveLength(1);

  // The server has seen nothing it would revoke the account for.
  const refresh_token = kept?.tokens.refresh?.reveal() ?? '';
  const still = await requestTokens(
    { type: 'refresh_token', parameters: { refresh_token } },
    service.client,
    service,
    tools,
  );
  expect(still.kind).toBe('tokens');
});

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
  return undefined;
}
