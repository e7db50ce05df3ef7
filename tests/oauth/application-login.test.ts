import { describe, expect, test } from 'bun:test';
import { type ApplicationCredentials, withApplications } from '../../src/oauth/application-login.ts';
import { Secret } from '../../src/shared/secret.ts';
import { createUpstream } from '../../src/transport/fetch-upstream.ts';
import type { UpstreamCall } from '../../src/transport/upstream.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type Answer, gate, after, reply, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';

const granted = (token: string, lifetime: number | null = 3600): Answer =>
  reply(200, { access_token: token, token_type: 'Bearer', ...(lifetime !== null && { expires_in: lifetime }) });

const MINUTE_MS = 60_000;

/** A directory that answers by script, and an API that takes every token but those of `refused`. */
async function start(script: readonly Answer[], refused: readonly string[] = []) {
  let asked = 0;
  const server = await startUpstream({
    answer: ({ path, key }) => {
      if (path === '/token') return script[Math.min(asked++, script.length - 1)] ?? reply(500, {});
      return reply(key !== null && refused.includes(key) ? 401 : 200, { token: key });
    },
  });
  const login: ApplicationCredentials = {
    tokenUrl: `${server.origin}/token`,
    clientId: 'my-app',
    clientSecret: new Secret('s3cret-of-mine'),
    scope: 'https://cognitiveservices.azure.com/.default',
  };
  const clock = new ManualClock();
  const transport = createUpstream({ env: {} });
  const upstream = withApplications(transport, (id) => (id === 'azure' ? login : undefined), clock, '1.2.3');
  const call = (more: Partial<UpstreamCall> = {}) =>
    upstream({
      url: `${server.origin}/v1/chat/completions`,
      method: 'POST',
      headers: new Headers({ 'content-type': 'application/json' }),
      body: new TextEncoder().encode('{}'),
      signal: new AbortController().signal,
      poolKey: 'azure',
      proxy: null,
      isHttp2: false,
      connectTimeoutMs: 1000,
      ...more,
    });
  const said = async (response: Response): Promise<[number, unknown]> => [response.status, await response.json()];
  const tokenOf = async () => JSON.stringify((await said(await call()))[1]);
  return { server, clock, call, said, tokenOf, [Symbol.asyncDispose]: () => closed(server, transport) };
}

async function closed(server: ScriptedUpstream, transport: { close(): void }): Promise<void> {
  transport.close();
  await server.close();
}

const logins = (server: ScriptedUpstream) => server.requests.filter(({ path }) => path === '/token');

describe('an application that signs in', () => {
  test('asks for a token once, whoever waits for it, and sends it where a key would stand', async () => {
    const hold = gate();
    await using it = await start([after(hold, granted('one'))]);
    const calls = [it.call(), it.call(), it.call()];
    await hold.reached;
    hold.open();
    for (const response of await Promise.all(calls)) expect(await it.said(response)).toEqual([200, { token: 'one' }]);
    const [login, ...more] = logins(it.server);
    expect(more).toEqual([]);
    expect(Object.fromEntries(new URLSearchParams(login?.text))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'my-app',
      client_secret: 's3cret-of-mine',
      scope: 'https://cognitiveservices.azure.com/.default',
    });
    expect(login?.headers.get('user-agent')).toBe('rotator/1.2.3');
  });

  test('leaves other calls alone', async () => {
    await using it = await start([granted('one')]);
    expect(await it.said(await it.call({ poolKey: 'openai' }))).toEqual([200, { token: null }]);
    expect(logins(it.server)).toEqual([]);
  });

  test('renews a token before its end while the old one still serves', async () => {
    await using it = await start([granted('one'), granted('two')]);
    await it.call();
    await it.clock.advance(56 * MINUTE_MS);
    expect(await it.said(await it.call())).toEqual([200, { token: 'one' }]);
    while (!(await it.tokenOf()).includes('two'));
    expect(logins(it.server)).toHaveLength(2);
  });

  test('waits for a new one when the old one has ended', async () => {
    await using it = await start([granted('one', 60), granted('two', null), granted('three')]);
    await it.call();
    await it.clock.advance(MINUTE_MS);
    expect(await it.said(await it.call())).toEqual([200, { token: 'two' }]);
    await it.clock.advance(60 * MINUTE_MS);
    expect(await it.said(await it.call())).toEqual([200, { token: 'three' }]);
  });

  test('replaces a token that the API refuses, once', async () => {
    await using it = await start([granted('one'), granted('two')], ['one']);
    expect(await it.said(await it.call())).toEqual([200, { token: 'two' }]);
    await using again = await start([granted('one'), granted('one')], ['one']);
    expect((await again.call()).status).toBe(401);
    expect(logins(again.server)).toHaveLength(2);
  });

  test.each([
    ['a wrong secret', 401, 401],
    ['a tenant that is not there', 400, 401],
    ['too many logins', 429, 429],
    ['a broken directory', 503, 503],
    ['a path that is not there', 404, 502],
  ])('%s is told as an answer of the API would be, without the secret', async (_, status, told) => {
    const words = { error: 'invalid_client', error_description: 'AADSTS7000215: s3cret-of-mine is wrong' };
    await using it = await start([reply(status, words, { 'retry-after': '7' })]);
    const response = await it.call();
    expect([response.status, response.headers.get('retry-after')]).toEqual([told, '7']);
    const text = await response.text();
    expect(text).toContain('gave the application no token: AADSTS7000215: *** is wrong');
    expect(it.server.calls.filter(({ path }) => path !== '/token')).toEqual([]);
  });

  test('a directory that cannot be reached means that nothing was sent', async () => {
    await using it = await start([(wire) => Promise.resolve(wire.reset())]);
    await expect(it.call()).rejects.toMatchObject({ name: 'TransportError' });
  });

  test('whoever goes away does not take the login from the others', async () => {
    const hold = gate();
    await using it = await start([after(hold, granted('one'))]);
    const leaver = new AbortController();
    const left = it.call({ signal: leaver.signal });
    const stays = it.call();
    await hold.reached;
    leaver.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    hold.open();
    expect(await it.said(await stays)).toEqual([200, { token: 'one' }]);
  });
});
