// What an answer cost, from the upstream's usage to every place where it is told.
import { describe, expect, test } from 'bun:test';
import type { RequestView, StatusReport, UsageReport } from '../../src/gateway/operations.ts';
import {
  completion,
  doneFrame,
  finishFrame,
  reply,
  roleFrame,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type Rotator, startRotator } from '../support/server.ts';
import { tempHome } from '../support/temp-home.ts';

const usage = {
  prompt_tokens: 10_000,
  completion_tokens: 1000,
  total_tokens: 11_000,
  prompt_tokens_details: { cached_tokens: 4000 },
};
const answered = (more: object = {}) => reply(200, completion('hi', { usage: { ...usage, ...more } }));

async function read<Shape>(rotator: Rotator, path: string): Promise<Shape> {
  return (await (await rotator.admin(path)).json()) as Shape;
}

const lastCost = async (rotator: Rotator) =>
  (await read<readonly RequestView[]>(rotator, 'requests?limit=1'))[0]?.cost_usd;

describe('the cost of an answer', () => {
  test('stands in the request log, the totals, the status and the log line', async () => {
    await using upstream = await startUpstream({ keys: { k: answered() }, models: ['gpt-4o'] });
    await using rotator = await startRotator({ providers: { openai: { base_url: upstream.baseUrl, keys: ['k'] } } });
    await (await rotator.chat({ model: 'openai/gpt-4o' })).text();
    // 6,000 × 2.5, 4,000 × 1.25 and 1,000 × 10, by the million.
    const cost = 0.03;
    expect(await lastCost(rotator)).toBe(cost);
    expect((await read<UsageReport>(rotator, 'usage?by=model')).rows).toMatchObject([
      { name: 'openai/gpt-4o', cost_usd: cost },
    ]);
    const status = await read<StatusReport>(rotator, 'status');
    expect(status.today.cost_usd).toBe(cost);
    expect(status.keys).toMatchObject([{ usage: { cost_usd: cost }, today: { cost_usd: cost } }]);
    expect((await rotator.keys()).map((key) => key.usage.cost_usd)).toEqual([cost]);
    const line = rotator.log
      .map((text): Record<string, unknown> => JSON.parse(text))
      .find(({ message }) => message === 'request');
    expect(line).toMatchObject({ cost_usd: cost });
  });

  test('of a stream comes from its usage frame, which the client did not ask for', async () => {
    const frame = `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'u', choices: [], usage })}\n\n`;
    const frames = [roleFrame(), textFrame('hi'), finishFrame(), frame, doneFrame()];
    await using upstream = await startUpstream({ keys: { k: stream(frames) }, models: ['gpt-4o'] });
    await using rotator = await startRotator({ providers: { openai: { base_url: upstream.baseUrl, keys: ['k'] } } });
    const text = await (await rotator.stream({ model: 'openai/gpt-4o' })).text();
    expect(text).not.toContain('prompt_tokens');
    expect(await lastCost(rotator)).toBe(0.03);
  });

  test('is what the provider says that it charged', async () => {
    await using upstream = await startUpstream({ keys: { k: answered({ cost: 0.0123 }) }, models: ['gpt-4o'] });
    await using rotator = await startRotator({ providers: { openai: { base_url: upstream.baseUrl, keys: ['k'] } } });
    await (await rotator.chat({ model: 'openai/gpt-4o' })).text();
    expect(await lastCost(rotator)).toBe(0.0123);
  });

  test('is not known of a server of the user’s own, unless the config has its price; a reload changes it', async () => {
    await using upstream = await startUpstream({ keys: { k: answered() }, models: ['gpt-4o'] });
    const provider = `{ base_url: "${upstream.baseUrl}", keys: [k] }`;
    const yaml = (pricing: string) =>
      `server: { client_keys: [{ name: test, key: sk-rotator-integration }] }\nproviders: { mine: ${provider} }\n${pricing}`;
    await using rotator = await startRotator({ yaml: yaml('') });
    await (await rotator.chat({ model: 'mine/gpt-4o' })).text();
    expect(await lastCost(rotator)).toBeNull();
    rotator.apply({ yaml: yaml('pricing: { overrides: { "mine/gpt-*": { input: 1, output: 2, cache_read: 0.5 } } }') });
    await (await rotator.chat({ model: 'mine/gpt-4o' })).text();
    expect(await lastCost(rotator)).toBe(0.01);
    // What is not known adds nothing to what is.
    expect((await read<UsageReport>(rotator, 'usage?by=provider')).total.cost_usd).toBe(0.01);
  });

  test('of a failed request is not known', async () => {
    await using upstream = await startUpstream({
      keys: { k: reply(400, { error: { message: 'no' } }) },
      models: ['gpt-4o'],
    });
    await using rotator = await startRotator({ providers: { openai: { base_url: upstream.baseUrl, keys: ['k'] } } });
    await (await rotator.chat({ model: 'openai/gpt-4o' })).text();
    expect(await lastCost(rotator)).toBeNull();
  });
});

test.each([
  ['cost', 'cheap'],
  ['tokens', 'short'],
])('keys are evened out by %s: %s serves most', async (balance_by, mostUsed) => {
  const key = (tokens: number, cost: number) =>
    answered({ prompt_tokens: tokens, completion_tokens: 1, total_tokens: tokens + 1, cost });
  await using upstream = await startUpstream({ keys: { cheap: key(50_000, 0.001), short: key(1000, 0.5) } });
  await using rotator = await startRotator({
    upstream,
    keys: ['cheap', 'short'],
    rotation: { balance_by, tolerance: 0, affinity: false },
  });
  for (let i = 0; i < 20; i++) await (await rotator.chat()).text();
  expect(upstream.keysUsed.filter((used) => used === mostUsed)).toHaveLength(19);
});

describe('a public catalogue', () => {
  const page = {
    openai: { models: { 'gpt-of-tomorrow': { cost: { input: 7, output: 9 }, limit: { context: 123 } } } },
  };
  const estimate = async (rotator: Rotator): Promise<unknown> => {
    const headers = { authorization: `Bearer ${rotator.key}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ model: 'openai/gpt-of-tomorrow', prompt_tokens: 1_000_000 });
    return await (await fetch(`${rotator.url}/v1/cost-estimate`, { method: 'POST', headers, body })).json();
  };
  const vendor = { providers: { openai: { keys: ['k'] } } };

  test('tells the price of a model that is newer than the program, to the next start too', async () => {
    await using catalogue = await startUpstream({ answer: () => reply(200, page) });
    await using home = await tempHome();
    const clock = new ManualClock();
    const options = { ...vendor, clock, stateDir: home.state, publicCatalogueUrl: `${catalogue.origin}/api.json` };
    {
      await using rotator = await startRotator(options);
      expect(await estimate(rotator)).toMatchObject({ cost: null, source: 'unknown' });
      rotator.apply(options);
      await clock.advance(10_000);
      await eventually('a price', async () => JSON.stringify(await estimate(rotator)).includes('"cost":7'));
      expect(await estimate(rotator)).toMatchObject({ cost: 7, source: 'public' });
    }
    await using next = await startRotator({ ...options, publicCatalogueUrl: '' });
    expect(await estimate(next)).toMatchObject({ cost: 7, source: 'public' });
    expect(catalogue.requests.map(({ path }) => path)).toEqual(['/api.json']);
  });

  test('is not asked when the vendor stands under another address, or refreshing is off', async () => {
    await using catalogue = await startUpstream({ answer: () => reply(200, page) });
    const clock = new ManualClock();
    const more = { clock, publicCatalogueUrl: `${catalogue.origin}/api.json` };
    const moved = { providers: { openai: { keys: ['k'], base_url: 'http://127.0.0.1:1/v1' } }, ...more };
    await using rotator = await startRotator(moved);
    rotator.apply(moved);
    await clock.advance(3_600_000);
    rotator.apply({ yaml: 'providers: { openai: { keys: [k] } }\npricing: { refresh: off }\n' });
    await clock.advance(3_600_000);
    expect(catalogue.requests).toEqual([]);
  });
});

describe('the model routes', () => {
  test('tell what is known of a vendor’s model, and nothing of one’s own', async () => {
    await using upstream = await startUpstream({ keys: { k: answered() }, models: ['gpt-4o'] });
    const server = { base_url: upstream.baseUrl, keys: ['k'] };
    await using rotator = await startRotator({ providers: { openai: server, mine: server } });
    const card = async (id: string) => await (await rotator.get(`/v1/models/${id}`)).json();
    expect(await card('openai/gpt-4o')).toMatchObject({
      context_length: 128_000,
      pricing: { prompt: 0.0000025, completion: 0.00001, cached_input: 0.00000125 },
      capabilities: { function_calling: true, vision: true },
      _sources: ['packaged'],
    });
    expect(Object.keys((await card('mine/gpt-4o')) as object)).toEqual(['id', 'object', 'created', 'owned_by']);
  });

  test('estimate the cost and count the tokens of what is not sent', async () => {
    await using upstream = await startUpstream({ keys: { k: answered() }, models: ['gpt-4o'] });
    await using rotator = await startRotator({ providers: { openai: { base_url: upstream.baseUrl, keys: ['k'] } } });
    const ask = async (path: string, body: object): Promise<unknown> => {
      const headers = { authorization: `Bearer ${rotator.key}`, 'content-type': 'application/json' };
      return await (await fetch(rotator.url + path, { method: 'POST', headers, body: JSON.stringify(body) })).json();
    };
    expect(await ask('/v1/cost-estimate', { model: 'gpt-4o', prompt_tokens: 1_000_000 })).toMatchObject({
      cost: 2.5,
      source: 'packaged',
    });
    expect(await ask('/v1/cost-estimate', { model: 'openai/gpt-none' })).toMatchObject({
      cost: null,
      source: 'unknown',
    });
    const messages = [{ role: 'user', content: 'hello world' }];
    expect(await ask('/v1/token-count', { model: 'openai/gpt-4o', messages })).toEqual({
      token_count: 9,
      source: 'tokenizer',
    });
    expect(upstream.calls).toEqual([]);
  });
});
