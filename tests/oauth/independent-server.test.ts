// The same through a server of other people's making, which can be told to misbehave.
import { expect, test } from 'bun:test';
import { OAuth2Server } from 'oauth2-mock-server';
import { beginCode, finishCode } from '../../src/oauth/engine/authorization-code.ts';
import { readPasted } from '../../src/oauth/engine/callback.ts';
import { newAccount } from '../../src/oauth/engine/new-account.ts';
import { openAccounts } from '../../src/oauth/refresh/accounts.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { serviceWith, StateDirectory, toolsWith, upstream } from './oauth-fixture.ts';

test('a login with PKCE, a refresh, and an account that the server takes back', async () => {
  using state = new StateDirectory();
  const server = new OAuth2Server();
  await server.issuer.keys.generate('RS256');
  await server.start(0, '127.0.0.1');
  const origin = server.issuer.url ?? '';
  const service = serviceWith('codex', { authorize_url: `${origin}/authorize`, token_url: `${origin}/token` });
  const tools = toolsWith(systemClock);

  const pending = await beginCode(service, 1, tools.now());
  if (!pending) throw new Error('no page');
  const page = await fetch(pending.url, { redirect: 'manual' });
  const callback = readPasted(page.headers.get('location') ?? '', pending.state);
  if (callback.kind !== 'code') throw new Error(callback.kind);
  const answer = await finishCode(pending, callback.parameters, service, tools);
  if (answer.kind !== 'tokens') throw new Error(answer.failure.reason);
  const { account } = await state.directory().add(await newAccount(answer, service, tools));

  const troubles: string[] = [];
  const accounts = await openAccounts({
    directory: state.directory(),
    virtual: [],
    serviceOf: () => service,
    upstream,
    clock: systemClock,
    random: () => 0.5,
    version: '0.0.0-test',
    onTrouble: (message) => troubles.push(message),
  });
  const { signal } = new AbortController();
  expect(await accounts.refresh(account.id, signal)).toEqual({ state: { kind: 'ready' }, failure: null });

  server.service.once('beforeResponse', (response) => {
    response.statusCode = 429;
    response.body = { error: 'slow_down' };
  });
  await accounts.refresh(account.id, signal);
  expect(troubles).toEqual([expect.stringContaining('slow_down (HTTP 429)')]);
  // The token it has is good for an hour yet.
  expect((await accounts.accessTokenOf(account.id, { signal })).kind).toBe('token');

  server.service.once('beforeResponse', (response) => {
    response.statusCode = 400;
    response.body = { error: 'invalid_grant' };
  });
  expect(await accounts.refresh(account.id, signal)).toMatchObject({ state: { kind: 'needs_login' } });
  expect((await accounts.accessTokenOf(account.id, { signal })).kind).toBe('unavailable');
  await accounts.close();
  await server.stop();
});
