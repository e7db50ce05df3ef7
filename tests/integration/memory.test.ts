// What the server remembers of requests: counted, logged and told, over real sockets and into a real file.
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { type Dirent, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  CredentialView,
  EngineEvent,
  RequestView,
  StatusReport,
  UsageReport,
} from '../../src/gateway/operations.ts';
import { answer, refusal, startUpstream } from '../support/scripted-upstream.ts';
import { type Rotator, startRotator } from '../support/server.ts';

const FIRST = 'first-key-0123456789abcdef';
const SECOND = 'second-key-0123456789abcdef';
const longLimited = refusal(429, { message: 'Rate limit reached' }, { 'retry-after': '600' });
const limited = refusal(429, { message: `Rate limit reached for ${FIRST}` }, { 'retry-after': '60' });

let stateDir: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'rotator-memory-'));
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

async function read<Shape>(rotator: Rotator, path: string): Promise<Shape> {
  const response = await rotator.admin(path);
  expect(response.status).toBe(200);
  return (await response.json()) as Shape;
}

const usage = (rotator: Rotator, by: string) => read<UsageReport>(rotator, `usage?by=${by}&since=1d`);

describe('a request that rotates', () => {
  test('counts at each key it tried, and is one line in the log with what the first one said', async () => {
    await using upstream = await startUpstream({ keys: { [FIRST]: limited, [SECOND]: answer('served') } });
    await using rotator = await startRotator({ upstream, stateDir });
    expect((await rotator.chat({}, { headers: { 'x-request-id': 'my-request' } })).status).toBe(200);

    const [first, second] = await rotator.keys();
    const byKey = await usage(rotator, 'key');
    const counts = Object.fromEntries(byKey.rows.map(({ name, requests, failures }) => [name, [requests, failures]]));
    expect(counts).toEqual({ [first?.id ?? '']: [1, 1], [second?.id ?? '']: [1, 0] });
    expect(byKey.total).toMatchObject({ requests: 2, failures: 1, cost_usd: null });
    expect(byKey.total.output_tokens).toBeGreaterThan(0);
    expect((await usage(rotator, 'client')).rows.map(({ name }) => name)).toEqual(['test']);
    expect((await usage(rotator, 'model')).rows.map(({ name }) => name)).toEqual(['mock/m']);

    const [logged] = await read<readonly RequestView[]>(rotator, 'requests?limit=1');
    expect(logged).toMatchObject({
      id: 'my-request',
      client: 'test',
      target: 'mock/m',
      credential: second?.id,
      status: 200,
      failure: null,
      cost_usd: null,
      attempts: [
        { credential: first?.id, status: 429, failure: 'rate-limited', error: expect.stringContaining('Rate limit') },
        { credential: second?.id, status: 200, failure: null, error: null },
      ],
    });
    expect(await read<RequestView>(rotator, 'requests/my-request')).toEqual(logged as RequestView);
    expect(await read<readonly RequestView[]>(rotator, 'requests?failed=1')).toEqual([]);
  });

  test('is told to whoever listens', async () => {
    await using upstream = await startUpstream({ keys: { [FIRST]: limited, [SECOND]: answer('served') } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.admin('events');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    await rotator.chat();
    let text = '';
    while (reader && !text.includes('event: request-finished')) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
    }
    await reader?.cancel();
    const events = text
      .split('\n')
      .flatMap((line) => (line.startsWith('data: ') ? [JSON.parse(line.slice(6)) as EngineEvent] : []));
    expect(events.map(({ type }) => type).sort()).toEqual([
      'credential-blocked',
      'lease-settled',
      'lease-settled',
      'request-finished',
    ]);
    expect(text).not.toContain(FIRST);
  });
});

test('what was used is still known after a restart, and today is not forgotten', async () => {
  await using upstream = await startUpstream({ keys: { [FIRST]: answer('served') } });
  for (let run = 1; run <= 2; run++) {
    await using rotator = await startRotator({ upstream, stateDir });
    await rotator.chat();
    expect((await usage(rotator, 'provider')).rows).toMatchObject([{ name: 'mock', requests: run }]);
    const status = await read<StatusReport>(rotator, 'status');
    expect(status.today).toMatchObject({ requests: run, cost_usd: null });
    expect(status.keys[0]?.today.requests).toBe(run);
    expect(status.providers[0]?.today.requests).toBe(run);
  }
});

test('what was learned a moment before a clean stop holds after it', async () => {
  await using upstream = await startUpstream({ keys: { [FIRST]: longLimited, [SECOND]: answer('served') } });
  let blocks: unknown;
  {
    await using rotator = await startRotator({ upstream, stateDir });
    expect((await rotator.chat()).status).toBe(200);
    [{ blocks }] = (await rotator.keys()) as [CredentialView];
    expect(blocks).toMatchObject([{ kind: 'rate_limit', source: 'retry-after' }]);
  }
  await using rotator = await startRotator({ upstream, stateDir });
  const [first, second] = await rotator.keys();
  expect(first?.blocks as unknown).toEqual(blocks);
  expect([first?.usage.requests, second?.usage.requests]).toEqual([1, 1]);
});

const isFile = (entry: Dirent) => entry.isFile();

test('no key is in any file of the state directory', async () => {
  await using upstream = await startUpstream({ keys: { [FIRST]: limited, [SECOND]: answer('served') } });
  await using rotator = await startRotator({ upstream, stateDir });
  await rotator.chat();
  await rotator.stream().then((response) => response.text());
  await read(rotator, 'requests');
  await rotator.stop();
  for (const { name, parentPath } of readdirSync(stateDir, { recursive: true, withFileTypes: true }).filter(isFile)) {
    const bytes = readFileSync(join(parentPath, name));
    for (const key of [FIRST, SECOND, rotator.key]) expect([name, bytes.includes(key)]).toEqual([name, false]);
  }
});

test('without a request log use is counted all the same', async () => {
  await using upstream = await startUpstream({ keys: { [FIRST]: answer('served') } });
  const provider = { base_url: upstream.baseUrl, keys: [FIRST] };
  const yaml = JSON.stringify({
    server: { client_keys: [{ name: 'test', key: 'sk-rotator-integration' }] },
    providers: { mock: provider },
    logging: { requests: 'off' },
  });
  await using rotator = await startRotator({ yaml, stateDir });
  await rotator.chat();
  expect((await usage(rotator, 'provider')).total.requests).toBe(1);
  expect(await read<readonly RequestView[]>(rotator, 'requests')).toEqual([]);
});

test('quotas are asked of whoever can be asked, and the others are named', async () => {
  await using upstream = await startUpstream({ keys: { [FIRST]: answer('served') } });
  await using rotator = await startRotator({ upstream });
  const response = await rotator.admin('quota/refresh', { method: 'POST' });
  expect(await response.json()).toEqual({ refreshed: [], unsupported: ['mock'], errors: [] });
});
