// The compiled program: an account is imported, served, renewed and shown, against a Code Assist of the test's.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endAll, ensureBinary, runBinary, startServer } from '../support/binary.ts';
import { said, streamed } from '../support/code-assist.ts';
import { eventually } from '../support/eventually.ts';
import { answer, reply, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';
import { jwt } from '../support/vendor-server.ts';

let home: TempHome;
let google: ScriptedUpstream;
let config: string;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
  google = await startUpstream({
    answer: ({ path }) => {
      if (path === '/token') return reply(200, { access_token: 'at-renewed-secret', expires_in: 3600 });
      if (path.endsWith(':loadCodeAssist')) {
        return reply(200, { currentTier: { id: 'standard-tier' }, cloudaicompanionProject: 'my-project' });
      }
      return path.includes('stream') ? streamed('over ', 'there') : said('from Google');
    },
  });
  const { origin } = google;
  config = await home.write(
    'config/rotator.yaml',
    `providers:
  gemini_cli:
    base_url: ${origin}
    oauth: { token_url: "${origin}/token", authorize_url: "${origin}/authorize" }
`,
  );
});
afterEach(async () => {
  await endAll();
  await google[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});
afterAll(endAll);

/** As Google's own tool keeps it, with a token that has ended. */
const imported = JSON.stringify({
  access_token: 'at-ended-secret',
  refresh_token: 'rt-secret',
  token_type: 'Bearer',
  expiry_date: Date.now() - 1000,
});
const body = { model: 'gemini_cli/gemini-2.5-pro', messages: [{ role: 'user', content: 'hello' }] };

test('a login of gemini-cli is imported, and its next request is served with a token of now', async () => {
  await home.write('.gemini/oauth_creds.json', imported);
  const run = (...args: string[]) => runBinary(['--config', config, ...args], { home });
  expect(await run('oauth', 'import')).toMatchObject({ code: 0 });
  await using server = await startServer(['--config', config], { home });
  const listed = async () => JSON.parse((await run('keys', 'list', '--json')).stdout);
  await eventually('its project is known', async () => (await listed())[0]?.state === 'ready');
  const answer = await server.chat(body);
  expect(await answer.json()).toMatchObject({ choices: [{ message: { content: 'from Google' } }] });
  expect(await (await server.chat({ ...body, stream: true })).text()).toContain('"content":"there"');

  const calls = google.calls.filter(({ path }) => path.includes('enerateContent'));
  expect(calls.map(({ key }) => key)).toEqual(['at-renewed-secret', 'at-renewed-secret']);
  expect(calls[0]?.text).toContain('"project":"my-project"');
  expect(await listed()).toMatchObject([
    { id: 'gemini_cli-1', kind: 'oauth', state: 'ready', account: { tier: 'PRO', project_id: 'my-project' } },
  ]);
  const shown = [await run('status'), await run('keys', 'list'), await run('oauth', 'list')];
  const route = await run('test-route', body.model, '--json');
  expect(JSON.parse(route.stdout)).toMatchObject({ would_serve: { credential: 'gemini_cli-1' } });
  const all =
    [...shown, route].map(({ stdout, stderr }) => stdout + stderr).join('') + server.stdout() + server.stderr();
  expect(all).toContain('gemini_cli-1');
  expect(all).not.toMatch(/[ar]t-\w*-?secret/);
  expect(await readFile(join(home.state, 'oauth', 'gemini_cli-1.json'), 'utf8')).toContain('at-renewed-secret');
});

test('an account serves a one-shot chat without any server', async () => {
  await home.write('state/oauth/gemini_cli-7.json', JSON.stringify({ ...JSON.parse(imported), project_id: 'mine' }));
  const { code, stdout, stderr } = await runBinary(
    ['--config', config, 'chat', '-m', body.model, '--no-stream', 'hello'],
    { home },
  );
  expect([code, stdout.trim(), stderr]).toEqual([0, 'from Google', '']);
});

describe('two accounts and an API key of one family', () => {
  const model = 'xai/grok-4';
  const key = 'xai-api-key-0123456789';
  const chat = { model, messages: [{ role: 'user', content: 'hello' }] };
  let xai: ScriptedUpstream;
  let at: string;
  /** Refresh tokens that the vendor has taken back. */
  let revoked: Set<string>;

  beforeEach(async () => {
    revoked = new Set();
    // Of whom the page is asked for next; a code is that person's.
    let people = 0;
    xai = await startUpstream({
      answer: ({ path, text }) => {
        if (path === '/device') {
          people++;
          return reply(200, {
            device_code: `person-${people}`,
            user_code: 'AB-CD',
            verification_uri: 'https://vendor.test/device',
            expires_in: 60,
            interval: 0.01,
          });
        }
        if (path === '/token') {
          const form = new URLSearchParams(text);
          const spent = form.get('refresh_token');
          if (spent !== null && revoked.has(spent)) return reply(400, { error: 'invalid_grant' });
          if (spent !== null) revoked.add(spent);
          const person = spent === null ? (form.get('device_code') ?? '') : (spent.split('/')[0] ?? '');
          const turn = spent === null ? people * 100 : Number(spent.split('/')[2]) + 1;
          return reply(200, {
            access_token: `${person}/at-secret/${turn}`,
            refresh_token: `${person}/rt-secret/${turn}`,
            id_token: jwt({ email: `${person === 'person-3' ? 'person-1' : person}@people.test` }),
            // What a login gives ends at once; what a refresh gives lasts.
            expires_in: spent === null ? 1 : 36_000,
          });
        }
        return answer('served');
      },
    });
    at = await home.write(
      'config/pool.yaml',
      `rotation: { tolerance: 0 }
providers:
  xai:
    base_url: ${xai.baseUrl}
    keys: ["${key}"]
    oauth: { device_url: "${xai.origin}/device", token_url: "${xai.origin}/token" }
`,
    );
  });
  afterEach(() => xai[Symbol.asyncDispose]());

  const run = (...args: string[]) => runBinary(['--config', at, ...args], { home });
  const used = () => xai.calls.filter(({ path }) => path.endsWith('/chat/completions')).map((call) => call.key ?? '');
  const refreshed = () => xai.calls.filter(({ path, text }) => path === '/token' && text.includes('refresh_token='));
  const stateOf = async (id: string): Promise<unknown> =>
    JSON.parse((await run('keys', 'list', '--json')).stdout).find((one: { id: string }) => one.id === id)?.state;

  test('rotate in one pool, survive a restart, renew themselves, and one that needs a login says so everywhere', async () => {
    const said: string[] = [];
    const shown = async (...args: string[]) => {
      const outcome = await run(...args);
      said.push(outcome.stdout, outcome.stderr);
      return outcome;
    };
    for (const id of ['xai-1', 'xai-2']) {
      const outcome = await shown('oauth', 'login', 'xai');
      expect([outcome.code, outcome.stderr]).toEqual([0, expect.stringContaining(`logged in: ${id}`)]);
    }

    // Each takes its turn; their tokens, which end at once, are renewed by themselves.
    const renewed = ['person-1/at-secret/101', 'person-2/at-secret/201'];
    {
      await using server = await startServer(['--config', at], { home });
      await eventually('all are asked, with new tokens', async () => {
        expect((await server.chat(chat)).status).toBe(200);
        return [...renewed, key].every((one) => used().includes(one));
      });
      server.kill('SIGTERM');
      expect(await server.exited).toBe(0);
      said.push(server.stdout(), server.stderr());
    }
    const before = refreshed().length;
    expect(before).toBe(2);

    // After a restart they serve as they are.
    await using server = await startServer(['--config', at], { home });
    const first = used().length;
    await eventually('all are asked again', async () => {
      expect((await server.chat(chat)).status).toBe(200);
      return new Set(used().slice(first)).size === 3;
    });
    expect(new Set(used().slice(first))).toEqual(new Set([...renewed, key]));
    expect(refreshed()).toHaveLength(before);

    // The vendor takes one login back: its account leaves, the others serve on.
    revoked.add('person-1/rt-secret/101');
    const ended = await shown('oauth', 'refresh', 'xai-1');
    expect(ended.code).toBe(4);
    const sign = 'needs a new login (invalid_grant (HTTP 400)): rotator oauth login xai';
    await server.untilStderr(`xai-1 ${sign}`);
    const second = used().length;
    for (let i = 0; i < 4; i++) expect((await server.chat(chat)).status).toBe(200);
    expect(new Set(used().slice(second))).toEqual(new Set(['person-2/at-secret/201', key]));
    for (const command of [['status'], ['keys', 'list'], ['test-route', model]]) {
      const { code, stdout } = await shown(...command);
      expect([code, stdout]).toEqual([0, expect.stringContaining(sign)]);
    }
    expect((await shown('keys', 'test', 'xai-1')).code).toBe(4);
    const token = (await readFile(join(home.state, 'admin-token'), 'utf8')).trim();
    const admin = await server.fetch('/admin/status', { headers: { authorization: `Bearer ${token}` } });
    const status = await admin.text();
    expect(JSON.parse(status).keys).toContainEqual(
      expect.objectContaining({
        id: 'xai-1',
        state: 'blocked',
        account: expect.objectContaining({ state: 'needs_login', command: 'rotator oauth login xai' }),
      }),
    );

    // With nothing else left, the exit code says so too.
    for (const id of ['xai-2', 'xai-']) {
      const list: readonly { readonly id: string; readonly state: string }[] = JSON.parse(
        (await run('keys', 'list', '--json')).stdout,
      );
      const other = list.find((one) => one.state === 'ready' && one.id.startsWith(id));
      expect((await shown('keys', 'disable', other?.id ?? '')).code).toBe(0);
    }
    const route = await shown('test-route', model);
    expect([route.code, route.stdout]).toEqual([3, expect.stringContaining(sign)]);

    // The same person logs in again, and the account is back under its id.
    const again = await shown('oauth', 'login', 'xai');
    expect(again.stderr).toContain('logged in again: xai-1');
    await eventually('it has come back', async () => (await stateOf('xai-1')) === 'ready');
    expect((await server.chat(chat)).status).toBe(200);
    expect(used().at(-1)).toStartWith('person-3/at-secret/');
    expect([...said, status, server.stdout(), server.stderr()].join('\n')).not.toMatch(/[ar]t-secret/);
  }, 60_000);
});
