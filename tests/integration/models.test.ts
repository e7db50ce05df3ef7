import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { expectError } from '../support/expect-error.ts';
import { answer, hangUp, refusal, reply, silence, startUpstream } from '../support/scripted-upstream.ts';
import { inOrder, type Rotator, startRotator } from '../support/server.ts';

async function listOf(rotator: Rotator, key?: string): Promise<string[]> {
  const response = await rotator.get('/v1/models', key === undefined ? {} : { key });
  expect(response.status).toBe(200);
  const list = JSON.parse(await response.text());
  expect(list.object).toBe('list');
  return list.data.map((card: { id: string }) => card.id);
}

/** The list once every provider's own has come. */
async function warmListOf(rotator: Rotator, wanted: string, key?: string): Promise<string[]> {
  let list: string[] = [];
  await eventually(`${wanted} is listed`, async () => {
    list = await listOf(rotator, key);
    return list.includes(wanted);
  });
  return list;
}

const asked = (request: { text: string } | undefined) => JSON.parse(request?.text ?? '{}').model;

describe('GET /v1/models', () => {
  test('is the union of every provider with credentials, as provider/model', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['alpha', 'vendor/beta'] });
    await using other = await startUpstream({ keys: { two: answer('x') }, models: ['alpha'] });
    await using rotator = await startRotator({
      upstream,
      providers: { other: { base_url: other.baseUrl, keys: ['two'] } },
    });
    await warmListOf(rotator, 'other/alpha');
    const list = await warmListOf(rotator, 'mock/alpha');
    expect(list.toSorted()).toEqual(['mock/alpha', 'mock/vendor/beta', 'other/alpha']);
    const response = await rotator.get('/v1/models');
    for (const card of JSON.parse(await response.text()).data) {
      expect(card).toMatchObject({
        id: expect.any(String),
        object: 'model',
        created: expect.any(Number),
        owned_by: expect.any(String),
      });
    }
  });

  test('is not held up by a provider that never answers', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['alpha'] });
    await using dead = await startUpstream({ keys: { two: answer('x') }, models: silence });
    await using rotator = await startRotator({
      upstream,
      providers: { dead: { base_url: dead.baseUrl, keys: ['two'] } },
    });
    expect(await warmListOf(rotator, 'mock/alpha')).toEqual(['mock/alpha']);
    await eventually('the dead one was asked', () => dead.requests.length > 0);
    expect(dead.requests[0]?.isGone()).toBe(false);
  });

  test.each([
    ['answers 500', refusal(500)],
    ['closes the connection', hangUp],
    ['answers something else', reply(200, '<html></html>')],
    ['answers null', reply(200, 'null')],
    ['has a list of odd entries', reply(200, { data: [null, 7, {}, { id: 3 }] })],
  ])('does not fail with a provider that %s', async (_, models) => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['alpha'] });
    await using bad = await startUpstream({ keys: { two: answer('still serves') }, models });
    await using rotator = await startRotator({
      upstream,
      providers: { bad: { base_url: bad.baseUrl, keys: ['two'] } },
    });
    expect(await warmListOf(rotator, 'mock/alpha')).toEqual(['mock/alpha']);
    expect((await rotator.chat({ model: 'bad/unlisted' })).status).toBe(200);
  });

  test('has a card for each id, also with a slash written as %2F', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['vendor/beta:free'] });
    await using rotator = await startRotator({ upstream });
    await warmListOf(rotator, 'mock/vendor/beta:free');
    for (const path of ['mock/vendor/beta:free', 'mock%2Fvendor%2Fbeta%3Afree', 'mock%2Fvendor/beta:free']) {
      const response = await rotator.get(`/v1/models/${path}`);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ id: 'mock/vendor/beta:free', object: 'model' });
    }
    await expectError(await rotator.get('/v1/models/mock%2Fnothing'), {
      status: 404,
      type: 'invalid_request_error',
      code: 'model_not_found',
    });
  });

  test('asks each provider once for many clients', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['alpha'] });
    await using rotator = await startRotator({ upstream });
    await Promise.all(Array.from({ length: 20 }, () => listOf(rotator)));
    await warmListOf(rotator, 'mock/alpha');
    await listOf(rotator);
    expect(upstream.requests.filter((request) => request.method === 'GET')).toHaveLength(1);
  });
});

describe('allow and deny', () => {
  const models = ['gemini-pro', 'gemini-pro-preview', 'gemini-flash', 'llama'];
  const rows: [string, object, string[]][] = [
    ['allow alone', { allow: ['gemini-*'] }, ['gemini-pro', 'gemini-pro-preview', 'gemini-flash']],
    ['deny alone', { deny: ['*-preview', 'LLAMA'] }, ['gemini-pro', 'gemini-flash']],
    ['allow as exceptions to deny', { deny: ['gemini-*'], allow: ['gemini-flash'] }, ['gemini-flash', 'llama']],
    ['names with the provider', { deny: ['mock/gemini-*'] }, ['llama']],
  ];
  test.each(rows)('%s hold on the list and on calls', async (_, rule, allowed) => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models });
    await using rotator = await startRotator({ upstream, provider: { models: rule } });
    const list = await warmListOf(rotator, `mock/${allowed[0]}`);
    expect(list).toEqual(allowed.map((model) => `mock/${model}`));
    for (const model of models) {
      const response = await rotator.chat({ model: `mock/${model}` });
      expect([model, response.status]).toEqual([model, allowed.includes(model) ? 200 : 404]);
    }
    expect(upstream.calls.map(asked)).toEqual(allowed);
  });
});

describe("a client key's allow-list", () => {
  test('holds on the list, on cards and on calls', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['small', 'large'] });
    await using rotator = await startRotator({
      upstream,
      server: {
        client_keys: [
          { name: 'test', key: 'sk-rotator-integration' },
          { name: 'narrow', key: 'sk-rotator-narrow', models: ['mock/small'] },
        ],
      },
    });
    await warmListOf(rotator, 'mock/large');
    const key = 'sk-rotator-narrow';
    expect(await listOf(rotator, key)).toEqual(['mock/small']);
    expect((await rotator.get('/v1/models/mock%2Fsmall', { key })).status).toBe(200);
    expect((await rotator.get('/v1/models/mock%2Flarge', { key })).status).toBe(404);
    expect((await rotator.chat({ model: 'mock/small' }, { key })).status).toBe(200);
    await expectError(await rotator.chat({ model: 'mock/large' }, { key }), { status: 403, type: 'permission_error' });
    // The bare name leads to the same target.
    expect((await rotator.chat({ model: 'large' }, { key })).status).toBe(403);
  });

  test('may be given by the hash of the key', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    const hash = new Bun.CryptoHasher('sha256').update('sk-rotator-hashed').digest('hex');
    await using rotator = await startRotator({
      upstream,
      server: { client_keys: [{ name: 'hashed', key: `sha256:${hash}` }] },
    });
    expect((await rotator.chat({}, { key: 'sk-rotator-hashed' })).status).toBe(200);
    expect((await rotator.chat({}, { key: `sha256:${hash}` })).status).toBe(401);
    expect((await rotator.chat({}, { key: hash })).status).toBe(401);
  });
});

describe('model names', () => {
  test('split at the first slash only', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({
      providers: { openrouter: { base_url: upstream.baseUrl, keys: ['one'] } },
    });
    const response = await rotator.chat({ model: 'openrouter/google/gemini-2.5-pro:free' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-rotator-target')).toBe('openrouter/google/gemini-2.5-pro:free');
    expect(asked(upstream.calls[0])).toBe('google/gemini-2.5-pro:free');
  });

  test('go upstream behind a provider even when it does not list them', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['listed'] });
    await using rotator = await startRotator({ upstream });
    expect((await rotator.chat({ model: 'mock/brand-new' })).status).toBe(200);
    expect(asked(upstream.calls[0])).toBe('brand-new');
  });

  test('take a provider in any case, with - or _', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({
      providers: { 'my-vllm': { base_url: upstream.baseUrl, keys: ['one'] } },
    });
    expect((await rotator.chat({ model: 'my-vllm/m' })).status).toBe(200);
    expect((await rotator.chat({ model: 'my_vllm/m' })).status).toBe(200);
  });

  test('found bare go to a provider that lists them, also while its list is still cold', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['alpha'] });
    await using other = await startUpstream({ keys: { two: answer('x') }, models: ['beta', 'vendor/gamma'] });
    await using rotator = await startRotator({
      upstream,
      providers: { other: { base_url: other.baseUrl, keys: ['two'] } },
    });
    const response = await rotator.chat({ model: 'beta' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-rotator-target')).toBe('other/beta');
    expect((await rotator.chat({ model: 'vendor/gamma' })).status).toBe(200);
    expect(other.calls.map(asked)).toEqual(['beta', 'vendor/gamma']);
    expect(upstream.calls).toHaveLength(0);
  });

  test('with define stand on the list and lead to their upstream id', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['real'] });
    await using rotator = await startRotator({
      upstream,
      provider: { models: { define: { smart: { id: 'vendor/real-2' }, extra: {} } } },
    });
    expect((await warmListOf(rotator, 'mock/real')).toSorted()).toEqual(['mock/extra', 'mock/real', 'mock/smart']);
    const response = await rotator.chat({ model: 'mock/smart' });
    expect(response.headers.get('x-rotator-target')).toBe('mock/vendor/real-2');
    expect((await rotator.chat({ model: 'mock/extra' })).status).toBe(200);
    expect((await rotator.chat({ model: 'smart' })).status).toBe(200);
    expect(upstream.calls.map(asked)).toEqual(['vendor/real-2', 'extra', 'vendor/real-2']);
  });
});

describe('GET /v1/providers', () => {
  test('has a row for each provider, with the state of its credentials', async () => {
    await using upstream = await startUpstream({
      keys: { one: refusal(401, { message: 'bad key' }), two: answer('x') },
      models: ['alpha', 'beta'],
    });
    await using dead = await startUpstream({ keys: { four: refusal(401, { message: 'bad key' }) } });
    await using rotator = await startRotator({
      upstream,
      keys: [...inOrder('one', 'two'), { key: 'three', priority: 3, enabled: false }],
      providers: { dead: { base_url: dead.baseUrl, keys: ['four'] } },
    });
    expect((await rotator.chat()).status).toBe(200);
    expect((await rotator.chat({ model: 'dead/m' })).status).toBe(502);
    await warmListOf(rotator, 'mock/alpha');
    const response = await rotator.get('/v1/providers');
    expect(response.status).toBe(200);
    const list = JSON.parse(await response.text());
    expect(list.object).toBe('list');
    const mock = list.data.find((row: { id: string }) => row.id === 'mock');
    expect(mock).toEqual({
      id: 'mock',
      title: expect.any(String),
      tier: null,
      protocol: 'openai-chat',
      status: 'ready',
      credentials: { total: 3, ready: 1, busy: 0, blocked: 1, disabled: 1 },
      next_available_at: null,
      models: 2,
      fallback: [],
    });
    const down = list.data.find((row: { id: string }) => row.id === 'dead');
    expect(down).toMatchObject({
      status: expect.stringMatching(/^(limited|down)$/),
      credentials: { total: 1, ready: 0, blocked: 1 },
    });
    expect(JSON.stringify(list)).not.toMatch(/"(one|two|three|four)"/);
  });

  test('says of a provider that cannot be reached when it is asked again', async () => {
    const gone = await startUpstream({ keys: { one: answer('ok') } });
    await using rotator = await startRotator({ upstream: gone, timeouts: { acquire: '1ms' } });
    await gone.close();
    expect((await rotator.chat()).status).toBe(502);
    const [provider] = (await rotator.status()).providers;
    const [block] = provider?.blocks ?? [];
    expect(block).toMatchObject({ scope: 'provider', kind: 'unreachable' });
    expect(provider).toMatchObject({ status: 'down', next_available_at: block?.until });
  });

  test('says when a key is back as a whole: a model that rests on it for less is not the end', async () => {
    await using upstream = await startUpstream({
      keys: { one: [refusal(429, {}, { 'retry-after': '20' }), refusal(401, { message: 'bad key' })] },
    });
    await using rotator = await startRotator({ upstream });
    await rotator.chat({ model: 'mock/a' });
    await rotator.chat({ model: 'mock/b' });
    const [provider] = (await rotator.status()).providers;
    expect(provider).toMatchObject({ status: 'limited', credentials: { blocked: 1 } });
    expect(Date.parse(provider?.next_available_at ?? '') - Date.now()).toBeGreaterThan(200_000);
  });
});
