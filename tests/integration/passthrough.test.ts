import { describe, expect, test } from 'bun:test';
import OpenAI, { toFile } from 'openai';
import { eventually } from '../support/eventually.ts';
import { expectError } from '../support/expect-error.ts';
import {
  type Answer,
  gate,
  refusal,
  type Received,
  reply,
  startUpstream,
  stream,
} from '../support/scripted-upstream.ts';
import { clientKey, type Rotator, startRotator } from '../support/server.ts';

const call = (rotator: Rotator, path: string, body: object | string | FormData, init: RequestInit = {}) =>
  fetch(`${rotator.url}/v1${path}`, {
    method: 'POST',
    ...init,
    headers: {
      authorization: `Bearer ${clientKey}`,
      ...(body instanceof FormData ? {} : { 'content-type': 'application/json' }),
      ...init.headers,
    },
    body: body instanceof FormData || typeof body === 'string' ? body : JSON.stringify(body),
  });

const openai = (rotator: Rotator) => new OpenAI({ baseURL: `${rotator.url}/v1`, apiKey: clientKey, maxRetries: 0 });
const slow = refusal(429, { message: 'slow down' });

const textFrame = (text: string, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: 'c', object: 'text_completion', choices: [{ index: 0, text, finish_reason: finish }], model: 'm' })}\n\n`;
const usageFrame =
  'data: {"id":"c","object":"text_completion","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n';
const DONE = 'data: [DONE]\n\n';

const formOf = (request: Received | undefined) =>
  new Response(Buffer.from(request?.body ?? []), {
    headers: { 'content-type': request?.headers.get('content-type') ?? '' },
  }).formData();

describe('text completions', () => {
  test('pass byte for byte but for the model, while keys rotate, and are counted', async () => {
    const answered =
      '{"id":"c", "object":"text_completion","choices":[{"text":"hi","index":0,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}';
    await using upstream = await startUpstream({ keys: { one: slow, two: reply(200, answered) } });
    await using rotator = await startRotator({ upstream });
    const response = await call(rotator, '/completions', '{ "prompt":"say","model" : "mock/m", "odd":[ 1 ]}');
    expect(await response.text()).toBe(answered);
    expect(response.headers.get('x-rotator-attempts')).toBe('2');
    expect(upstream.calls[1]?.path).toBe('/v1/completions');
    expect(upstream.calls[1]?.text).toBe('{ "prompt":"say","model" : "m", "odd":[ 1 ]}');
    expect((await rotator.keys())[1]?.usage).toMatchObject({ input_tokens: 3, output_tokens: 2 });
  });

  test('stream, with usage asked for and taken out where the client did not', async () => {
    const frames = [textFrame('he'), textFrame('llo'), textFrame('', 'stop')];
    await using upstream = await startUpstream({ keys: { one: stream([...frames, usageFrame, DONE]) } });
    await using rotator = await startRotator({ upstream });
    const response = await call(rotator, '/completions', { model: 'mock/m', prompt: 'x', stream: true });
    expect(response.headers.get('content-type')).toStartWith('text/event-stream');
    expect(await response.text()).toBe([...frames, DONE].join(''));
    expect(JSON.parse(upstream.calls[0]?.text ?? '')).toEqual({
      model: 'm',
      prompt: 'x',
      stream: true,
      stream_options: { include_usage: true },
    });
    expect((await rotator.keys())[0]?.usage).toMatchObject({ input_tokens: 3, output_tokens: 2 });
  });

  test('that end without a reason end with an error, and not as if they were whole', async () => {
    await using upstream = await startUpstream({ keys: { one: stream([textFrame('he')]) } });
    await using rotator = await startRotator({ upstream });
    const text = await (await call(rotator, '/completions', { model: 'mock/m', prompt: 'x', stream: true })).text();
    expect(text).toStartWith(textFrame('he'));
    expect(text).toContain('"error"');
  });

  test('serve the official SDK', async () => {
    await using upstream = await startUpstream({
      keys: { one: slow, two: stream([textFrame('he'), textFrame('llo', 'stop'), DONE]) },
    });
    await using rotator = await startRotator({ upstream });
    const chunks = await openai(rotator).completions.create({ model: 'mock/m', prompt: 'x', stream: true });
    let text = '';
    for await (const chunk of chunks) text += chunk.choices[0]?.text ?? '';
    expect(text).toBe('hello');
  });
});

describe('uploads', () => {
  test('go on with the model’s name alone changed', async () => {
    const sound = crypto.getRandomValues(new Uint8Array(50_000));
    await using upstream = await startUpstream({ keys: { one: slow, two: reply(200, { text: 'hello' }) } });
    await using rotator = await startRotator({ upstream });
    const file = await toFile(sound, 'a "quoted" name.mp3');
    const answer = await openai(rotator).audio.transcriptions.create({ model: 'mock/whisper-1', file, language: 'en' });
    expect(answer.text).toBe('hello');
    const received = upstream.calls[1];
    expect(received?.path).toBe('/v1/audio/transcriptions');
    const form = await formOf(received);
    expect(form.get('model')).toBe('whisper-1');
    expect(form.get('language')).toBe('en');
    const sent = form.get('file');
    expect(sent instanceof Blob && Buffer.from(await sent.arrayBuffer()).equals(Buffer.from(sound))).toBe(true);
    expect(received?.text).not.toContain('mock/');
  });

  test('bring back text as it comes', async () => {
    const words = '1\n00:00:00,000 --> 00:00:01,000\nhello\n';
    await using upstream = await startUpstream({
      keys: { one: reply(200, words, { 'content-type': 'text/plain; charset=utf-8' }) },
    });
    await using rotator = await startRotator({ upstream });
    const form = new FormData();
    form.append('model', 'mock/whisper-1');
    form.append('response_format', 'srt');
    form.append('file', new Blob(['x']), 'x.mp3');
    const response = await call(rotator, '/audio/translations', form);
    expect(await response.text()).toBe(words);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(response.headers.get('x-rotator-target')).toBe('mock/whisper-1');
  });

  test('stream their transcript with its usage', async () => {
    const frames = [
      'event: transcript.text.delta\ndata: {"type":"transcript.text.delta","delta":"he"}\n\n',
      'data: {"type":"transcript.text.done","text":"hello","usage":{"type":"tokens","input_tokens":14,"output_tokens":5,"total_tokens":19}}\n\n',
    ];
    await using upstream = await startUpstream({ keys: { one: stream(frames) } });
    await using rotator = await startRotator({ upstream });
    const form = new FormData();
    form.append('model', 'mock/t');
    form.append('stream', 'true');
    form.append('file', new Blob(['x']), 'x.mp3');
    const response = await call(rotator, '/audio/transcriptions', form);
    expect(await response.text()).toBe(frames.join(''));
    expect((await rotator.keys())[0]?.usage).toMatchObject({ input_tokens: 14, output_tokens: 5 });
  });

  test('of pictures to be edited go the same way', async () => {
    const answered = { created: 1, data: [{ b64_json: 'AAAA' }], usage: { input_tokens: 7, output_tokens: 9 } };
    await using upstream = await startUpstream({ keys: { one: reply(200, answered) } });
    await using rotator = await startRotator({ upstream });
    const image = await toFile(new Uint8Array([1, 2, 3]), 'a.png', { type: 'image/png' });
    const { data } = await openai(rotator).images.edit({ model: 'mock/gpt-image-1', image, prompt: 'more' });
    expect(data?.[0]?.b64_json).toBe('AAAA');
    expect(upstream.calls[0]?.path).toBe('/v1/images/edits');
    expect((await rotator.keys())[0]?.usage).toMatchObject({ input_tokens: 7, output_tokens: 9 });
  });

  test('that are broken or name no model are refused before anybody is asked', async () => {
    await using upstream = await startUpstream({ keys: { one: reply(200, {}) } });
    await using rotator = await startRotator({ upstream });
    const form = new FormData();
    form.append('file', new Blob(['x']), 'x.mp3');
    const nameless = await call(rotator, '/audio/transcriptions', form);
    expect((await expectError(nameless, { status: 400, type: 'invalid_request_error' })).message).toBe(
      'model is missing',
    );
    const broken = await call(rotator, '/audio/transcriptions', 'nothing of the kind', {
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    });
    expect((await expectError(broken, { status: 400, type: 'invalid_request_error' })).message).toContain('multipart');
    expect(upstream.calls).toHaveLength(0);
  });

  test('are as large as any body may be', async () => {
    await using upstream = await startUpstream({ keys: { one: reply(200, {}) } });
    await using rotator = await startRotator({ upstream, server: { max_body: '64kb' } });
    const form = new FormData();
    form.append('model', 'mock/w');
    form.append('file', new Blob([new Uint8Array(70_000)]), 'x.mp3');
    expect((await call(rotator, '/audio/transcriptions', form)).status).toBe(413);
  });
});

describe('speech', () => {
  const sound = crypto.getRandomValues(new Uint8Array(200_000));
  const head: [string, string][] = [
    ['content-type', 'audio/mpeg'],
    ['transfer-encoding', 'chunked'],
  ];

  test('is heard while it is still being made', async () => {
    const rest = gate();
    const speaks: Answer = async (wire) => {
      await wire.head(200, head);
      await wire.chunk(sound.subarray(0, 1000));
      await wire.pause(rest);
      await wire.chunk(sound.subarray(1000));
      await wire.lastChunk();
    };
    await using upstream = await startUpstream({ keys: { one: slow, two: speaks } });
    await using rotator = await startRotator({ upstream });
    const response = await call(rotator, '/audio/speech', { model: 'mock/tts-1', input: 'hi', voice: 'alloy' });
    expect(response.headers.get('content-type')).toBe('audio/mpeg');
    expect(response.headers.get('x-rotator-attempts')).toBe('2');
    const reader = response.body?.getReader();
    const first = await reader?.read();
    expect(first?.value?.length).toBe(1000);
    rest.open();
    const pieces = [first?.value ?? new Uint8Array()];
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) pieces.push(next.value);
    expect(Buffer.concat(pieces).equals(Buffer.from(sound))).toBe(true);
    expect((await rotator.keys()).every(({ in_flight }) => in_flight === 0)).toBe(true);
  });

  test('that breaks off breaks off for the client too', async () => {
    const heard = gate();
    const breaks: Answer = async (wire) => {
      await wire.head(200, head);
      await wire.chunk(sound.subarray(0, 1000));
      await wire.pause(heard);
      wire.fin();
    };
    await using upstream = await startUpstream({ keys: { one: breaks } });
    await using rotator = await startRotator({ upstream });
    const response = await call(rotator, '/audio/speech', { model: 'mock/tts-1', input: 'hi', voice: 'alloy' });
    expect(response.status).toBe(200);
    const reader = response.body?.getReader();
    expect((await reader?.read())?.value?.length).toBe(1000);
    heard.open();
    await expect(reader?.read() ?? Promise.resolve()).rejects.toThrow();
    await eventually('the lease is back', async () => (await rotator.keys()).every(({ in_flight }) => in_flight === 0));
    expect(rotator.log.some((line) => line.includes('stream-broken'))).toBe(true);
  });

  test('that breaks off before its first byte is asked for elsewhere', async () => {
    const empty: Answer = async (wire) => {
      await wire.head(200, head);
      wire.fin();
    };
    await using upstream = await startUpstream({
      keys: { one: empty, two: reply(200, sound, { 'content-type': 'audio/mpeg' }) },
    });
    await using rotator = await startRotator({ upstream });
    const response = await call(rotator, '/audio/speech', { model: 'mock/tts-1', input: 'hi', voice: 'alloy' });
    expect((await response.bytes()).length).toBe(sound.length);
  });

  test('nobody listens to any more ends upstream', async () => {
    const goes: Answer = async (wire, request) => {
      await wire.head(200, head);
      await wire.chunk(sound.subarray(0, 1000));
      await request.gone;
    };
    await using upstream = await startUpstream({ keys: { one: goes } });
    await using rotator = await startRotator({ upstream });
    const client = new AbortController();
    const body = { model: 'mock/tts-1', input: 'hi', voice: 'alloy' };
    const response = await call(rotator, '/audio/speech', body, { signal: client.signal });
    await response.body?.getReader().read();
    client.abort();
    await upstream.calls[0]?.gone;
    await eventually('the lease is back', async () => (await rotator.keys()).every(({ in_flight }) => in_flight === 0));
  });
});

describe('pictures, rankings and moderations', () => {
  test.each([
    ['/images/generations', { prompt: 'a cat' }, { created: 1, data: [{ url: 'https://x' }] }],
    ['/images/variations', { n: 1 }, { created: 1, data: [] }],
    ['/rerank', { query: 'q', documents: ['a'] }, { results: [{ index: 0, relevance_score: 0.5 }] }],
    ['/moderations', { input: 'x' }, { id: 'm', results: [{ flagged: false }] }],
  ])('pass at %s', async (path, body, answered) => {
    await using upstream = await startUpstream({ keys: { one: slow, two: reply(200, answered) } });
    await using rotator = await startRotator({ upstream });
    const response = await call(rotator, path, { model: 'mock/m', ...body });
    expect(await response.json()).toEqual(answered);
    expect(upstream.calls.map((one) => one.path)).toEqual([`/v1${path}`, `/v1${path}`]);
    expect(JSON.parse(upstream.calls[1]?.text ?? '')).toEqual({ model: 'm', ...body });
  });

  test('as events of a picture in the making', async () => {
    const frames = [
      'event: image_generation.partial_image\ndata: {"type":"image_generation.partial_image","b64_json":"AA"}\n\n',
      'event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"AAAA","usage":{"input_tokens":3,"output_tokens":8}}\n\n',
    ];
    await using upstream = await startUpstream({ keys: { one: stream(frames) } });
    await using rotator = await startRotator({ upstream });
    const response = await call(rotator, '/images/generations', { model: 'mock/m', prompt: 'x', stream: true });
    expect(await response.text()).toBe(frames.join(''));
    expect((await rotator.keys())[0]?.usage).toMatchObject({ output_tokens: 8 });
  });

  test('that an upstream refuses keep its words', async () => {
    await using upstream = await startUpstream({
      keys: { one: refusal(400, { message: 'no cats', code: 'moderation' }) },
    });
    await using rotator = await startRotator({ upstream });
    const response = await call(rotator, '/images/generations', { model: 'mock/m', prompt: 'a cat' });
    const error = await expectError(response, { status: 400, type: 'invalid_request_error', code: 'moderation' });
    expect(error.message).toBe('no cats');
  });

  test('of a vendor that has none are refused here, and passed over in an alias', async () => {
    await using upstream = await startUpstream({ keys: { one: reply(200, { results: [] }) } });
    await using rotator = await startRotator({
      upstream,
      providers: { groq: { base_url: upstream.baseUrl, keys: ['two'] } },
      sections: { aliases: { rank: { targets: ['groq/x', 'mock/y'] } } },
    });
    const refused = await call(rotator, '/rerank', { model: 'groq/x', query: 'q', documents: [] });
    const { message } = await expectError(refused, { status: 404, type: 'invalid_request_error' });
    expect(message).toBe('groq has no /rerank, so that groq/x cannot be asked there');
    const served = await call(rotator, '/rerank', { model: 'rank', query: 'q', documents: [] });
    expect(served.headers.get('x-rotator-target')).toBe('mock/y');
  });

  test('of a deployment at Azure have URLs of their own', async () => {
    await using upstream = await startUpstream({ answer: () => reply(200, { data: [] }) });
    await using rotator = await startRotator({
      providers: { azure: { base_url: upstream.origin, deployments: { 'dall-e-3': 'mine' }, keys: ['k'] } },
    });
    expect((await call(rotator, '/images/generations', { model: 'azure/dall-e-3', prompt: 'x' })).status).toBe(200);
    expect(upstream.calls[0]?.path).toBe('/openai/deployments/mine/images/generations?api-version=2024-10-21');
  });
});
