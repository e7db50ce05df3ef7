// What watches the server works in the compiled program, too: packages that are loaded late are inside it.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { endAll, ensureBinary, runBinary, startServer } from '../support/binary.ts';
import { startCollector } from '../support/collector.ts';
import { eventually } from '../support/eventually.ts';
import { Page } from '../support/prometheus.ts';
import { answer, refusal, startUpstream } from '../support/scripted-upstream.ts';
import { tempHome } from '../support/temp-home.ts';

beforeAll(ensureBinary, 120_000);
afterAll(endAll);

test('metrics, the request log, bodies in files, traces and client limits', async () => {
  using collector = startCollector();
  await using upstream = await startUpstream({
    keys: { bad: refusal(429, {}, { 'retry-after': '600' }), good: answer('hi') },
  });
  await using home = await tempHome();
  const config = await home.write(
    'rotator.yaml',
    `providers: { mine: { base_url: "${upstream.baseUrl}", keys: [{ key: bad, priority: 1 }, { key: good, priority: 2 }] } }
logging: { requests: bodies }
observe: { otlp: "${collector.url}" }
`,
  );
  const around = ['--config', config, '--state', home.state];
  const added = await runBinary(['clients', 'add', 'laptop', '--limit', 'rpm=1', ...around], { home });
  expect(added).toMatchObject({ code: 0 });
  const key = added.stdout.trim();
  {
    await using server = await startServer(around, { home, env: { ROTATOR_ADMIN_TOKEN: 'the-admin' } });
    const call = (path: string, init: RequestInit = {}) =>
      server.fetch(path, { ...init, headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` } });
    const body = JSON.stringify({ model: 'mine/m', messages: [{ role: 'user', content: 'hello' }] });
    expect((await call('/v1/chat/completions', { method: 'POST', body })).status).toBe(200);
    const refused = await call('/v1/chat/completions', { method: 'POST', body });
    expect([refused.status, Number(refused.headers.get('retry-after')) > 50]).toEqual([429, true]);

    const scraped = await server.fetch('/metrics', { headers: { authorization: 'Bearer the-admin' } });
    const page = new Page(await scraped.text());
    expect(page.samples('rotator_client_requests_total')).toEqual([
      { client: 'laptop', outcome: 'ok', value: 1 },
      { client: 'laptop', outcome: 'client-limit', value: 1 },
    ]);
    expect(page.typeOf('gen_ai_client_operation_duration_seconds')).toBe('HISTOGRAM');

    const logs = await runBinary(['logs', '--json', ...around], { home, env: { ROTATOR_ADMIN_TOKEN: 'the-admin' } });
    const [served, limited] = logs.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(served).toMatchObject({ client: 'laptop', status: 200, attempts: [{ status: 429 }, { status: 200 }] });
    expect(limited).toMatchObject({ client: 'laptop', status: 429, failure: 'client-limit' });
    expect(server.stderr()).toContain('"message":"request"');
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
  }
  const days = join(home.state, 'logs');
  await eventually('the files are there', () => existsSync(days));
  const [day = ''] = readdirSync(days);
  expect(readdirSync(join(days, day))).toHaveLength(2);
  expect(collector.spans.map(({ name, kind }) => [name, kind]).sort()).toEqual([
    ['chat m', 3],
    ['chat m', 3],
    ['chat mine/m', 2],
    ['chat mine/m', 2],
  ]);
}, 60_000);
