// Gemini CLI's and Antigravity's accounts against a Code Assist of the test's, in every client's protocol.
import { describe, expect, test } from 'bun:test';
import { AccountFiles } from '../support/account-files.ts';
import { chunk, frame, refused, said, streamed, whole } from '../support/code-assist.ts';
import { eventually } from '../support/eventually.ts';
import {
  type Answer,
  type Received,
  reply,
  type ScriptedUpstream,
  startUpstream,
  stream,
} from '../support/scripted-upstream.ts';
import { clientKey, type Rotator, startRotator } from '../support/server.ts';

const isChat = ({ path }: Received) => /:(?:stream)?[gG]enerateContent/.test(path);
const google = (chat: (request: Received) => Answer, other: (request: Received) => Answer = () => reply(404, {})) =>
  startUpstream({ answer: (request) => (isChat(request) ? chat(request) : other(request)) });

const sent = (request: Received | undefined) => JSON.parse(request?.text ?? '{}');
const chats = (upstream: ScriptedUpstream) => upstream.calls.filter(isChat);

/** The config names nothing but the server that stands in for Google. */
const start = (upstream: ScriptedUpstream, files: AccountFiles, provider = 'gemini_cli') =>
  startRotator({
    stateDir: files.path,
    rotation: { tolerance: 0 },
    providers: {
      [provider]: {
        base_url: upstream.origin,
        oauth: { token_url: `${upstream.origin}/token`, authorize_url: `${upstream.origin}/authorize` },
      },
    },
  });

function accounts(...ids: readonly (readonly [string, object?])[]): AccountFiles {
  const files = new AccountFiles();
  for (const [id, fields] of ids) files.put(id, { project_id: `project-of-${id}`, tier: 'PRO', ...fields });
  return files;
}

const gemini = (rotator: Rotator, model: string, method: string, body: object, query = '') =>
  fetch(`${rotator.url}/v1beta/models/${model}:${method}${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-goog-api-key': clientKey },
    body: JSON.stringify(body),
  });
const hello = { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] };

describe('gemini_cli', () => {
  test('takes a Gemini request into its envelope as it came, and the answer out of it', async () => {
    using files = accounts(['gemini_cli-1']);
    await using upstream = await google(() => said('hi'));
    await using rotator = await start(upstream, files);
    const body = { ...hello, generationConfig: { temperature: 0.25 }, labels: { unknown: 'kept' } };
    const response = await gemini(rotator, 'gemini_cli/gemini-2.5-pro', 'generateContent', body);
    expect(response.status).toBe(200);
    expect<unknown>(await response.json()).toEqual({ responseId: 'trace-1', ...whole([{ text: 'hi' }]) });
    const [call] = chats(upstream);
    expect(call?.path).toBe('/v1internal:generateContent');
    expect(call?.key).toBe('token-gemini_cli-1');
    expect(call?.headers.get('user-agent')).toStartWith('rotator/');
    const { request, user_prompt_id: promptId, ...envelope } = sent(call);
    expect(envelope).toEqual({ model: 'gemini-2.5-pro', project: 'project-of-gemini_cli-1' });
    expect(promptId).toMatch(/^[\w-]{8,}$/);
    expect(request).toEqual({ session_id: expect.any(String), ...body });
    // Not one byte of the client's own body is written anew.
    expect(call?.text).toContain(JSON.stringify(body).slice(1));
  });

  test('streams to a Gemini client, each frame out of its envelope', async () => {
    using files = accounts(['gemini_cli-1']);
    await using upstream = await google(() => streamed('one ', 'two'));
    await using rotator = await start(upstream, files);
    const response = await gemini(rotator, 'gemini_cli/gemini-2.5-pro', 'streamGenerateContent', hello, '?alt=sse');
    const frames = (await response.text())
      .split('\n\n')
      .filter(Boolean)
      .map((text) => JSON.parse(text.replace(/^data: /, '')));
    expect(frames.map((one) => one.candidates[0].content.parts[0].text)).toEqual(['one ', 'two']);
    expect(frames.every((one) => one.response === undefined && one.responseId === 'trace-1')).toBe(true);
    expect(chats(upstream)[0]?.path).toBe('/v1internal:streamGenerateContent?alt=sse');
  });

  test('serves chat clients, streamed and whole, with tools and their signatures', async () => {
    using files = accounts(['gemini_cli-1']);
    const call = { functionCall: { name: 'w', args: { q: 'A' } }, thoughtSignature: 'SIGNED' };
    await using upstream = await google(({ path, text }) => {
      if (text.includes('functionResponse')) return said('sunny');
      if (path.includes('stream')) return stream([frame(chunk([{ text: 'hm', thought: true }])), frame(whole([call]))]);
      return reply(200, { response: whole([call]), traceId: 't' });
    });
    await using rotator = await start(upstream, files);
    const tools = [{ type: 'function', function: { name: 'w', parameters: { type: 'object', properties: {} } } }];
    const user = { role: 'user', content: 'weather?' };
    const model = 'gemini_cli/gemini-3-pro-preview';
    const first = JSON.parse(await (await rotator.chat({ model, tools, messages: [user] })).text());
    const { message, finish_reason: finish } = first.choices[0];
    expect(finish).toBe('tool_calls');
    const id = message.tool_calls[0].id;
    const result = { role: 'tool', tool_call_id: id, content: 'sunny' };
    const second = JSON.parse(await (await rotator.chat({ model, tools, messages: [user, message, result] })).text());
    expect(second.choices[0].message.content).toBe('sunny');
    expect(JSON.stringify(sent(chats(upstream).at(-1)).request.contents)).toContain('"thoughtSignature":"SIGNED"');
    const text = await (await rotator.stream({ model, tools, messages: [user] })).text();
    expect(text).toContain('"reasoning_content":"hm"');
    expect(text).toContain('"name":"w"');
    expect(text.trimEnd()).toEndWith('data: [DONE]');
  });

  test('names one session for all requests of a conversation', async () => {
    using files = accounts(['gemini_cli-1']);
    await using upstream = await google(() => said('hi'));
    await using rotator = await start(upstream, files);
    const model = 'gemini_cli/gemini-2.5-pro';
    for (const session of ['a', 'a', 'b']) await rotator.chat({ model }, { headers: { 'x-session-id': session } });
    const [one, two, three] = chats(upstream).map((call) => sent(call).request.session_id);
    expect(one).toBe(two);
    expect(one).not.toBe(three);
  });

  test('counts tokens in the vendor’s own way', async () => {
    using files = accounts(['gemini_cli-1']);
    await using upstream = await google(
      () => said('no'),
      ({ path }) => reply(path.endsWith(':countTokens') ? 200 : 404, { totalTokens: 42 }),
    );
    await using rotator = await start(upstream, files);
    const response = await gemini(rotator, 'gemini_cli/gemini-2.5-pro', 'countTokens', hello);
    expect<unknown>(await response.json()).toMatchObject({ totalTokens: 42 });
    expect(sent(upstream.calls.at(-1))).toEqual({ request: { model: 'models/gemini-2.5-pro', ...hello } });
  });

  test('uses what is paid for before what is free', async () => {
    using files = accounts(['gemini_cli-1', { tier: 'FREE' }], ['gemini_cli-2', { tier: 'PRO' }]);
    await using upstream = await google(() => said('hi'));
    await using rotator = await start(upstream, files);
    for (const content of ['a', 'b']) {
      await rotator.chat({ model: 'gemini_cli/gemini-2.5-pro', messages: [{ role: 'user', content }] });
    }
    expect(chats(upstream).map(({ key }) => key)).toEqual(['token-gemini_cli-2', 'token-gemini_cli-2']);
  });

  test('asks no free account for what only those have who pay', async () => {
    using files = accounts(['gemini_cli-1', { tier: 'FREE' }]);
    await using upstream = await google(() => said('hi'));
    await using rotator = await start(upstream, files);
    const large = await rotator.chat(
      { model: 'gemini_cli/gemini-3-pro-preview' },
      { headers: { 'x-rotator-no-fallback': '1' } },
    );
    expect(large.status).toBe(503);
    expect(chats(upstream)).toEqual([]);
    const other = await rotator.chat({ model: 'gemini_cli/gemini-3-pro-preview' });
    expect(other.headers.get('x-rotator-target')).toBe('gemini_cli/gemini-2.5-pro');
  });

  test('lists its models without asking anybody', async () => {
    using files = accounts(['gemini_cli-1']);
    await using upstream = await google(() => said('hi'));
    await using rotator = await start(upstream, files);
    const list = JSON.parse(await (await rotator.get('/v1/models')).text());
    expect(list.data.map(({ id }: { id: string }) => id)).toContain('gemini_cli/gemini-3.1-pro-preview');
    expect(upstream.requests).toEqual([]);
  });
});

describe('an API key of Gemini beside accounts of gemini_cli', () => {
  const limited = reply(429, { error: { code: 429, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED' } });

  test.each([
    ['gemini', 'gemini_cli', limited, said('by account')],
    ['gemini_cli', 'gemini', reply(200, whole([{ text: 'by key' }])), refused(429, 'QUOTA_EXHAUSTED')],
  ] as const)('stand in for each other: %s is out, %s serves', async (asked, serves, byKey, byAccount) => {
    using files = accounts(['gemini_cli-1'], ['gemini_cli-2']);
    await using upstream = await startUpstream({
      answer: ({ path }) => (path.startsWith('/v1internal') ? byAccount : byKey),
    });
    await using rotator = await startRotator({
      stateDir: files.path,
      providers: {
        gemini: {
          base_url: `${upstream.origin}/v1beta`,
          keys: ['gemini-api-key-0123'],
          models: { define: { [MODEL]: {} } },
        },
        gemini_cli: { base_url: upstream.origin },
      },
    });
    const response = await rotator.chat({ model: `${asked}/${MODEL}` });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-rotator-target')).toBe(`${serves}/${MODEL}`);
    expect(response.headers.get('x-fallback-provider')).toBe(serves);
  });
});

const MODEL = 'gemini-2.5-pro';

describe('a quota of Code Assist', () => {
  const spent = refused(429, 'QUOTA_EXHAUSTED', {
    message: 'You have exhausted your capacity on this model. Your quota will reset after 3h0m0s.',
    retryDelay: '10800s',
  });

  test('that is used up rests all models of its group on that account alone', async () => {
    using files = accounts(['gemini_cli-1', { priority: 1 }], ['gemini_cli-2', { priority: 2 }]);
    await using upstream = await google(({ key, text }) =>
      key === 'token-gemini_cli-1' && !text.includes('flash') ? spent : said('hi'),
    );
    await using rotator = await start(upstream, files);
    for (const model of ['gemini-3-pro-preview', 'gemini-2.5-pro', 'gemini-2.5-flash']) {
      expect((await rotator.chat({ model: `gemini_cli/${model}` })).status).toBe(200);
    }
    expect(chats(upstream).map(({ key }) => key)).toEqual([
      'token-gemini_cli-1',
      'token-gemini_cli-2',
      'token-gemini_cli-2',
      'token-gemini_cli-1',
    ]);
    const [first, second] = await rotator.keys();
    expect(first?.blocks).toMatchObject([{ scope: 'group:pro', kind: 'quota' }]);
    expect(Date.parse(first?.blocks[0]?.until ?? '') - Date.now()).toBeWithin(10_700_000, 10_801_000);
    expect(second?.blocks).toEqual([]);
  });

  test('is no matter of capacity: that blames no account, and the next of the family serves', async () => {
    using files = accounts(['gemini_cli-1'], ['gemini_cli-2']);
    await using upstream = await google(({ text }) =>
      text.includes('"model":"gemini-3.1-pro-preview"')
        ? refused(429, 'MODEL_CAPACITY_EXHAUSTED', { retryDelay: '9s' })
        : said('hi'),
    );
    await using rotator = await start(upstream, files);
    const response = await rotator.chat({ model: 'gemini_cli/gemini-3.1-pro-preview' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-rotator-target')).toBe('gemini_cli/gemini-3-pro-preview');
    expect(response.headers.get('x-fallback-provider')).toBeNull();
    expect(chats(upstream).map((call) => sent(call).model)).toEqual(['gemini-3.1-pro-preview', 'gemini-3-pro-preview']);
    for (const key of await rotator.keys()) expect(key).toMatchObject({ state: 'ready' });
  });

  test('a model that is not there is stood in for, and is not asked for again', async () => {
    using files = accounts(['gemini_cli-1']);
    await using upstream = await google(({ text }) =>
      text.includes('"model":"gemini-3-pro-preview"')
        ? reply(404, { error: { code: 404, message: 'Requested entity was not found.', status: 'NOT_FOUND' } })
        : said('hi'),
    );
    await using rotator = await start(upstream, files);
    for (let i = 0; i < 2; i++) {
      const response = await rotator.chat({ model: 'gemini_cli/gemini-3-pro-preview' });
      expect(response.headers.get('x-rotator-target')).toBe('gemini_cli/gemini-3.1-pro-preview');
    }
    expect(chats(upstream)).toHaveLength(3);
  });

  test('is asked for with the account’s project and shown', async () => {
    using files = accounts(['gemini_cli-1']);
    await using upstream = await google(
      () => said('hi'),
      ({ path }) =>
        path.endsWith(':retrieveUserQuota')
          ? reply(200, {
              buckets: [
                { modelId: 'gemini-2.5-pro', remainingFraction: 0.25, resetTime: new Date(Date.now() + 3_600_000) },
                { modelId: 'gemini-2.5-flash', resetTime: new Date(Date.now() + 3_600_000) },
              ],
            })
          : reply(404, {}),
    );
    await using rotator = await start(upstream, files);
    const refreshed = await rotator.admin('quota/refresh', { method: 'POST' });
    expect<unknown>(await refreshed.json()).toMatchObject({ refreshed: [{ provider: 'gemini_cli', credentials: 1 }] });
    expect(sent(upstream.calls.at(-1))).toEqual({ project: 'project-of-gemini_cli-1' });
    const [key] = (await rotator.status()).keys;
    expect(key?.windows).toMatchObject([
      { scope: 'group:pro', name: 'day', remaining: 25, unit: 'percent' },
      { scope: 'group:25-flash', remaining: 0 },
    ]);
    const alone = { headers: { 'x-rotator-no-fallback': '1' } };
    expect((await rotator.chat({ model: 'gemini_cli/gemini-2.5-flash' }, alone)).status).toBe(429);
    expect((await rotator.chat({ model: 'gemini_cli/gemini-2.5-pro' })).status).toBe(200);
  });
});

describe('an account that Google refuses', () => {
  test.each([
    ['VALIDATION_REQUIRED', { links: ['https://accounts.test/verify'] }, 'https://accounts.test/verify'],
    ['TOS_VIOLATION', { metadata: { appeal_url: 'https://accounts.test/appeal' } }, 'https://accounts.test/appeal'],
    ['UNSUPPORTED_CLIENT', {}, null],
  ] as const)('for %s is taken out with its link, and another serves', async (reason, more, link) => {
    using files = accounts(['gemini_cli-1', { priority: 1 }], ['gemini_cli-2', { priority: 2 }]);
    await using upstream = await google(({ key }) =>
      key === 'token-gemini_cli-1' ? refused(403, reason, more) : said('hi'),
    );
    await using rotator = await start(upstream, files);
    expect((await rotator.chat({ model: 'gemini_cli/gemini-2.5-pro' })).status).toBe(200);
    await eventually('it is out', async () => (await rotator.keys())[0]?.state === 'blocked');
    const [key] = await rotator.keys();
    expect(key).toMatchObject({ state: 'blocked', account: { link } });
    expect(key?.blocks).toMatchObject([{ kind: 'forbidden', until: null, source: 'account' }]);
    await eventually('that is kept', () => JSON.stringify(files.read('gemini_cli-1')).includes('"standing"'));
  });
});

test('an account without its project asks for it before it serves', async () => {
  using files = accounts(['gemini_cli-1', { project_id: undefined, tier: undefined }]);
  await using upstream = await google(
    () => said('hi'),
    ({ path }) => {
      if (path === '/token') return reply(200, { access_token: 'token-asked', expires_in: 3600 });
      return path.endsWith(':loadCodeAssist')
        ? reply(200, { currentTier: { id: 'standard-tier' }, cloudaicompanionProject: 'found-project' })
        : reply(404, {});
    },
  );
  await using rotator = await start(upstream, files);
  expect((await rotator.keys())[0]).toMatchObject({ state: 'blocked', account: { state: 'blocked' } });
  await eventually('its project is known', async () => (await rotator.keys())[0]?.state === 'ready');
  expect((await rotator.chat({ model: 'gemini_cli/gemini-2.5-pro' })).status).toBe(200);
  expect(sent(chats(upstream).at(-1)).project).toBe('found-project');
});

describe('antigravity', () => {
  test('serves Claude to a Messages client: named, validated, and with its signed thoughts in a tool loop', async () => {
    using files = accounts(['antigravity-1']);
    const thought = { text: 'let me see', thought: true, thoughtSignature: 'CLAUDE-SIGNED' };
    await using upstream = await google(({ text }) =>
      text.includes('functionResponse')
        ? said('sunny')
        : reply(200, { response: whole([thought, { functionCall: { name: 'w', args: {}, id: 'c1' } }]), traceId: 't' }),
    );
    await using rotator = await start(upstream, files, 'antigravity');
    const messages = (history: readonly object[]) =>
      fetch(`${rotator.url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': clientKey, 'anthropic-version': '2023-06-01' },
        body: JSON.stringify({
          model: 'antigravity/claude-opus-4-6',
          max_tokens: 20_000,
          thinking: { type: 'enabled', budget_tokens: 2048 },
          tools: [{ name: 'w', input_schema: { type: 'object', properties: { q: { type: 'string' } } } }],
          messages: [{ role: 'user', content: 'weather?' }, ...history],
        }),
      });
    const first = JSON.parse(await (await messages([])).text());
    expect(first.stop_reason).toBe('tool_use');
    const [call] = chats(upstream);
    const envelope = sent(call);
    expect(envelope).toMatchObject({
      model: 'claude-opus-4-6-thinking',
      project: 'project-of-antigravity-1',
      userAgent: 'rotator',
      requestType: 'agent',
      request: { toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } } },
    });
    expect(envelope.requestId).toMatch(/^agent-/);
    const id = first.content.find(({ type }: { type: string }) => type === 'tool_use').id;
    const loop = [
      { role: 'assistant', content: first.content },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: 'sunny' }] },
    ];
    const second = JSON.parse(await (await messages(loop)).text());
    expect(second.content).toMatchObject([{ type: 'text', text: 'sunny' }]);
    const { contents } = sent(chats(upstream).at(-1)).request;
    expect(contents).toHaveLength(3);
    expect(contents[1].parts[0]).toMatchObject({ thought: true, thoughtSignature: 'CLAUDE-SIGNED' });
  });

  test('names how hard Gemini thinks in the model, and blocks a group as one', async () => {
    using files = accounts(['antigravity-1']);
    await using upstream = await google(() => said('hi'));
    await using rotator = await start(upstream, files, 'antigravity');
    const model = 'antigravity/gemini-3-pro-preview';
    await rotator.chat({ model, reasoning_effort: 'low' });
    await rotator.chat({ model, reasoning_effort: 'high', max_tokens: 100 });
    expect(chats(upstream).map((call) => sent(call).model)).toEqual(['gemini-3-pro-low', 'gemini-3-pro-high']);
    expect(sent(chats(upstream)[1]).request.generationConfig.maxOutputTokens).toBeUndefined();
  });
});
