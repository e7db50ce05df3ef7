// The four surfaces in each other's company: the same thing happens behind all of them, and each says it in its own words.
import { describe, expect, test } from 'bun:test';
import type { ProtocolId } from '../../src/protocols/codec.ts';
import {
  type Answer,
  after,
  answer,
  chatFrames,
  gate,
  hangUp,
  refusal,
  reply,
  roleFrame,
  silence,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { clientKey, type Rotator, type RotatorOptions, startRotator } from '../support/server.ts';
import { dataOf, StreamTap } from '../support/stream-tap.ts';

type Surface = {
  readonly id: ProtocolId;
  readonly path: (model: string, isStream: boolean) => string;
  readonly body: (model: string, isStream: boolean) => object;
};

const surfaces: readonly Surface[] = [
  {
    id: 'openai-chat',
    path: () => '/v1/chat/completions',
    body: (model, stream_) => ({ model, stream: stream_, messages: [{ role: 'user', content: 'hi' }] }),
  },
  {
    id: 'openai-responses',
    path: () => '/v1/responses',
    body: (model, stream_) => ({ model, stream: stream_, input: 'hi' }),
  },
  {
    id: 'anthropic-messages',
    path: () => '/v1/messages',
    body: (model, stream_) => ({
      model,
      stream: stream_,
      max_tokens: 30_000,
      messages: [{ role: 'user', content: 'hi' }],
    }),
  },
  {
    id: 'gemini',
    path: (model, isStream) =>
      `/v1beta/models/${model}:${isStream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: () => ({ contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }),
  },
];

type Ask = {
  readonly model?: string;
  readonly isStream?: boolean;
  readonly body?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

const ask = (rotator: Rotator, surface: Surface, how: Ask = {}) => {
  const { model = 'mock/m', isStream = false } = how;
  return fetch(`${rotator.url}${how.path ?? surface.path(model, isStream)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(how.headers ?? { authorization: `Bearer ${clientKey}` }) },
    body: how.body ?? JSON.stringify(surface.body(model, isStream)),
  });
};

// --- errors -----------------------------------------------------------------------------------------------------------

/** A row of the table in `docs`: what happens, and what each surface says of it. */
type Row = {
  readonly situation: string;
  readonly keys?: Readonly<Record<string, Answer>>;
  readonly options?: RotatorOptions;
  readonly ask?: Ask;
  readonly status: number;
  readonly openai: readonly [type: string, code: string | null];
  readonly anthropic: string;
  readonly gemini: string;
  readonly anthropicStatus?: number;
  /** Null: it may have. */
  readonly hasRetryAfter?: boolean | null;
  /** How often it is asked before. */
  readonly before?: number;
};

const rows: readonly Row[] = [
  {
    situation: 'bad JSON',
    ask: { body: '{"' },
    status: 400,
    openai: ['invalid_request_error', null],
    anthropic: 'invalid_request_error',
    gemini: 'INVALID_ARGUMENT',
  },
  {
    situation: 'a missing field',
    ask: { body: '{"model":"mock/m"}' },
    status: 400,
    openai: ['invalid_request_error', null],
    anthropic: 'invalid_request_error',
    gemini: 'INVALID_ARGUMENT',
  },
  {
    situation: 'a body over max_body',
    options: { server: { max_body: '1kb' } },
    ask: { body: JSON.stringify({ model: 'mock/m', messages: [], padding: 'x'.repeat(2000) }) },
    status: 413,
    openai: ['invalid_request_error', 'body_too_large'],
    anthropic: 'request_too_large',
    gemini: 'INVALID_ARGUMENT',
  },
  {
    situation: 'no client key',
    ask: { headers: {} },
    status: 401,
    openai: ['authentication_error', null],
    anthropic: 'authentication_error',
    gemini: 'UNAUTHENTICATED',
  },
  {
    situation: 'a client key that may not use the model',
    options: { server: { client_keys: [{ name: 'narrow', key: clientKey, models: ['mock/other'] }] } },
    status: 403,
    openai: ['permission_error', null],
    anthropic: 'permission_error',
    gemini: 'PERMISSION_DENIED',
  },
  {
    situation: 'an unknown model',
    ask: { model: 'nobody/m' },
    status: 404,
    openai: ['invalid_request_error', 'model_not_found'],
    anthropic: 'not_found_error',
    gemini: 'NOT_FOUND',
  },
  ...[400, 422].map(
    (status): Row => ({
      situation: `an upstream that says ${status}`,
      keys: { one: refusal(status, { message: 'no', type: 'their_type', code: 'their_code' }) },
      status,
      openai: ['their_type', 'their_code'],
      anthropic: 'invalid_request_error',
      gemini: 'INVALID_ARGUMENT',
    }),
  ),
  {
    situation: 'an upstream that says 413',
    keys: { one: refusal(413, { message: 'too large', type: 'their_type', code: 'their_code' }) },
    status: 413,
    openai: ['their_type', 'their_code'],
    anthropic: 'request_too_large',
    gemini: 'INVALID_ARGUMENT',
  },
  {
    situation: 'a context that is too long',
    keys: {
      one: refusal(400, {
        message: "This model's maximum context length is 8192 tokens.",
        type: 'invalid_request_error',
        code: 'context_length_exceeded',
      }),
    },
    status: 400,
    openai: ['invalid_request_error', 'context_length_exceeded'],
    anthropic: 'invalid_request_error',
    gemini: 'INVALID_ARGUMENT',
  },
  {
    situation: 'rate limits everywhere',
    keys: { one: refusal(429, { message: 'slow down' }, { 'retry-after': '90' }) },
    status: 429,
    openai: ['rate_limit_error', null],
    anthropic: 'rate_limit_error',
    gemini: 'RESOURCE_EXHAUSTED',
    hasRetryAfter: true,
  },
  {
    situation: 'a client key over its limit',
    options: { server: { client_keys: [{ name: 'slow', key: clientKey, limits: { rpm: 1 } }] } },
    before: 1,
    status: 429,
    openai: ['rate_limit_error', 'client_limit'],
    anthropic: 'rate_limit_error',
    gemini: 'RESOURCE_EXHAUSTED',
    hasRetryAfter: true,
  },
  {
    situation: 'no credential that is free',
    options: { keys: [{ key: 'one', enabled: false }] },
    status: 503,
    openai: ['server_error', 'no_credential'],
    anthropic: 'overloaded_error',
    gemini: 'UNAVAILABLE',
    hasRetryAfter: true,
  },
  {
    situation: 'credentials that are all refused',
    keys: { one: refusal(401, { message: 'bad key' }) },
    status: 502,
    openai: ['upstream_error', 'upstream_authentication'],
    anthropic: 'api_error',
    gemini: 'UNAVAILABLE',
  },
  {
    situation: 'an upstream that hangs up',
    keys: { one: hangUp },
    status: 502,
    openai: ['upstream_error', null],
    anthropic: 'api_error',
    gemini: 'UNAVAILABLE',
  },
  {
    situation: 'an upstream that is overloaded',
    keys: { one: refusal(529, { message: 'Overloaded', type: 'overloaded_error' }) },
    status: 503,
    anthropicStatus: 529,
    openai: ['upstream_error', 'overloaded'],
    anthropic: 'overloaded_error',
    gemini: 'UNAVAILABLE',
  },
  {
    situation: 'an upstream that says nothing',
    keys: { one: silence },
    options: { timeouts: { total: '40ms', request: '60ms', first_byte: '40ms' } },
    status: 504,
    openai: ['timeout_error', null],
    anthropic: 'timeout_error',
    gemini: 'DEADLINE_EXCEEDED',
    hasRetryAfter: null,
  },
];

describe.each(rows.map((row) => [row.situation, row] as const))('%s', (_, row) => {
  test.each(surfaces.map((surface) => [surface.id, surface] as const))('in the words of %s', async (id, surface) => {
    await using upstream = await startUpstream({ keys: row.keys ?? { one: answer('ok') } });
    await using rotator = await startRotator({
      upstream,
      rotation: { retries_same_key: 0, wait_same_key: '0s' },
      ...row.options,
    });
    for (let i = 0; i < (row.before ?? 0); i++) expect((await ask(rotator, surface, row.ask)).status).toBe(200);
    const response = await ask(rotator, surface, row.ask);
    const body: unknown = await response.json();
    const status = id === 'anthropic-messages' ? (row.anthropicStatus ?? row.status) : row.status;
    expect(response.status).toBe(status);
    const [type, code] = row.openai;
    switch (id) {
      case 'openai-chat':
      case 'openai-responses':
        expect(body).toMatchObject({ error: { type, code } });
        break;
      case 'anthropic-messages':
        expect(body).toMatchObject({ type: 'error', error: { type: row.anthropic }, rotator: {} });
        break;
      case 'gemini':
        expect(body).toMatchObject({ error: { code: row.status, status: row.gemini }, rotator: {} });
    }
    expect(body).toMatchObject({ error: { message: expect.any(String) } });
    if (row.hasRetryAfter !== null) expect(response.headers.has('retry-after')).toBe(row.hasRetryAfter ?? false);
    expect(response.headers.get('content-type')).toContain('application/json');
  });
});

test.each(surfaces.map((surface) => [surface.id, surface] as const))(
  'a loop in the words of %s',
  async (id, surface) => {
    await using rotator = await startRotator({});
    rotator.apply({
      providers: { self: { base_url: `${rotator.url}/v1`, keys: [clientKey] } },
      rotation: { retries_same_key: 0 },
    });
    const response = await ask(rotator, surface, { model: 'self/self/self/m' });
    expect(response.status).toBe(508);
    const words: Readonly<Record<ProtocolId, object>> = {
      'openai-chat': { type: 'upstream_error', code: 'loop' },
      'openai-responses': { type: 'upstream_error', code: 'loop' },
      'anthropic-messages': { type: 'api_error' },
      gemini: { status: 'UNAVAILABLE' },
    };
    expect(await response.json()).toMatchObject({ error: words[id] });
  },
);

test('thoughts that only a credential can read which cannot serve are 409, and go to nobody else', async () => {
  const item = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'c2VjcmV0IG9mIG9uZQ==' };
  const response = { id: 'resp_1', object: 'response', status: 'completed', output: [item] };
  await using upstream = await startUpstream({ keys: { one: reply(200, response), two: reply(200, response) } });
  await using rotator = await startRotator({ upstream, provider: { protocol: 'openai-responses' } });
  const [, responses] = surfaces;
  if (!responses) throw new Error('responses');
  expect((await ask(rotator, responses)).status).toBe(200);
  const [one] = await rotator.keys();
  expect((await rotator.admin(`keys/${one?.id}/disable`, { method: 'POST' })).status).toBe(200);
  const body = JSON.stringify({ model: 'mock/m', input: [item, { role: 'user', content: 'go on' }] });
  const refused = await ask(rotator, responses, { body });
  expect(refused.status).toBe(409);
  expect(await refused.json()).toMatchObject({
    error: { type: 'invalid_request_error', code: 'credential_unavailable' },
  });
  expect(upstream.keysUsed).toEqual(['one']);
  expect((await ask(rotator, responses)).status).toBe(200);
});

describe('a stream that breaks after its first word', () => {
  const told = async (surface: Surface, path?: string) => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: stream([roleFrame(), textFrame('half'), held], { end: 'reset' }) },
    });
    await using rotator = await startRotator({ upstream });
    const response = await ask(rotator, surface, { isStream: true, ...(path && { path }) });
    expect(response.status).toBe(200);
    const tap = new StreamTap(response);
    await tap.until('half');
    held.open();
    return await tap.rest();
  };
  const surface = (id: ProtocolId): Surface => {
    const found = surfaces.find((one) => one.id === id);
    if (!found) throw new Error(id);
    return found;
  };

  test('ends with an error and [DONE] in chat', async () => {
    const frames = dataOf(await told(surface('openai-chat')));
    expect(JSON.parse(frames.at(-2) ?? '')).toMatchObject({ error: { type: 'upstream_error' } });
    expect(frames.at(-1)).toBe('[DONE]');
  });

  test('ends with an error event in Messages, and no message_stop', async () => {
    const text = await told(surface('anthropic-messages'));
    expect(text).toMatch(/event: error\ndata: .*"api_error".*\n\n$/);
    expect(text).not.toContain('message_stop');
    expect(text).toContain('half');
  });

  test('ends with response.failed in Responses, in the count and of the same answer', async () => {
    const events = dataOf(await told(surface('openai-responses'))).map((data) => JSON.parse(data));
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((__, at) => at));
    expect(events.at(-1)).toMatchObject({
      type: 'response.failed',
      response: { id: events[0].response.id, status: 'failed', error: { message: expect.any(String) } },
    });
  });

  test('ends with an error object in Gemini', async () => {
    const frames = dataOf(await told(surface('gemini'))).map((data) => JSON.parse(data));
    expect(frames[0]).toMatchObject({ candidates: [{ content: { parts: [{ text: 'half' }] } }] });
    expect(frames.at(-1)).toMatchObject({ error: { code: 502, status: 'UNAVAILABLE' } });
    expect(JSON.stringify(frames)).not.toContain('finishReason');
  });

  test('is an array with an error as its last element where Gemini is asked for one', async () => {
    const array = JSON.parse(await told(surface('gemini'), '/v1beta/models/mock/m:streamGenerateContent'));
    expect(array[0]).toMatchObject({ candidates: [{ content: { parts: [{ text: 'half' }] } }] });
    expect(array.at(-1)).toMatchObject({ error: { code: 502, status: 'UNAVAILABLE' } });
  });
});

test('a stream of Gemini without alt=sse is one JSON array', async () => {
  await using upstream = await startUpstream({ keys: { one: stream(chatFrames('one ', 'two')) } });
  await using rotator = await startRotator({ upstream });
  const [, , , gemini] = surfaces;
  if (!gemini) throw new Error('gemini');
  for (const path of ['/v1beta/models/mock/m:streamGenerateContent', '/v1/models/mock%2Fm:streamGenerateContent']) {
    const response = await ask(rotator, gemini, { path });
    expect(response.headers.get('content-type')).toContain('application/json');
    const array: unknown = await response.json();
    expect(array).toMatchObject([
      { candidates: [{ content: { parts: [{ text: 'one ' }] } }] },
      { candidates: [{ content: { parts: [{ text: 'two' }] } }] },
      { candidates: [{ finishReason: 'STOP' }] },
    ]);
  }
});

// --- keys -------------------------------------------------------------------------------------------------------------

describe.each(surfaces.map((surface) => [surface.id, surface] as const))(
  'a client key on the surface of %s',
  (_, surface) => {
    test('is taken from wherever a client may put it, and never sent on', async () => {
      await using upstream = await startUpstream({ keys: { one: answer('ok') } });
      await using rotator = await startRotator({ upstream });
      const path = surface.path('mock/m', false);
      const ways: readonly Ask[] = [
        { headers: { authorization: `Bearer ${clientKey}` } },
        { headers: { 'x-api-key': clientKey } },
        { headers: { 'x-goog-api-key': clientKey } },
        { headers: {}, path: `${path}?key=${clientKey}` },
        { headers: { authorization: 'Bearer wrong', 'x-api-key': clientKey } },
      ];
      for (const way of ways) expect((await ask(rotator, surface, way)).status).toBe(200);
      expect((await ask(rotator, surface, { headers: { 'x-api-key': 'wrong' } })).status).toBe(401);
      for (const { rawHeaders, path: called, key } of upstream.calls) {
        expect(key).toBe('one');
        expect(JSON.stringify([rawHeaders, called])).not.toContain(clientKey);
      }
    });
  },
);

// --- waiting ----------------------------------------------------------------------------------------------------------

const quick = { hold: '20ms', heartbeat: '20ms' };

describe('a client that waits', () => {
  const alive: Readonly<Record<ProtocolId, readonly [early: string, running: string]>> = {
    'openai-chat': [': rotator\n\n', ': rotator\n\n'],
    'openai-responses': [': rotator\n\n', ': rotator\n\n'],
    // A ping in front of message_start would be out of order.
    'anthropic-messages': [': rotator\n\n', 'event: ping\ndata: {"type":"ping"}\n\n'],
    gemini: [': rotator\n\n', ': rotator\n\n'],
  };

  test.each(surfaces.map((surface) => [surface.id, surface] as const))('is kept alive in %s', async (id, surface) => {
    const first = gate();
    const second = gate();
    await using upstream = await startUpstream({
      keys: { one: after(first, stream([...chatFrames('word').slice(0, 2), second, ...chatFrames('word').slice(2)])) },
    });
    await using rotator = await startRotator({ upstream, server: quick });
    const response = await ask(rotator, surface, { isStream: true });
    // Held: nobody knows yet who will serve.
    expect(response.headers.get('x-rotator-target')).toBeNull();
    const tap = new StreamTap(response);
    const [early, running] = alive[id];
    expect(await tap.until(early)).not.toContain('data:');
    first.open();
    await tap.until('word');
    const length = tap.text.length;
    await tap.until((text) => text.indexOf(running, length) >= 0);
    second.open();
    const text = await tap.rest();
    expect(text.split('\n\n').filter((block) => /^: (?!rotator$)/.test(block))).toEqual([]);
    expect(text).toContain(
      id === 'anthropic-messages'
        ? 'message_stop'
        : id === 'gemini'
          ? 'STOP'
          : id === 'openai-chat'
            ? '[DONE]'
            : 'response.completed',
    );
  });

  test('is told nothing inside of a JSON array', async () => {
    const held = gate();
    await using upstream = await startUpstream({ keys: { one: after(held, stream(chatFrames('word'))) } });
    await using rotator = await startRotator({ upstream, server: quick });
    const [chat, , , gemini] = surfaces;
    if (!chat || !gemini) throw new Error('surfaces');
    const array = await ask(rotator, gemini, { path: '/v1beta/models/mock/m:streamGenerateContent' });
    expect(array.status).toBe(200);
    // Long enough for others to have heard three heartbeats.
    const other = new StreamTap(await ask(rotator, chat, { isStream: true }));
    await other.until((text) => text.split(': rotator').length > 3);
    held.open();
    const text = await array.text();
    expect(text).not.toContain('rotator');
    expect(JSON.parse(text)).toMatchObject([{ candidates: [{ content: { parts: [{ text: 'word' }] } }] }, {}]);
    await other.rest();
  });
});

// --- lists, counts and suffixes -----------------------------------------------------------------------------------------

test('the list of models has the shape of whoever asks', async () => {
  await using upstream = await startUpstream({ keys: { one: answer('ok') }, models: ['m1', 'm2'] });
  await using rotator = await startRotator({ upstream });
  const listed = async (path: string, headers: Record<string, string> = {}): Promise<unknown> =>
    (await rotator.get(path, { headers })).json();
  expect(await listed('/v1/models')).toMatchObject({
    object: 'list',
    data: [{ id: 'mock/m1', object: 'model' }, { id: 'mock/m2' }],
  });
  const version = { 'anthropic-version': '2023-06-01' };
  expect(await listed('/v1/models?limit=1', version)).toMatchObject({
    data: [{ type: 'model', id: 'mock/m1', display_name: expect.any(String), created_at: expect.any(String) }],
    has_more: true,
    first_id: 'mock/m1',
    last_id: 'mock/m1',
  });
  expect(await listed('/v1/models/mock/m2', version)).toMatchObject({ type: 'model', id: 'mock/m2' });
  const first: unknown = await listed('/v1beta/models?pageSize=1');
  expect(first).toMatchObject({
    models: [{ name: 'models/mock/m1', supportedGenerationMethods: expect.arrayContaining(['generateContent']) }],
    nextPageToken: expect.any(String),
  });
  expect(await listed('/v1beta/models/mock/m2')).toMatchObject({ name: 'models/mock/m2' });
  expect((await rotator.get('/v1beta/models/nobody')).status).toBe(404);
});

describe('tokens are counted', () => {
  const counted = async (rotator: Rotator, model: string) => {
    const post = async (path: string, body: object) => {
      const response = await fetch(`${rotator.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return [response.status, await response.json()] as const;
    };
    const messages = [{ role: 'user', content: 'hello there' }];
    return {
      messages: await post('/v1/messages/count_tokens', { model, messages }),
      gemini: await post(`/v1beta/models/${model}:countTokens`, {
        contents: [{ role: 'user', parts: [{ text: 'hello there' }] }],
      }),
      plain: await post('/v1/token-count', { model, messages }),
    };
  };

  test.each([
    ['anthropic', 'claude-sonnet-4-5', '/v1/messages/count_tokens', { input_tokens: 41 }],
    ['gemini', 'gemini-2.5-flash', '/v1/models/gemini-2.5-flash:countTokens', { totalTokens: 41 }],
  ])('by %s itself, whatever the client speaks', async (provider, model, path, told) => {
    await using upstream = await startUpstream({
      answer: (request) => (request.path === path ? reply(200, told) : refusal(500)),
    });
    await using rotator = await startRotator({
      providers: { [provider]: { base_url: upstream.baseUrl, keys: ['one'] } },
    });
    expect(await counted(rotator, `${provider}/${model}`)).toEqual({
      messages: [200, { input_tokens: 41 }],
      gemini: [200, { totalTokens: 41 }],
      plain: [200, { token_count: 41, source: 'provider' }],
    });
    expect(upstream.calls.every((call) => call.path === path)).toBe(true);
  });

  test('here, when the vendor cannot be asked', async () => {
    await using upstream = await startUpstream({ answer: () => refusal(500) });
    await using rotator = await startRotator({
      providers: { anthropic: { base_url: upstream.baseUrl, keys: ['one'] } },
    });
    const { messages, plain } = await counted(rotator, 'anthropic/claude-sonnet-4-5');
    expect(messages).toMatchObject([200, { input_tokens: expect.any(Number) }]);
    expect(plain).toMatchObject([200, { source: expect.stringMatching(/^(tokenizer|estimate)$/) }]);
  });

  test('here, where the vendor has no counter: nothing is sent', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('never') } });
    await using rotator = await startRotator({ upstream });
    const { messages, gemini, plain } = await counted(rotator, 'mock/gpt-4o');
    expect(plain).toMatchObject([200, { source: 'tokenizer' }]);
    expect(messages).toMatchObject([200, { input_tokens: expect.any(Number) }]);
    expect(gemini).toMatchObject([200, { totalTokens: expect.any(Number) }]);
    expect(upstream.calls).toHaveLength(0);
  });
});

describe('a suffix of the model’s name says how much is thought', () => {
  const models: readonly (readonly [ProtocolId, string, Record<string, unknown>, Record<string, unknown>])[] = [
    ['openai-chat', 'gpt-5.1', { reasoning_effort: 'high' }, { reasoning_effort: 'medium' }],
    ['openai-responses', 'gpt-5.1', { reasoning: { effort: 'high' } }, { reasoning: { effort: 'medium' } }],
    [
      'anthropic-messages',
      'claude-sonnet-4-5',
      { thinking: { type: 'enabled', budget_tokens: expect.any(Number) } },
      { thinking: { type: 'enabled', budget_tokens: expect.any(Number) } },
    ],
    [
      'gemini',
      'gemini-2.5-flash',
      { generationConfig: { thinkingConfig: { thinkingBudget: 24_576 } } },
      { generationConfig: { thinkingConfig: { thinkingBudget: 8000 } } },
    ],
  ];
  for (const [protocol, model, high, budget] of models) {
    test.each(surfaces.map((surface) => [surface.id, surface] as const))(
      `on ${protocol}, asked for in %s`,
      async (_, surface) => {
        await using upstream = await startUpstream({ answer: () => refusal(400, { message: 'seen enough' }) });
        await using rotator = await startRotator({
          providers: { v: { base_url: upstream.baseUrl, protocol, keys: ['one'] } },
        });
        for (const [suffix, wanted] of [
          ['(high)', high],
          ['(8000)', budget],
        ] as const) {
          await ask(rotator, surface, { model: `v/${model}${suffix}` });
          const seen = upstream.calls.at(-1);
          expect(JSON.parse(seen?.text ?? '')).toMatchObject(wanted);
          expect(`${seen?.path} ${seen?.text}`).not.toContain(suffix);
          expect(`${seen?.path} ${seen?.text}`).toContain(model);
        }
      },
    );
  }
});
