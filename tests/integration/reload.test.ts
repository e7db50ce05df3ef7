import { describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import {
  after,
  answer,
  doneFrame,
  finishFrame,
  gate,
  refusal,
  roleFrame,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { inOrder, type Rotator, startRotator } from '../support/server.ts';
import { StreamTap, textOf } from '../support/stream-tap.ts';

async function contentOf(response: Response): Promise<string> {
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  return JSON.parse(text).choices[0].message.content;
}

const limited = refusal(429, { message: 'Rate limit reached' }, { 'retry-after': '50' });

async function idOf(rotator: Rotator, at: number): Promise<string> {
  const key = (await rotator.keys())[at];
  if (!key) throw new Error(`no key ${at}`);
  return key.id;
}

describe('a reload', () => {
  test('keeps counters and blocks of the keys that stay', async () => {
    await using upstream = await startUpstream({ keys: { one: limited, two: answer('two'), three: answer('three') } });
    await using rotator = await startRotator({ upstream, keys: inOrder('one', 'two') });
    expect(await contentOf(await rotator.chat())).toBe('two');
    const before = await rotator.keys();
    rotator.apply({ upstream, keys: inOrder('one', 'two', 'three'), timeouts: { total: '30s' } });
    const kept = await rotator.keys();
    expect(kept.slice(0, 2)).toEqual([...before]);
    expect(kept).toHaveLength(3);
    expect(before[1]?.usage).toMatchObject({ requests: 1, input_tokens: 7, output_tokens: 3 });
    expect(before[0]?.blocks).toHaveLength(1);
    expect(await contentOf(await rotator.chat())).toBe('two');
    expect(upstream.keysUsed).toEqual(['one', 'two', 'two']);
  });

  test('uses an added key and forgets a removed one', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('one'), two: answer('two') } });
    await using rotator = await startRotator({ upstream, keys: ['one'] });
    expect(await contentOf(await rotator.chat())).toBe('one');
    rotator.apply({ upstream, keys: ['two'] });
    expect(await contentOf(await rotator.chat())).toBe('two');
    expect(await rotator.keys()).toHaveLength(1);
  });

  test('lets a stream on a removed key run to its end', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: {
        one: stream([roleFrame(), textFrame('before '), held, textFrame('after'), finishFrame(), doneFrame()]),
        two: answer('two'),
      },
    });
    await using rotator = await startRotator({ upstream, keys: ['one'] });
    const tap = new StreamTap(await rotator.stream());
    await tap.until('before ');
    rotator.apply({ upstream, keys: ['two'], provider: { headers: { 'x-new': '1' } } });
    expect(await contentOf(await rotator.chat())).toBe('two');
    held.open();
    expect(textOf(await tap.rest())).toBe('before after');
    await eventually('no lease is left', async () => (await rotator.status()).in_flight === 0);
  });

  test('lets a stream on a removed provider run to its end', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: stream([textFrame('before '), held, textFrame('after'), finishFrame(), doneFrame()]) },
    });
    await using rotator = await startRotator({ upstream });
    const tap = new StreamTap(await rotator.stream());
    await tap.until('before ');
    rotator.apply({});
    expect((await rotator.chat()).status).toBe(404);
    held.open();
    expect(textOf(await tap.rest())).toBe('before after');
  });

  test('wakes who waits when a key is added', async () => {
    const held = gate();
    await using upstream = await startUpstream({ keys: { one: after(held, answer('one')), two: answer('two') } });
    const provider = { concurrency: { max_per_key: 1 } };
    await using rotator = await startRotator({ upstream, keys: ['one'], provider });
    const first = rotator.chat();
    await held.reached;
    const second = rotator.chat();
    await eventually('the second waits', async () => (await rotator.status()).waiting === 1);
    rotator.apply({ upstream, keys: ['one', 'two'], provider });
    expect(await contentOf(await second)).toBe('two');
    held.open();
    expect(await contentOf(await first)).toBe('one');
  });

  test('changes a key in place: priority, models, enabled', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('one'), two: answer('two') } });
    await using rotator = await startRotator({ upstream, keys: inOrder('one', 'two') });
    expect(await contentOf(await rotator.chat())).toBe('one');
    rotator.apply({ upstream, keys: inOrder('two', 'one') });
    expect(await contentOf(await rotator.chat())).toBe('two');
    rotator.apply({ upstream, keys: [{ key: 'two', enabled: false }, 'one'] });
    expect(await contentOf(await rotator.chat())).toBe('one');
    rotator.apply({ upstream, keys: ['two', { key: 'one', models: ['other'] }] });
    expect(await contentOf(await rotator.chat())).toBe('two');
  });

  test('moves a provider to another address', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('old') } });
    await using other = await startUpstream({ keys: { one: answer('new') } });
    await using rotator = await startRotator({ upstream });
    expect(await contentOf(await rotator.chat())).toBe('old');
    rotator.apply({ upstream: other });
    expect(await contentOf(await rotator.chat())).toBe('new');
    expect(await rotator.keys()).toMatchObject([{ usage: { requests: 2 } }]);
  });

  test('changes client keys and filters', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    rotator.apply({
      upstream,
      server: { client_keys: [{ name: 'new', key: 'sk-rotator-new' }] },
      provider: { models: { deny: ['secret'] } },
    });
    expect((await rotator.chat()).status).toBe(401);
    expect((await rotator.chat({}, { key: 'sk-rotator-new' })).status).toBe(200);
    expect((await rotator.chat({ model: 'mock/secret' }, { key: 'sk-rotator-new' })).status).toBe(404);
  });

  test('with a bad file leaves everything as it was and says why', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    expect(() => rotator.apply({ yaml: 'providers: { mock: { no_such_field: 1 } }' })).toThrow('no_such_field');
    const reload = await rotator.admin('reload', { method: 'POST' });
    expect(reload.ok).toBe(false);
    expect(await reload.text()).toContain('no_such_field');
    expect(await contentOf(await rotator.chat())).toBe('x');
  });
});

describe('an operator', () => {
  test('disables and enables a key, and a reload does not undo it', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('one'), two: answer('two') } });
    await using rotator = await startRotator({ upstream });
    const id = await idOf(rotator, 0);
    expect((await rotator.admin(`keys/${id}/disable`, { method: 'POST' })).status).toBe(200);
    expect(await contentOf(await rotator.chat())).toBe('two');
    rotator.apply({ upstream, keys: inOrder('one', 'two') });
    expect((await rotator.keys())[0]).toMatchObject({ enabled: false, state: 'disabled' });
    expect(await contentOf(await rotator.chat())).toBe('two');
    expect((await rotator.admin(`keys/${id}/enable`, { method: 'POST' })).status).toBe(200);
    expect(await contentOf(await rotator.chat())).toBe('one');
  });

  test('cannot enable what the user has disabled in the file', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('one'), two: answer('two') } });
    await using rotator = await startRotator({
      upstream,
      keys: [
        { key: 'one', priority: 1, enabled: false },
        { key: 'two', priority: 2 },
      ],
    });
    await rotator.admin(`keys/${await idOf(rotator, 0)}/enable`, { method: 'POST' });
    expect(await contentOf(await rotator.chat())).toBe('two');
    expect((await rotator.keys())[0]).toMatchObject({ enabled: false, state: 'disabled' });
  });

  test('is remembered by the next server on the same state directory', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'rotator-state-'));
    try {
      await using upstream = await startUpstream({ keys: { one: answer('one'), two: answer('two') } });
      {
        await using rotator = await startRotator({ upstream, stateDir });
        await rotator.admin(`keys/${await idOf(rotator, 0)}/disable`, { method: 'POST' });
      }
      await using rotator = await startRotator({ upstream, stateDir });
      expect((await rotator.keys())[0]).toMatchObject({ enabled: false, state: 'disabled' });
      expect(await contentOf(await rotator.chat())).toBe('two');
    } finally {
      rmSync(stateDir, { recursive: true, force: true });
    }
  });

  test('lifts blocks with reset', async () => {
    await using upstream = await startUpstream({ keys: { one: [limited, answer('again')] } });
    await using rotator = await startRotator({ upstream });
    expect((await rotator.chat()).status).toBe(429);
    expect((await rotator.admin(`keys/${await idOf(rotator, 0)}/reset`, { method: 'POST' })).status).toBe(200);
    expect(await contentOf(await rotator.chat())).toBe('again');
  });

  test('tests a key, and a rejected one is told from a good one', async () => {
    await using upstream = await startUpstream({
      answer: (request) => (request.key === 'good' ? answer('x') : refusal(401, { message: 'Incorrect API key' })),
      models: async (wire, request) => {
        const isGood = request.key === 'good';
        const text = JSON.stringify(isGood ? { data: [{ id: 'm' }] } : { error: { message: 'Incorrect API key' } });
        await wire.head(isGood ? 200 : 401, {
          'content-type': 'application/json',
          'content-length': String(text.length),
        });
        await wire.raw(text);
      },
    });
    await using rotator = await startRotator({ upstream, keys: inOrder('good', 'bad') });
    const good = await rotator.admin(`keys/${await idOf(rotator, 0)}/test`, { method: 'POST' });
    expect(await good.json()).toMatchObject({ ok: true, status: 200, result: 'ok' });
    const bad = await rotator.admin(`keys/${await idOf(rotator, 1)}/test`, { method: 'POST' });
    expect(await bad.json()).toMatchObject({ ok: false, status: 401, result: 'key-rejected' });
  });
});

describe('the admin routes', () => {
  test('want the admin token, and the admin token only', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    for (const path of ['status', 'keys']) {
      expect((await rotator.admin(path)).status).toBe(200);
      expect((await rotator.get(`/admin/${path}`)).status).toBe(401);
      expect((await rotator.get(`/admin/${path}`, { key: null })).status).toBe(401);
      for (const headers of [{ 'x-api-key': rotator.adminToken }, { 'x-goog-api-key': rotator.adminToken }]) {
        expect((await rotator.get(`/admin/${path}`, { key: null, headers })).status).toBe(401);
      }
      expect((await rotator.get(`/admin/${path}?key=${rotator.adminToken}`, { key: null })).status).toBe(401);
    }
    expect((await rotator.get('/v1/models', { key: rotator.adminToken })).status).toBe(401);
    expect((await rotator.chat({}, { key: rotator.adminToken })).status).toBe(401);
  });

  test('list keys in the stable shape, without the keys', async () => {
    const secret = 'sk-live-0123456789abcdefghij';
    await using upstream = await startUpstream({ keys: { [secret]: answer('x') } });
    await using rotator = await startRotator({ upstream, keys: [{ key: secret, label: 'work', priority: 3 }] });
    await (await rotator.chat()).text();
    const text = await (await rotator.admin('keys')).text();
    expect(text).not.toContain(secret);
    expect(JSON.parse(text)).toEqual([
      {
        id: expect.stringMatching(/^mock-[0-9a-f]{10}$/),
        provider: 'mock',
        label: 'work',
        kind: 'api_key',
        masked: 'sk-l…ghij',
        source: 'config',
        enabled: true,
        priority: 3,
        state: 'ready',
        in_flight: 0,
        blocks: [],
        usage: { requests: 1, failures: 0, input_tokens: 7, output_tokens: 3, cost_usd: null },
      },
    ]);
  });

  test('id of a credential is the hash of provider and key', async () => {
    await using upstream = await startUpstream({ keys: { 'some-key': answer('x') } });
    await using rotator = await startRotator({ upstream });
    const hash = new Bun.CryptoHasher('sha256').update('mock\0some-key').digest('hex');
    expect(await idOf(rotator, 0)).toBe(`mock-${hash.slice(0, 10)}`);
  });

  test('explain a route without calling anything', async () => {
    await using upstream = await startUpstream({ keys: { one: limited, two: answer('two') } });
    await using rotator = await startRotator({ upstream });
    await (await rotator.chat()).text();
    const calls = upstream.calls.length;
    const response = await rotator.admin('test-route', { method: 'POST', body: { model: 'mock/m' } });
    expect(response.status).toBe(200);
    const [one, two] = await rotator.keys();
    expect(await response.json()).toMatchObject({
      model: 'mock/m',
      resolved: 'provider',
      would_serve: { target: 'mock/m', credential: two?.id },
      targets: [
        {
          target: 'mock/m',
          lane: 'passthrough',
          skipped: null,
          credentials: [
            { id: one?.id, verdict: 'blocked', blocks: [{ kind: 'rate_limit', source: 'retry-after' }] },
            { id: two?.id, verdict: 'chosen', blocks: [] },
          ],
        },
      ],
      attempts: [],
    });
    expect(upstream.calls).toHaveLength(calls);
  });

  test('say that an unknown key or model is 404', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    expect((await rotator.admin('keys/mock-0000000000/disable', { method: 'POST' })).status).toBe(404);
    expect((await rotator.admin('keys/mock-0000000000/test', { method: 'POST' })).status).toBe(404);
    const route = await rotator.admin('test-route', { method: 'POST', body: { model: 'nothing-like-it' } });
    expect(route.status).toBe(404);
  });

  test('that are not there are 404', async () => {
    await using rotator = await startRotator({});
    expect((await rotator.admin('clients')).status).toBe(404);
  });

  test('tell the state of pools and credentials', async () => {
    await using upstream = await startUpstream({ keys: { one: limited } });
    await using rotator = await startRotator({ upstream });
    await rotator.chat();
    const status = JSON.parse(await (await rotator.admin('status')).text());
    expect(status).toMatchObject({ in_flight: 0, waiting: 0, version: expect.any(String) });
    expect(status.providers).toMatchObject([{ id: 'mock', status: expect.any(String), credentials: { total: 1 } }]);
    expect(status.keys).toMatchObject([{ provider: 'mock', blocks: [{ kind: 'rate_limit' }] }]);
  });
});
