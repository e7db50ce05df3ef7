import { describe, expect, test } from 'bun:test';
import type { ProviderView, RouteReport } from '../../src/gateway/operations.ts';
import { eventually } from '../support/eventually.ts';
import { errorOf, expectError } from '../support/expect-error.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import {
  type Answer,
  answer,
  chatFrames,
  chatStream,
  gate,
  hangUp,
  refusal,
  reply,
  resetAtOnce,
  type ScriptedUpstream,
  silence,
  startUpstream,
  stream,
} from '../support/scripted-upstream.ts';
import { type Rotator, type RotatorOptions, startRotator } from '../support/server.ts';
import { textOf } from '../support/stream-tap.ts';

const badKey = refusal(401, { message: 'Incorrect API key provided', code: 'invalid_api_key' });
const broken = refusal(500, { message: 'The server had an error', type: 'server_error' });
const limited = refusal(429, { message: 'Rate limit reached' }, { 'retry-after': '60' });
const tooLong = refusal(400, { message: 'maximum context length is 10 tokens', code: 'context_length_exceeded' });
const missing = refusal(404, { message: 'The model does not exist', code: 'model_not_found' });
const wrong = refusal(400, { message: 'temperature must be below 2', type: 'invalid_request_error' });

type Server = { readonly upstream: ScriptedUpstream; readonly tier?: number; readonly more?: object };

const provider = ({ upstream, tier, more }: Server) => ({
  base_url: upstream.baseUrl,
  keys: ['k'],
  ...(tier !== undefined && { tier }),
  ...more,
});

/** Servers of their own names, no retries on the same key; the lists are read before anything is asked. */
async function route(servers: Readonly<Record<string, Server>>, options: RotatorOptions = {}): Promise<Rotator> {
  const rotator = await startRotator({
    rotation: { retries_same_key: 0, wait_same_key: 0 },
    providers: Object.fromEntries(Object.entries(servers).map(([id, server]) => [id, provider(server)])),
    ...options,
  });
  await (await rotator.get('/v1/models')).text();
  return rotator;
}

const one = (reply: Answer, models: readonly string[] = ['m']) => startUpstream({ models, answer: () => reply });
/** Answers whichever way it is asked. */
const serving = (text: string, models: readonly string[] = ['m']) =>
  startUpstream({
    models,
    answer: (request) => (request.text.includes('"stream":true') ? chatStream(text) : answer(text)),
  });

async function contentOf(response: Response, isStream: boolean): Promise<string> {
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  return isStream ? textOf(text) : JSON.parse(text).choices[0].message.content;
}

const ways = [
  ['whole', false],
  ['streamed', true],
] as const;

describe.each(ways)('a %s answer whose target fails', (_, isStream) => {
  const ask = (rotator: Rotator, body: object = {}, headers: Record<string, string> = {}) =>
    rotator.chat({ model: 'first/m', ...(isStream && { stream: true }), ...body }, { headers });

  test.each([
    ['is rate-limited', limited],
    ['refuses its key', badKey],
    ['is out of credit', refusal(402, { message: 'insufficient balance' })],
    ['may not serve the region', refusal(403, { message: 'Country, region, or territory not supported' })],
    ['does not know the model', missing],
    ['breaks', broken],
    ['is overloaded', refusal(529, { message: 'overloaded' })],
    ['hangs up before a word', hangUp],
    ['resets the connection', resetAtOnce],
    ['sends an empty stream', stream([])],
    ['breaks off before any content', stream([chatFrames('x')[0] ?? '', 'data: {"error":{"message":"boom"}}\n\n'])],
  ] as [string, Answer][])('that %s, comes from the next tier', async (_name, failure) => {
    await using first = await one(failure);
    await using second = await serving('from second');
    await using rotator = await route({ first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } });
    const response = await ask(rotator);
    expect(response.headers.get('x-rotator-target')).toBe('second/m');
    expect(response.headers.get('x-fallback-provider')).toBe('second');
    expect(response.headers.get('x-rotator-attempts')).toBe('2');
    expect(await contentOf(response, isStream)).toBe('from second');
    expect([first.calls.length, second.calls.length]).toEqual([1, 1]);
  });

  test('because it is silent for too long, comes from the next tier', async () => {
    await using first = await one(silence);
    await using second = await serving('from second');
    const more = { timeouts: { first_byte: '100ms', total: '100ms' } };
    await using rotator = await route({
      first: { upstream: first, tier: 1, more },
      second: { upstream: second, tier: 2 },
    });
    expect(await contentOf(await ask(rotator), isStream)).toBe('from second');
  });

  test('when two may have been billed without an answer, is asked of no third', async () => {
    await using first = await one(resetAtOnce);
    await using second = await one(resetAtOnce);
    await using third = await serving('from third');
    await using rotator = await route({
      first: { upstream: first, tier: 1 },
      second: { upstream: second, tier: 2 },
      third: { upstream: third, tier: 3 },
    });
    expect((await ask(rotator)).status).toBe(502);
    expect([first.calls.length, second.calls.length, third.calls.length]).toEqual([1, 1, 0]);
  });

  test('because it cannot be reached, comes from the next tier', async () => {
    const gone = await one(broken);
    await using second = await serving('from second');
    await using rotator = await route({ first: { upstream: gone, tier: 1 }, second: { upstream: second, tier: 2 } });
    await gone.close();
    expect(await contentOf(await ask(rotator), isStream)).toBe('from second');
  });

  test.each([
    [400, wrong],
    [413, refusal(413, { message: 'Request too large', type: 'invalid_request_error' })],
    [422, refusal(422, { message: 'messages: field required' })],
  ] as [number, Answer][])('by its own fault alone goes no further: %i is asked once', async (status, fault) => {
    await using first = await one(fault);
    await using second = await serving('from second');
    await using rotator = await route({ first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } });
    expect((await ask(rotator)).status).toBe(status);
    expect(second.calls).toHaveLength(0);
  });

  test('with a context that is too long goes no further by a provider’s name', async () => {
    await using first = await one(tooLong);
    await using second = await serving('from second');
    await using rotator = await route({ first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } });
    await expectError(await ask(rotator), {
      status: 400,
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
    });
    expect(second.calls).toHaveLength(0);
  });

  test('is not looked for elsewhere by a client that does not want it', async () => {
    await using first = await one(broken);
    await using second = await serving('from second');
    await using rotator = await route({ first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } });
    expect((await ask(rotator, {}, { 'x-rotator-no-fallback': '1' })).status).toBe(502);
    expect(second.calls).toHaveLength(0);
  });

  test('of all that fail tells of the first', async () => {
    await using first = await one(limited);
    await using second = await one(broken);
    await using rotator = await route({ first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } });
    const response = await ask(rotator);
    expect(response.status).toBe(429);
    const error = await errorOf(response);
    expect(error.message).toContain('first/m');
    expect(error.rotator?.attempts).toMatchObject([
      { target: 'first/m', status: 429 },
      { target: 'second/m', status: 500 },
    ]);
  });

  test('is asked of no more targets than the config allows', async () => {
    await using down = await one(broken);
    await using last = await serving('from last');
    const servers = { first: 1, b: 2, c: 3 };
    const providers = Object.fromEntries(
      Object.entries(servers).map(([id, tier]) => [id, provider({ upstream: down, tier })]),
    );
    const all = { ...providers, last: provider({ upstream: last, tier: 4 }) };
    for (const [max, status] of [
      [3, 502],
      [4, 200],
    ]) {
      await using rotator = await route({}, { providers: all, sections: { fallback: { max_targets: max } } });
      const response = await ask(rotator);
      expect(response.status).toBe(status ?? 0);
      await response.text();
    }
    expect(last.calls).toHaveLength(1);
  });

  test('is not asked again of a provider that said it does not have the model', async () => {
    await using first = await one(missing);
    await using second = await serving('from second');
    await using rotator = await route({ first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } });
    for (let i = 0; i < 3; i++) expect(await contentOf(await ask(rotator), isStream)).toBe('from second');
    expect(first.calls).toHaveLength(1);
  });

  test('comes from elsewhere at once while its key rests', async () => {
    await using first = await one(limited);
    await using second = await serving('from second');
    await using rotator = await route({ first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } });
    await (await ask(rotator)).text();
    const response = await ask(rotator);
    expect(response.headers.get('x-rotator-attempts')).toBe('1');
    expect(await contentOf(response, isStream)).toBe('from second');
    expect(first.calls).toHaveLength(1);
  });

  test('does not wait in line where another target stands ready', async () => {
    const until = gate();
    await using first = await one(stream([...chatFrames('slow').slice(0, 2), until, ...chatFrames().slice(1)]));
    await using second = await serving('from second');
    await using rotator = await route(
      {
        first: { upstream: first, tier: 1, more: { concurrency: { max_per_key: 1 } } },
        second: { upstream: second, tier: 2 },
      },
      { rotation: {} },
    );
    const held = await rotator.stream({ model: 'first/m' });
    expect(await contentOf(await ask(rotator), isStream)).toBe('from second');
    until.open();
    expect(textOf(await held.text())).toBe('slow');
    expect(first.calls).toHaveLength(1);
  });

  test('does not wait for its only key to rest where another target stands ready', async () => {
    await using first = await one(refusal(429, { message: 'slow down' }, { 'retry-after': '9' }));
    await using second = await serving('from second');
    await using rotator = await route(
      { first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } },
      { rotation: {} },
    );
    const startedAt = performance.now();
    for (let i = 0; i < 2; i++) expect(await contentOf(await ask(rotator), isStream)).toBe('from second');
    expect(performance.now() - startedAt).toBeLessThan(4000);
    expect(first.calls).toHaveLength(1);
  });

  test('is waited for after all, when the target that stood ready fails', async () => {
    const text = isStream ? chatStream('from first') : answer('from first');
    await using first = await startUpstream({
      models: ['m'],
      keys: { k: [refusal(429, { message: 'slow down' }, { 'retry-after-ms': '100' }), text] },
    });
    await using second = await one(badKey);
    await using rotator = await route(
      { first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } },
      { rotation: {} },
    );
    const response = await ask(rotator);
    expect(response.headers.get('x-rotator-attempts')).toBe('3');
    expect(await contentOf(response, isStream)).toBe('from first');
    expect([first.calls.length, second.calls.length]).toEqual([2, 1]);
  });

  test('is gone back to once, and no more', async () => {
    await using first = await one(refusal(429, { message: 'slow down' }, { 'retry-after-ms': '100' }));
    await using second = await one(badKey);
    await using rotator = await route(
      { first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } },
      { rotation: {} },
    );
    expect((await ask(rotator)).status).toBe(429);
    expect([first.calls.length, second.calls.length]).toEqual([2, 1]);
  });

  test('waits for its only key to rest where no other target is ready', async () => {
    const text = isStream ? chatStream('from first') : answer('from first');
    await using first = await startUpstream({
      models: ['m'],
      keys: { k: [refusal(429, { message: 'slow down' }, { 'retry-after-ms': '100' }), text] },
    });
    await using second = await one(limited);
    await using rotator = await route(
      { first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } },
      { rotation: {} },
    );
    await (await ask(rotator, { model: 'second/m' }, { 'x-rotator-no-fallback': '1' })).text();
    expect(await contentOf(await ask(rotator), isStream)).toBe('from first');
    expect([first.calls.length, second.calls.length]).toEqual([2, 1]);
  });

  test('has one deadline for all its targets', async () => {
    await using first = await one(silence);
    await using second = await one(silence);
    const clock = new LeapingClock();
    await using rotator = await route(
      { first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } },
      { clock, server: { hold: '5m' }, timeouts: { first_byte: '60s', total: '60s', request: '90s' } },
    );
    const pending = ask(rotator);
    await eventually('the first is silent', () => first.calls.length === 1);
    clock.leap(60_000);
    await eventually('the second is silent', () => second.calls.length === 1);
    clock.leap(30_000);
    expect((await pending).status).toBe(504);
    expect([first.calls.length, second.calls.length]).toEqual([1, 1]);
  });

  test('because the time of that target alone is up, comes from the next', async () => {
    await using first = await one(broken);
    await using second = await one(silence);
    await using third = await serving('from third');
    await using rotator = await route({
      first: { upstream: first, tier: 1 },
      second: { upstream: second, tier: 2, more: { timeouts: { request: '300ms' } } },
      third: { upstream: third, tier: 3 },
    });
    const response = await ask(rotator);
    expect(response.headers.get('x-rotator-attempts')).toBe('3');
    expect(await contentOf(response, isStream)).toBe('from third');
  });

  test('through an alias comes from the next target, whatever its tier', async () => {
    await using first = await one(broken);
    await using second = await serving('from second', ['other']);
    await using rotator = await route(
      { first: { upstream: first }, second: { upstream: second, tier: 1 } },
      { sections: { aliases: { fast: { targets: ['first/m', 'second/other'] } } } },
    );
    const response = await ask(rotator, { model: 'fast' });
    expect(response.headers.get('x-fallback-provider')).toBe('second');
    expect(await contentOf(response, isStream)).toBe('from second');
    expect(JSON.parse(second.calls[0]?.text ?? '').model).toBe('other');
  });

  test('through an alias goes on after a context that is too long, to a larger window alone', async () => {
    await using small = await one(tooLong);
    await using blind = await serving('from an unknown window');
    await using large = await startUpstream({
      models: reply(200, { data: [{ id: 'm', context_length: 100_000 }] }),
      answer: (request) => (request.text.includes('"stream":true') ? chatStream('from large') : answer('from large')),
    });
    await using rotator = await route(
      { small: { upstream: small }, blind: { upstream: blind }, large: { upstream: large } },
      {
        sections: {
          aliases: {
            long: { targets: ['small/m', 'blind/m', 'large/m'] },
            short: { targets: ['small/m', 'large/m'], on_context: 'stop' },
          },
        },
      },
    );
    expect(await contentOf(await ask(rotator, { model: 'long' }), isStream)).toBe('from large');
    expect(blind.calls).toHaveLength(0);
    expect((await ask(rotator, { model: 'short' })).status).toBe(400);
  });
});

describe('a stream', () => {
  test('that breaks after its first word is not taken up by another', async () => {
    const until = gate();
    await using first = await one(stream([...chatFrames('half').slice(0, 2), until], { end: 'fin' }));
    await using second = await serving('from second');
    await using rotator = await route({ first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } });
    const response = await rotator.stream({ model: 'first/m' });
    until.open();
    expect(response.headers.get('x-rotator-target')).toBe('first/m');
    expect(response.headers.get('x-fallback-provider')).toBeNull();
    const text = await response.text();
    expect(textOf(text)).toBe('half');
    expect(text).toContain('"error"');
    expect(second.calls).toHaveLength(0);
  });

  test('whose status line had to leave before anybody answered says nothing of who served', async () => {
    const until = gate();
    await using first = await one(async (wire, request) => {
      await until.arrive();
      await broken(wire, request);
    });
    await using second = await serving('from second');
    await using rotator = await route(
      { first: { upstream: first, tier: 1 }, second: { upstream: second, tier: 2 } },
      { server: { hold: '50ms' } },
    );
    const response = await rotator.stream({ model: 'first/m' });
    until.open();
    expect(response.headers.get('x-fallback-provider')).toBeNull();
    expect(textOf(await response.text())).toBe('from second');
  });
});

test('an alias passes over a target that is known not to hold the prompt, unasked', async () => {
  const sized = (context: number) => reply(200, { data: [{ id: 'm', context_length: context }] });
  await using small = await startUpstream({ models: sized(100), answer: () => answer('from small') });
  await using large = await startUpstream({ models: sized(100_000), answer: () => answer('from large') });
  await using rotator = await route(
    { small: { upstream: small }, large: { upstream: large } },
    { sections: { aliases: { sized: { targets: ['small/m', 'large/m'] } } } },
  );
  const ask = (model: string, content: string) => rotator.chat({ model, messages: [{ role: 'user', content }] });
  expect(await contentOf(await ask('sized', 'short'), false)).toBe('from small');
  const long = await ask('sized', 'long '.repeat(400));
  expect(long.headers.get('x-fallback-provider')).toBe('large');
  expect(await contentOf(long, false)).toBe('from large');
  expect(small.calls).toHaveLength(1);
});

describe('a provider without credentials', () => {
  const groq = { base_url: 'http://127.0.0.1:1/v1', keys: [] };

  test('is stood in for at once, by the same model under another name', async () => {
    await using second = await serving('from second', ['llama-3.1-8b-instruct', 'meta-llama/llama-3.3-70b-instruct']);
    await using rotator = await startRotator({
      providers: { groq, second: provider({ upstream: second, tier: 7 }) },
    });
    const response = await rotator.chat({ model: 'groq/llama-3.3-70b-versatile' });
    expect(response.headers.get('x-fallback-provider')).toBe('second');
    expect(await contentOf(response, false)).toBe('from second');
    expect(JSON.parse(second.calls[0]?.text ?? '').model).toBe('meta-llama/llama-3.3-70b-instruct');
  });

  test('is not found where nobody stands in for it', async () => {
    await using second = await serving('from second');
    await using rotator = await route({ second: { upstream: second, tier: 7 } });
    await expectError(await rotator.chat({ model: 'groq/llama-3.3-70b-versatile' }), {
      status: 404,
      type: 'invalid_request_error',
      code: 'model_not_found',
    });
  });
});

test('a list that nobody has read is read when a target has failed and nobody else is left', async () => {
  await using first = await one(broken);
  await using second = await serving('from second');
  await using rotator = await startRotator({
    rotation: { retries_same_key: 0 },
    providers: { first: provider({ upstream: first, tier: 1 }), second: provider({ upstream: second, tier: 2 }) },
  });
  expect(await contentOf(await rotator.chat({ model: 'first/m' }), false)).toBe('from second');
});

async function testRoute(rotator: Rotator, model: string): Promise<RouteReport> {
  const report = await rotator.app.operations.testRoute(model, { isLive: false, isStream: false });
  if ('unknown' in report) throw new Error(report.message);
  return report;
}

describe('what is told of it beforehand', () => {
  test('names the alias, its targets, and why one is skipped', async () => {
    await using first = await serving('from first', ['m']);
    await using rotator = await route(
      { first: { upstream: first, tier: 4, more: { models: { deny: ['secret'] } } } },
      {
        sections: {
          aliases: { fast: { targets: ['groq/x', 'first/secret', 'first/unheard', 'first/m'] } },
          requests: [{ match: 'first/*', set: { service_tier: 'auto' } }],
          temperature_zero: 'remove',
        },
      },
    );
    const report = await testRoute(rotator, 'fast');
    expect(report).toMatchObject({ model: 'fast', resolved: 'alias', would_serve: { target: 'first/m' } });
    expect(report.targets.map(({ target, tier, skipped }) => [target, tier, skipped])).toEqual([
      ['groq/x', 2, 'no credentials'],
      ['first/secret', 4, 'filtered'],
      ['first/unheard', 4, 'not listed'],
      ['first/m', 4, null],
    ]);
    expect(report.targets[3]?.changes).toContain('service_tier set');
  });

  test('says of a target that is passed over, too, in which lane it would be', async () => {
    await using first = await serving('from first', ['m']);
    const more = { protocol: 'anthropic-messages', models: { deny: ['secret'] } };
    await using rotator = await route(
      { first: { upstream: first, more } },
      { sections: { aliases: { fast: { targets: ['groq/x', 'anthropic/x', 'first/secret', 'first/m'] } } } },
    );
    const report = await testRoute(rotator, 'fast');
    expect(report.targets.map(({ target, lane, skipped }) => [target, lane, skipped])).toEqual([
      ['groq/x', 'passthrough', 'no credentials'],
      ['anthropic/x', 'translate', 'no credentials'],
      ['first/secret', 'translate', 'filtered'],
      ['first/m', 'translate', null],
    ]);
  });

  test('shows the fallbacks of a name, and lists those of a provider', async () => {
    await using upstream = await serving('x', ['m']);
    await using rotator = await route({
      first: { upstream, tier: 2 },
      below: { upstream, tier: 3 },
      above: { upstream, tier: 1 },
      alone: { upstream },
    });
    const report = await testRoute(rotator, 'm');
    expect(report.resolved).toBe('bare');
    expect(report.targets.map(({ target }) => target)).toEqual(['above/m', 'first/m', 'below/m']);
    const { data } = JSON.parse(await (await rotator.get('/v1/providers')).text());
    const told = data.map((each: ProviderView) => [each.id, each.tier, each.fallback]);
    expect(told).toEqual([
      ['first', 2, ['below']],
      ['below', 3, []],
      ['above', 1, ['first', 'below']],
      ['alone', null, []],
    ]);
  });

  test('has the aliases first among the models, each for those who may use it', async () => {
    await using upstream = await serving('x', ['m', 'n']);
    await using rotator = await route(
      { first: { upstream } },
      {
        server: {
          client_keys: [
            { name: 'one', key: 'sk-one', models: ['fast'] },
            { name: 'two', key: 'sk-two', models: ['first/n'] },
            { name: 'all', key: 'sk-rotator-integration' },
          ],
        },
        sections: { aliases: { fast: 'first/m', 'claude-*': 'first/n', slow: 'first/n' } },
      },
    );
    const list = async (key?: string) => {
      const response = await rotator.get('/v1/models', key === undefined ? {} : { key });
      return JSON.parse(await response.text()).data.map(({ id }: { id: string }) => id);
    };
    expect(await list()).toEqual(['fast', 'slow', 'first/m', 'first/n']);
    expect(await list('sk-one')).toEqual(['fast']);
    expect(await list('sk-two')).toEqual(['slow', 'first/n']);
    expect(await contentOf(await rotator.chat({ model: 'fast' }, { key: 'sk-one' }), false)).toBe('x');
    expect((await rotator.chat({ model: 'first/m' }, { key: 'sk-one' })).status).toBe(403);
    expect(await contentOf(await rotator.chat({ model: 'claude-4' }, { key: 'sk-two' }), false)).toBe('x');
  });
});

describe('what the user wants of bodies', () => {
  test('is done to those that match, and told in a header', async () => {
    await using upstream = await serving('x', ['m', 'n']);
    await using rotator = await route(
      {
        first: {
          upstream,
          more: { temperature_zero: 0.01, models: { define: { smart: { id: 'n', options: { top_p: 0.5 } } } } },
        },
      },
      {
        sections: {
          requests: [
            { match: 'first/m', set: { service_tier: 'auto' }, default: { seed: 7 }, remove: ['logit_bias'] },
            { match: 'other/*', set: { never: true } },
          ],
          temperature_zero: 'remove',
        },
      },
    );
    const response = await rotator.chat({ model: 'first/m', seed: 1, logit_bias: {}, temperature: 0 });
    expect(response.headers.get('x-rotator-warnings')).toBe(
      'service_tier set; logit_bias removed; temperature 0 -> 0.01',
    );
    await response.text();
    const sent = JSON.parse(upstream.calls[0]?.text ?? '');
    expect(sent).toMatchObject({ model: 'm', seed: 1, service_tier: 'auto', temperature: 0.01 });
    expect(sent).not.toContainAnyKeys(['logit_bias', 'never']);
    await (await rotator.chat({ model: 'first/smart' })).text();
    expect(JSON.parse(upstream.calls[1]?.text ?? '')).toMatchObject({ model: 'n', top_p: 0.5 });
    await (await rotator.chat({ model: 'first/smart', top_p: 1 })).text();
    expect(JSON.parse(upstream.calls[2]?.text ?? '').top_p).toBe(1);
  });
});

describe('an alias that wants the fastest', () => {
  test('passes over one that has just failed, and over none that was never measured', async () => {
    await using first = await startUpstream({ models: ['m'], keys: { k: [broken, answer('from first')] } });
    await using second = await serving('from second');
    await using third = await serving('from third');
    await using rotator = await route(
      { first: { upstream: first }, second: { upstream: second }, third: { upstream: third } },
      { sections: { aliases: { quick: { targets: ['first/m', 'second/m', 'third/m'], strategy: 'fastest' } } } },
    );
    const said: string[] = [];
    for (let i = 0; i < 2; i++) said.push(await contentOf(await rotator.chat({ model: 'quick' }), false));
    expect(said).toEqual(['from second', 'from third']);
    expect(first.calls).toHaveLength(1);
  });
});

describe('a client of another protocol', () => {
  const message = { model: 'both', max_tokens: 50, temperature: 0, messages: [{ role: 'user', content: 'hi' }] };
  const ask = (rotator: Rotator, body: object) =>
    fetch(`${rotator.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': rotator.key, 'anthropic-version': '2023-06-01' },
      body: JSON.stringify(body),
    });

  test('is answered in its own words by whichever target serves, and bodies are edited in the upstream’s', async () => {
    await using first = await one(refusal(529, { message: 'Overloaded', type: 'overloaded_error' }));
    await using second = await serving('from second');
    await using rotator = await route(
      { first: { upstream: first, more: { protocol: 'anthropic-messages' } }, second: { upstream: second } },
      {
        sections: {
          aliases: { both: { targets: ['first/m', 'second/m'] } },
          requests: [{ match: 'second/*', set: { seed: 7 }, remove: ['max_tokens', 'max_completion_tokens'] }],
          temperature_zero: 'remove',
        },
      },
    );
    const response = await ask(rotator, message);
    const text = await response.text();
    expect(`${response.status} ${text}`).toStartWith('200');
    expect(JSON.parse(text)).toMatchObject({ type: 'message', content: [{ type: 'text', text: 'from second' }] });
    expect(response.headers.get('x-fallback-provider')).toBe('second');
    expect(JSON.parse(first.calls[0]?.text ?? '')).toMatchObject({ model: 'm', max_tokens: 50 });
    expect(JSON.parse(first.calls[0]?.text ?? '')).not.toHaveProperty('temperature');
    const sent = JSON.parse(second.calls[0]?.text ?? '');
    expect(sent).toMatchObject({ model: 'm', seed: 7 });
    expect(sent).not.toContainAnyKeys(['temperature', 'max_tokens', 'max_completion_tokens']);
    const streamed = await ask(rotator, { ...message, stream: true });
    expect(await streamed.text()).toContain('from second');
  });
});
