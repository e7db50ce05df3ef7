// Somebody comes from LLM-API-Key-Proxy with nothing but its .env, and goes on working.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { stat } from 'node:fs/promises';
import { endAll, ensureBinary, runBinary, startServer } from '../support/binary.ts';
import { answer, startUpstream } from '../support/scripted-upstream.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

let home: TempHome;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
});
afterEach(() => home[Symbol.asyncDispose]());
afterAll(endAll);

test('the program makes a config of a .env and its neighbours, takes it, and serves with the old client key', async () => {
  await using upstream = await startUpstream({
    keys: { 'made-up#1': answer('from one'), 'made-up#2': answer('from two') },
  });
  const file = await home.write(
    'proxy/.env',
    `PROXY_API_KEY="sk-of-old"
LOCAL_API_BASE=${upstream.baseUrl}
LOCAL_API_KEY_1='made-up#1' # one
export LOCAL_API_KEY_2="made-up#2"
FALLBACK_GROUPS=quick
FALLBACK_GROUP_QUICK=local/small@native
NOBODY_KNOWS=1
`,
  );
  await home.write('proxy/more.env', 'ROTATION_MODE_LOCAL=sequential\n');
  const imported = await runBinary(['import', file, '--json'], { home });
  expect(imported).toMatchObject({ code: 0, stderr: '' });
  expect(imported.stdout).not.toContain('made-up#');
  const report = JSON.parse(imported.stdout);
  const told = [...report.imported, ...report.translated, ...report.not_carried].map((one) => one.variable);
  expect(new Set(told)).toEqual(
    new Set([
      'PROXY_API_KEY',
      'LOCAL_API_BASE',
      'LOCAL_API_KEY_1',
      'LOCAL_API_KEY_2',
      'FALLBACK_GROUPS',
      'FALLBACK_GROUP_QUICK',
      'NOBODY_KNOWS',
      'ROTATION_MODE_LOCAL',
    ]),
  );
  expect((await stat(report.config)).mode & 0o777).toBe(0o600);
  expect(await runBinary(['config', 'check'], { home })).toMatchObject({ code: 0 });

  await using server = await startServer([], { home, env: { ROTATOR_CLIENT_KEY: undefined } });
  const reply = await server.fetch('/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: 'Bearer sk-of-old', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'quick', messages: [{ role: 'user', content: 'hi' }] }),
  });
  expect(reply.status).toBe(200);
  expect(await reply.text()).toContain('from one');
  expect(JSON.parse(upstream.calls[0]?.text ?? '')).toMatchObject({ model: 'small' });
}, 60_000);
