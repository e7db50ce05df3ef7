// The compiled program: an account is imported, served, renewed and shown, against a Code Assist of the test's.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endAll, ensureBinary, runBinary, startServer } from '../support/binary.ts';
import { said, streamed } from '../support/code-assist.ts';
import { eventually } from '../support/eventually.ts';
import { reply, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

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
