// Vendors with their own ways, over real sockets: where they are called, with what key, and what their answers become.
import { describe, expect, test } from 'bun:test';
import { readError } from '../support/expect-error.ts';
import {
  answer,
  completion,
  doneFrame,
  finishFrame,
  frame,
  refusal,
  reply,
  roleFrame,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { clientKey, type Rotator, startRotator } from '../support/server.ts';

const everyHeader = (headers: Headers) => [...headers].map(([name, value]) => `${name}: ${value}`).join('\n');

async function listed(rotator: Rotator): Promise<readonly unknown[]> {
  const list: unknown = await (await rotator.get('/v1/models')).json();
  const data = typeof list === 'object' && list !== null && 'data' in list ? list.data : null;
  return Array.isArray(data) ? data.map(({ id }) => id) : [];
}

describe('Azure', () => {
  const filter = `data: ${JSON.stringify({ choices: [], prompt_filter_results: [{ prompt_index: 0 }] })}\n\n`;

  test('is asked for a deployment at its own URL, with its own header', async () => {
    await using upstream = await startUpstream({ answer: () => answer('from azure') });
    await using rotator = await startRotator({
      providers: { azure: { base_url: upstream.origin, deployments: { 'gpt-4o': 'my-gpt4o' }, keys: ['az-1'] } },
    });
    const response = await rotator.chat({ model: 'azure/gpt-4o', max_completion_tokens: 5 });
    expect(response.status).toBe(200);
    const [call] = upstream.calls;
    expect(call?.path).toBe('/openai/deployments/my-gpt4o/chat/completions?api-version=2024-10-21');
    expect(call?.headers.get('api-key')).toBe('az-1');
    expect(call?.headers.get('authorization')).toBeNull();
    expect(JSON.parse(call?.text ?? '')).toMatchObject({ model: 'my-gpt4o', max_completion_tokens: 5 });
    expect(await listed(rotator)).toEqual(['azure/gpt-4o']);
  });

  test('streams, though the first chunk has no choice', async () => {
    const frames = [filter, roleFrame(), textFrame('Hi'), finishFrame(), doneFrame()];
    await using upstream = await startUpstream({ answer: () => stream(frames) });
    await using rotator = await startRotator({
      providers: { azure: { base_url: upstream.origin, api_version: 'v1', keys: ['az-1'] } },
    });
    const response = await rotator.stream({ model: 'azure/my-gpt4o' });
    expect(await response.text()).toBe(frames.join(''));
    expect(upstream.calls[0]?.path).toBe('/openai/v1/chat/completions');
  });

  test('a filtered prompt is the client’s to know, and no other key is tried', async () => {
    await using upstream = await startUpstream({
      answer: () => refusal(400, { message: 'The response was filtered', code: 'content_filter', param: 'prompt' }),
    });
    await using rotator = await startRotator({
      providers: { azure: { base_url: upstream.origin, keys: ['az-1', 'az-2'] } },
    });
    const response = await rotator.chat({ model: 'azure/gpt-4o' });
    expect([response.status, readError(await response.json()).code]).toEqual([400, 'content_filter']);
    expect(upstream.calls).toHaveLength(1);
  });

  test('an application signs in at its directory, and its secret goes nowhere else', async () => {
    await using upstream = await startUpstream({
      answer: ({ path }) =>
        path === '/token'
          ? reply(200, { access_token: 'entra-token', token_type: 'Bearer', expires_in: 3600 })
          : answer('from azure'),
    });
    const entra = {
      tenant: 'contoso.example',
      client_id: 'app',
      client_secret: 's3cret-of-mine',
      token_url: `${upstream.origin}/token`,
    };
    await using rotator = await startRotator({ providers: { azure: { base_url: upstream.origin, entra } } });
    for (let i = 0; i < 2; i++) expect((await rotator.chat({ model: 'azure/gpt-4o' })).status).toBe(200);
    const chats = upstream.calls.filter(({ path }) => path !== '/token');
    expect(chats.map(({ key }) => key)).toEqual(['entra-token', 'entra-token']);
    expect(upstream.calls.filter(({ path }) => path === '/token')).toHaveLength(1);
    for (const chat of chats) expect(everyHeader(chat.headers) + chat.text).not.toContain('s3cret-of-mine');
    expect(rotator.log.join('\n')).not.toContain('s3cret-of-mine');
    expect((await rotator.keys()).map(({ provider, label }) => [provider, label])).toEqual([['azure', 'entra']]);
  });

  test('a secret that the directory refuses is a refused credential', async () => {
    await using upstream = await startUpstream({
      answer: () => reply(401, { error: 'invalid_client', error_description: 'AADSTS7000215: wrong secret' }),
    });
    const entra = { tenant: 't', client_id: 'app', client_secret: 's3cret', token_url: `${upstream.origin}/token` };
    await using rotator = await startRotator({ providers: { azure: { base_url: upstream.origin, entra } } });
    const response = await rotator.chat({ model: 'azure/gpt-4o' });
    expect([response.status, readError(await response.json()).code]).toEqual([502, 'upstream_authentication']);
  });
});

describe('a gpt4free server', () => {
  const g4f = (origin: string, more: object = {}) => ({ providers: { g4f: { base_url: `${origin}/v1`, ...more } } });

  test('gets no key of anybody’s: not the client’s, not another provider’s', async () => {
    await using upstream = await startUpstream({ answer: () => answer('from g4f') });
    await using rotator = await startRotator({
      ...g4f(upstream.origin),
      env: { OPENAI_API_KEY: 'sk-openai-of-mine' },
    });
    const response = await rotator.chat(
      { model: 'g4f/gpt-4o-mini', api_key: 'sk-in-the-body' },
      { headers: { 'g4f-api-key': 'x', 'x-api-key': clientKey } },
    );
    expect(response.status).toBe(200);
    const [call] = upstream.calls;
    expect([call?.path, call?.headers.get('authorization')]).toEqual(['/v1/chat/completions', null]);
    expect(everyHeader(call?.headers ?? new Headers()) + call?.text).not.toMatch(/sk-|g4f-api-key/);
  });

  test('is asked for a family of models at that family’s base', async () => {
    await using upstream = await startUpstream({ answer: () => answer('x') });
    await using rotator = await startRotator(
      g4f(upstream.origin, { bases: { groq: `${upstream.origin}/api/groq` }, auth: 'secret' }),
    );
    await rotator.chat({ model: 'g4f/llama-3.3-70b' });
    await rotator.chat({ model: 'g4f/gpt-4o-mini' });
    expect(upstream.calls.map(({ path, key }) => [path, key])).toEqual([
      ['/api/groq/chat/completions', 'secret'],
      ['/v1/chat/completions', 'secret'],
    ]);
  });

  const page = '<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>challenge</body></html>';

  test.each([
    ['a page', 'text/html', false],
    ['a page', 'text/html', true],
    ['JSON', 'application/json', false],
    ['JSON', 'application/json', true],
    ['a stream', 'text/event-stream', false],
    ['a stream', 'text/event-stream', true],
  ])(
    'that answers with a web page as %s (%s, asked for a stream: %p) has failed, and another serves',
    async (_, type, isStream) => {
      await using upstream = await startUpstream({ answer: () => reply(200, page, { 'content-type': type }) });
      await using other = await startUpstream({ keys: { one: answer('from the other') } });
      await using rotator = await startRotator({
        upstream: other,
        ...g4f(upstream.origin),
        sections: { aliases: { any: { targets: ['g4f/gpt-4o-mini', 'mock/m'] } } },
      });
      const response = await rotator.chat({ model: 'any', stream: isStream });
      expect([response.status, response.headers.get('x-rotator-target')]).toEqual([200, 'mock/m']);
      expect(await response.text()).not.toContain('html');
    },
  );

  test('an answer that speaks of Cloudflare and HTML is an answer', async () => {
    const text = 'Just a moment... | Cloudflare shows <!doctype html> pages with a captcha for security.';
    const frames = [roleFrame(), textFrame(text), finishFrame(), doneFrame()];
    await using upstream = await startUpstream({ answer: () => stream(frames) });
    await using rotator = await startRotator(g4f(upstream.origin));
    expect(await (await rotator.stream({ model: 'g4f/gpt-4o-mini' })).text()).toBe(frames.join(''));
  });

  test('that breaks after its first words is not asked again', async () => {
    await using upstream = await startUpstream({
      answer: () => stream([roleFrame(), textFrame('Once upon')], { framing: 'until-close', end: 'fin' }),
    });
    await using rotator = await startRotator(g4f(upstream.origin));
    const text = await (await rotator.stream({ model: 'g4f/gpt-4o-mini' })).text();
    expect(text.match(/Once upon/g)).toHaveLength(1);
    expect(text).toContain('"error"');
    expect(upstream.calls).toHaveLength(1);
  });

  test('that reports its failure inside a stream has failed', async () => {
    const failed = `data: ${JSON.stringify({ error: { message: 'CloudflareError: blocked' } })}\n\n`;
    await using upstream = await startUpstream({ answer: () => stream([failed, doneFrame()]) });
    await using rotator = await startRotator(g4f(upstream.origin));
    expect((await rotator.stream({ model: 'g4f/gpt-4o-mini' })).status).toBeGreaterThanOrEqual(500);
  });

  test('is never asked for embeddings', async () => {
    await using upstream = await startUpstream({ answer: () => reply(200, { data: [] }) });
    await using rotator = await startRotator(g4f(upstream.origin));
    const response = await fetch(`${rotator.url}/v1/embeddings`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'g4f/text-embedding-3-small', input: 'x' }),
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    readError(await response.json());
    expect(upstream.calls).toEqual([]);
  });

  test('tells usage that nobody counted, and says so; a call of a tool is no end', async () => {
    const counted = `data: ${JSON.stringify({
      choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 0, completion_tokens: 2, total_tokens: 2 },
    })}\n\n`;
    const call = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{}' } };
    await using upstream = await startUpstream({
      answer: ({ text }) =>
        text.includes('"stream":true')
          ? stream([frame({ role: 'assistant', tool_calls: [call] }), counted, doneFrame()])
          : reply(200, completion('x', { usage: { prompt_tokens: 0, completion_tokens: 2, total_tokens: 2 } })),
    });
    await using rotator = await startRotator(g4f(upstream.origin));
    const whole: unknown = await (await rotator.chat({ model: 'g4f/gpt-4o-mini' })).json();
    expect(whole).toMatchObject({
      usage: { prompt_tokens: 0, completion_tokens: 2, total_tokens: 2, estimated: true },
    });
    const streamed = await (await rotator.stream({ model: 'g4f/gpt-4o-mini' })).text();
    expect(streamed).toContain('"finish_reason":"tool_calls"');
    expect(streamed).toContain('"estimated":true');
  });
});

describe('Cohere', () => {
  const v2 = (event: { type: string; [name: string]: unknown }) =>
    `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
  const frames = [
    v2({ type: 'message-start', id: 's1', delta: { message: { role: 'assistant' } } }),
    v2({ type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } }),
    v2({ type: 'content-delta', index: 0, delta: { message: { content: { text: 'Lakes are wet.' } } } }),
    v2({ type: 'content-end', index: 0 }),
    v2({
      type: 'message-end',
      delta: { finish_reason: 'COMPLETE', usage: { tokens: { input_tokens: 71, output_tokens: 9 } } },
    }),
  ];
  const whole = {
    id: 'c1',
    message: { role: 'assistant', content: [{ type: 'text', text: 'Lakes are wet.' }] },
    finish_reason: 'COMPLETE',
    usage: { tokens: { input_tokens: 71, output_tokens: 9 } },
  };
  const start = async () => {
    const upstream = await startUpstream({
      answer: ({ text }) => (text.includes('"stream":true') ? stream(frames) : reply(200, whole)),
    });
    const rotator = await startRotator({
      providers: { cohere: { base_url: `${upstream.origin}/compatibility/v1`, keys: ['co-1'] } },
    });
    return { upstream, rotator, [Symbol.asyncDispose]: async () => (await rotator.stop(), upstream.close()) };
  };

  test('answers in its own protocol, and the client hears OpenAI’s, whole and streamed', async () => {
    await using it = await start();
    const documents = [{ data: { text: 'Lakes are wet.' } }];
    const answered: unknown = await (await it.rotator.chat({ model: 'cohere/command-a-03-2025', documents })).json();
    expect(answered).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: 'Lakes are wet.' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 71, completion_tokens: 9 },
    });
    const [call] = it.upstream.calls;
    expect([call?.path, call?.key]).toEqual(['/v2/chat', 'co-1']);
    expect(JSON.parse(call?.text ?? '')).toMatchObject({ documents });
    const text = await (await it.rotator.stream({ model: 'cohere/command-a-03-2025' })).text();
    expect(text).toContain('"content":"Lakes are wet."');
    expect(text).not.toContain('message-');
    expect(text).toEndWith('data: [DONE]\n\n');
    expect((await it.rotator.status()).today).toMatchObject({ requests: 2, input_tokens: 142, output_tokens: 18 });
  });

  test('and a client of Anthropic’s hears that', async () => {
    await using it = await start();
    const ask = async (isStream: boolean) =>
      await fetch(`${it.rotator.url}/v1/messages`, {
        method: 'POST',
        headers: { 'x-api-key': clientKey, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
        body: JSON.stringify({
          model: 'cohere/command-a-03-2025',
          max_tokens: 50,
          stream: isStream,
          messages: [{ role: 'user', content: 'hello' }],
        }),
      });
    expect(await (await ask(false)).json()).toMatchObject({
      content: [{ type: 'text', text: 'Lakes are wet.' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 71, output_tokens: 9 },
    });
    const text = await (await ask(true)).text();
    expect(text).toContain('Lakes are wet.');
    expect(text).toContain('event: message_stop');
  });

  test('a stream that ends before its last event is broken', async () => {
    await using upstream = await startUpstream({ answer: () => stream(frames.slice(0, 4)) });
    await using rotator = await startRotator({
      providers: { cohere: { base_url: `${upstream.origin}/compatibility/v1`, keys: ['co-1'] } },
    });
    const text = await (await rotator.stream({ model: 'cohere/m' })).text();
    expect(text).toContain('Lakes are wet.');
    expect(text).toContain('"error"');
  });
});

describe('Qwen and iFlow', () => {
  const counted = `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } })}\n\n`;

  test.each(['qwen_code', 'iflow'])(
    '%s: thoughts leave their tags, and usage comes with the finish reason',
    async (id) => {
      await using upstream = await startUpstream({
        keys: {
          k: stream([
            roleFrame(),
            textFrame('<thi'),
            textFrame('nk>hm</think>\n\nLake'),
            finishFrame(),
            counted,
            doneFrame(),
          ]),
        },
      });
      await using rotator = await startRotator({ providers: { [id]: { base_url: upstream.baseUrl, keys: ['k'] } } });
      const text = await (await rotator.stream({ model: `${id}/m` })).text();
      const chunks = text.split('\n\n').filter((line) => line.startsWith('data: {'));
      expect(text).toContain('"content":"Lake"');
      expect(text).toContain('"reasoning_content":"hm"');
      expect(text).not.toContain('think>');
      expect(chunks.at(-1)).toContain('"finish_reason":"stop"');
      expect(chunks.at(-1)).toContain('"usage":{"prompt_tokens":7');
      expect((await rotator.status()).today).toMatchObject({ input_tokens: 7, output_tokens: 3 });
    },
  );

  test('a connection that breaks behind the finish reason leaves the answer whole', async () => {
    await using upstream = await startUpstream({
      keys: { k: stream([roleFrame(), textFrame('Lake'), finishFrame()], { framing: 'until-close', end: 'fin' }) },
    });
    await using rotator = await startRotator({ providers: { iflow: { base_url: upstream.baseUrl, keys: ['k'] } } });
    const text = await (await rotator.stream({ model: 'iflow/m' })).text();
    expect(text).toContain('"finish_reason":"stop"');
    expect(text).not.toContain('"error"');
    expect(text).toEndWith('data: [DONE]\n\n');
  });
});

describe('a vendor of the long tail', () => {
  test('is used by writing keys alone, and its URL takes an account from the config', async () => {
    await using upstream = await startUpstream({ keys: { k: answer('from the tail') }, models: ['a', 'b'] });
    await using rotator = await startRotator({
      providers: { together_ai: { keys: ['k'], base_url: `${upstream.origin}/v1` } },
    });
    const response = await rotator.chat({ model: 'together/a', max_completion_tokens: 7 });
    expect([response.status, response.headers.get('x-rotator-target')]).toEqual([200, 'together/a']);
    expect(JSON.parse(upstream.calls[0]?.text ?? '')).toMatchObject({ model: 'a', max_tokens: 7 });
    expect(await listed(rotator)).toEqual(['together/a', 'together/b']);
  });

  test('is spoken to in Anthropic’s protocol where that is what it speaks', async () => {
    const message = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'MiniMax-M2',
      content: [{ type: 'text', text: 'from the tail' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 7, output_tokens: 3 },
    };
    await using upstream = await startUpstream({ answer: () => reply(200, message) });
    await using rotator = await startRotator({
      providers: { minimax: { keys: ['mm-1'], base_url: `${upstream.origin}/anthropic/v1` } },
    });
    const answered: unknown = await (await rotator.chat({ model: 'minimax/MiniMax-M2' })).json();
    expect(answered).toMatchObject({ choices: [{ message: { content: 'from the tail' }, finish_reason: 'stop' }] });
    const [call] = upstream.calls;
    expect([call?.path, call?.headers.get('x-api-key'), call?.headers.get('authorization')]).toEqual([
      '/anthropic/v1/messages',
      'mm-1',
      null,
    ]);
    expect(call?.headers.get('anthropic-version')).toBe('2023-06-01');
  });

  test('is spoken to in OpenAI’s Responses where that is what it speaks, whole and streamed', async () => {
    const output = {
      type: 'message',
      id: 'msg_1',
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'from the tail', annotations: [] }],
    };
    const response = (status: string, items: readonly object[]) => ({
      id: 'resp_1',
      object: 'response',
      created_at: 1_790_000_000,
      status,
      model: 'sonar',
      output: items,
      usage: status === 'completed' ? { input_tokens: 7, output_tokens: 3, total_tokens: 10 } : null,
    });
    const events: readonly { readonly type: string; readonly [name: string]: unknown }[] = [
      { type: 'response.created', response: response('in_progress', []) },
      { type: 'response.output_item.added', output_index: 0, item: { ...output, content: [] } },
      { type: 'response.output_text.delta', item_id: 'msg_1', output_index: 0, content_index: 0, delta: 'from ' },
      { type: 'response.output_text.delta', item_id: 'msg_1', output_index: 0, content_index: 0, delta: 'the tail' },
      { type: 'response.output_item.done', output_index: 0, item: output },
      { type: 'response.completed', response: response('completed', [output]) },
    ];
    const frames = events.map(
      (event, at) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: at })}\n\n`,
    );
    await using upstream = await startUpstream({
      answer: ({ text }) =>
        text.includes('"stream":true') ? stream(frames) : reply(200, response('completed', [output])),
    });
    await using rotator = await startRotator({
      providers: { perplexity_agent: { keys: ['pplx-1'], base_url: `${upstream.origin}/v1` } },
    });
    const answered: unknown = await (await rotator.chat({ model: 'perplexity_agent/sonar', max_tokens: 90 })).json();
    expect(answered).toMatchObject({
      choices: [{ message: { content: 'from the tail' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 3 },
    });
    const [call] = upstream.calls;
    expect([call?.path, call?.key]).toEqual(['/v1/responses', 'pplx-1']);
    expect(JSON.parse(call?.text ?? '')).toMatchObject({ model: 'sonar', max_output_tokens: 90 });
    const text = await (await rotator.stream({ model: 'perplexity_agent/sonar' })).text();
    expect(text).toContain('"content":"the tail"');
    expect(text).toEndWith('data: [DONE]\n\n');
    expect((await rotator.status()).today).toMatchObject({ requests: 2, input_tokens: 14, output_tokens: 6 });
  });
});
