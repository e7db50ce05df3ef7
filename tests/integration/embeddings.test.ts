import { describe, expect, test } from 'bun:test';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { startAimock } from '../support/aimock.ts';
import { expectError } from '../support/expect-error.ts';
import {
  type Answer,
  answer as chatAnswer,
  type Received,
  refusal,
  reply,
  startUpstream,
} from '../support/scripted-upstream.ts';
import { clientKey, inOrder, type Rotator, startRotator } from '../support/server.ts';
import { tempHome } from '../support/temp-home.ts';

/** A server whose vector of a text is its length and its place in the call. Base64 only where it is asked for. */
const openAiVectors: Answer = (wire, request) => {
  const body = JSON.parse(request.text) as { input: unknown; encoding_format?: string; model: string };
  const inputs = typeof body.input === 'string' || isTokens(body.input) ? [body.input] : (body.input as unknown[]);
  const data = inputs.map((input, index) => {
    const vector = [(input as { length: number }).length, index + 0.5];
    const embedding =
      body.encoding_format === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector;
    return { object: 'embedding', index, embedding };
  });
  const usage = { prompt_tokens: inputs.length * 4, total_tokens: inputs.length * 4 };
  return reply(200, { object: 'list', data, model: body.model, usage })(wire, request);
};

const isTokens = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'number');

const bodyOf = (request: Received | undefined): Record<string, unknown> => JSON.parse(request?.text ?? '{}');

const embed = (rotator: Rotator, body: object, init: RequestInit = {}, path = '/v1/embeddings') =>
  fetch(`${rotator.url}${path}`, {
    method: 'POST',
    ...init,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${clientKey}`, ...init.headers },
    body: JSON.stringify(body),
  });

const openai = (rotator: Rotator) => new OpenAI({ baseURL: `${rotator.url}/v1`, apiKey: clientKey, maxRetries: 0 });

const alone = { sections: { embeddings: { batch: false } } };

describe('embeddings of a server that speaks OpenAI', () => {
  test('pass through byte for byte but for the model name, and the reply does too', async () => {
    const sent = '{ "odd":[1, 2],  "input":"hello", "model":"mock/e" ,"dimensions":2,"user":"u"}';
    const answered =
      '{"object":"list", "data":[{"object":"embedding","index":0,"embedding":[ 0.1,2e-3 ]}],"model":"e","usage":{"prompt_tokens":1,"total_tokens":1},"extra":null}';
    await using upstream = await startUpstream({ keys: { one: reply(200, answered) } });
    await using rotator = await startRotator({ upstream });
    const response = await fetch(`${rotator.url}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${clientKey}` },
      body: sent,
    });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(answered);
    expect(response.headers.get('x-rotator-target')).toBe('mock/e');
    expect(upstream.calls[0]?.path).toBe('/v1/embeddings');
    expect(upstream.calls[0]?.text).toBe(sent.replace('mock/e', 'e'));
  });

  test('rotate, and are counted', async () => {
    await using upstream = await startUpstream({
      keys: { one: refusal(429, { message: 'slow down' }), two: openAiVectors },
    });
    await using rotator = await startRotator({ upstream });
    const response = await embed(rotator, { model: 'mock/e', input: ['a', 'bb'] });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-rotator-attempts')).toBe('2');
    const [, second] = await rotator.keys();
    expect(second?.usage.input_tokens).toBe(8);
  });

  test('of many requests at once go together, each with its own vector and its own share of the usage', async () => {
    await using upstream = await startUpstream({ keys: { one: openAiVectors } });
    await using rotator = await startRotator({
      upstream,
      sections: { embeddings: { batch_size: 8, batch_wait: '50ms' } },
    });
    const texts = Array.from({ length: 20 }, (_, i) => 'x'.repeat(i + 1));
    const replies = await Promise.all(
      texts.map((input) => openai(rotator).embeddings.create({ model: 'mock/e', input, encoding_format: 'float' })),
    );
    expect(replies.map(({ data }) => data[0]?.embedding[0])).toEqual(texts.map(({ length }) => length));
    expect(replies.every(({ data }) => data.length === 1 && data[0]?.index === 0)).toBe(true);
    expect(upstream.calls.length).toBeLessThanOrEqual(5);
    expect(replies.reduce((sum, { usage }) => sum + usage.prompt_tokens, 0)).toBe(80);
    expect((await rotator.keys())[0]?.usage).toMatchObject({ requests: upstream.calls.length, input_tokens: 80 });
    expect((await rotator.status()).today).toMatchObject({ requests: 20, input_tokens: 80 });
  });

  test('longer than the vendor takes are cut and put together again', async () => {
    await using upstream = await startUpstream({ keys: { one: openAiVectors } });
    await using rotator = await startRotator({ upstream, sections: { embeddings: { batch_size: 3 } } });
    const input = ['a', 'bb', 'ccc', 'dddd', 'eeeee'];
    const { data, usage } = await openai(rotator).embeddings.create({
      model: 'mock/e',
      input,
      encoding_format: 'float',
    });
    expect(data.map(({ embedding, index }) => [index, embedding[0]])).toEqual(input.map((text, i) => [i, text.length]));
    expect(upstream.calls.map((call) => (bodyOf(call).input as string[]).length)).toEqual([3, 2]);
    expect(usage).toEqual({ prompt_tokens: 20, total_tokens: 20 });
  });

  test('come as the official SDK wants them: base64 on the wire, numbers in the hand', async () => {
    await using upstream = await startUpstream({ keys: { one: openAiVectors } });
    await using rotator = await startRotator({ upstream });
    const { data } = await openai(rotator).embeddings.create({ model: 'mock/e', input: ['abc', 'x'] });
    expect(bodyOf(upstream.calls[0]).encoding_format).toBe('base64');
    expect(data.map(({ embedding }) => [...embedding])).toEqual([
      [3, 0.5],
      [1, 1.5],
    ]);
  });

  test('are made base64 here where the server does not know it', async () => {
    const numbers = reply(200, { data: [{ object: 'embedding', index: 0, embedding: [0.25, -1.5] }], model: 'e' });
    await using upstream = await startUpstream({ keys: { one: numbers } });
    await using rotator = await startRotator({ upstream });
    const { data } = await openai(rotator).embeddings.create({ model: 'mock/e', input: 'abc' });
    expect([...(data[0]?.embedding ?? [])]).toEqual([0.25, -1.5]);
  });

  test('take tokens', async () => {
    await using upstream = await startUpstream({ keys: { one: openAiVectors } });
    await using rotator = await startRotator({ upstream, ...alone });
    const one = await embed(rotator, { model: 'mock/e', input: [1, 2, 3] });
    expect(await one.json()).toMatchObject({ data: [{ embedding: [3, 0.5] }] });
    const two = await embed(rotator, { model: 'mock/e', input: [[1], [2, 3]] });
    expect(await two.json()).toMatchObject({ data: [{ embedding: [1, 0.5] }, { embedding: [2, 1.5] }] });
  });

  test('without a vector for every input are no answer, and another key is asked', async () => {
    const short = reply(200, { object: 'list', data: [], model: 'e' });
    await using upstream = await startUpstream({ keys: { one: short, two: openAiVectors } });
    await using rotator = await startRotator({ upstream });
    const response = await embed(rotator, { model: 'mock/e', input: 'abc' });
    expect(response.status).toBe(200);
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });

  test('with one bad input among the requests of many fail for that one alone', async () => {
    const picky: Answer = (wire, request) =>
      request.text.includes('bad')
        ? refusal(400, { message: 'this input is bad', code: 'bad_input' })(wire, request)
        : openAiVectors(wire, request);
    await using upstream = await startUpstream({ keys: { one: picky } });
    await using rotator = await startRotator({ upstream, sections: { embeddings: { batch_wait: '50ms' } } });
    const responses = await Promise.all(
      ['good', 'bad', 'fine!'].map((input) => embed(rotator, { model: 'mock/e', input })),
    );
    expect(responses.map(({ status }) => status)).toEqual([200, 400, 200]);
    expect(await responses[1]?.json()).toMatchObject({ error: { message: 'this input is bad', code: 'bad_input' } });
    expect(await responses[2]?.json()).toMatchObject({ data: [{ embedding: [5, 0.5] }] });
  });

  test.each([
    [{ input: 'x' }, 'model is missing'],
    [{ model: 'mock/e' }, 'input is missing'],
    [{ model: 'mock/e', input: [] }, 'input must not be an empty array'],
    [{ model: 'mock/e', input: ['x', 7] }, 'input[1] is neither a string nor an array of tokens'],
    [{ model: 'mock/e', input: { text: 'x' } }, 'input must be a string, an array of strings, or an array of tokens'],
    [{ model: 'mock/e', input: 'x', dimensions: 1.5 }, 'dimensions must be a whole number above 0'],
    [{ model: 'mock/e', input: 'x', encoding_format: 'int8' }, 'encoding_format must be "float" or "base64"'],
  ])('that are wrong are refused before anybody is asked: %j', async (body, message) => {
    await using upstream = await startUpstream({ keys: { one: openAiVectors } });
    await using rotator = await startRotator({ upstream });
    const response = await embed(rotator, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { message, type: 'invalid_request_error' } });
    expect(upstream.calls).toHaveLength(0);
  });
});

/** Gemini's server: a vector of a text is its length. */
const geminiVectors: Answer = (wire, request) => {
  const body = JSON.parse(request.text) as GeminiBody & { requests?: GeminiBody[] };
  const vectorOf = ({ content }: GeminiBody) => ({ values: [content.parts[0]?.text?.length ?? 0, 0.5] });
  const answer = body.requests ? { embeddings: body.requests.map(vectorOf) } : { embedding: vectorOf(body) };
  return reply(200, answer)(wire, request);
};

type GeminiBody = { readonly content: { readonly parts: { readonly text?: string }[] } };

const geminiRotator = (base: string, more = {}) =>
  startRotator({ providers: { gemini: { base_url: base, keys: ['one'] } }, ...more });

describe('embeddings of Gemini', () => {
  test('for a client of OpenAI: one input by itself, several in a batch, in Gemini’s words', async () => {
    await using upstream = await startUpstream({ keys: { one: geminiVectors } });
    await using rotator = await geminiRotator(upstream.baseUrl, alone);
    const one = await embed(rotator, {
      model: 'gemini/gemini-embedding-001',
      input: 'abc',
      dimensions: 2,
      input_type: 'search_query',
      user: 'u',
    });
    expect(await one.json()).toEqual({
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [3, 0.5] }],
      model: 'gemini/gemini-embedding-001',
      usage: { prompt_tokens: 1, total_tokens: 1 },
    });
    expect(one.headers.get('x-rotator-warnings')).toBe('user removed; usage estimated');
    expect(upstream.calls[0]?.path).toBe('/v1/models/gemini-embedding-001:embedContent');
    expect(bodyOf(upstream.calls[0])).toEqual({
      model: 'models/gemini-embedding-001',
      content: { parts: [{ text: 'abc' }] },
      taskType: 'RETRIEVAL_QUERY',
      outputDimensionality: 2,
    });
    const { data } = await openai(rotator).embeddings.create({
      model: 'gemini/gemini-embedding-001',
      input: ['a', 'bb'],
    });
    expect(upstream.calls[1]?.path).toBe('/v1/models/gemini-embedding-001:batchEmbedContents');
    expect(data.map(({ embedding }) => [...embedding])).toEqual([
      [1, 0.5],
      [2, 0.5],
    ]);
  });

  test('of more inputs than it takes at once are asked for in parts', async () => {
    await using upstream = await startUpstream({ keys: { one: geminiVectors } });
    await using rotator = await geminiRotator(upstream.baseUrl, alone);
    const input = Array.from({ length: 230 }, (_, i) => 'x'.repeat((i % 7) + 1));
    const { data } = await openai(rotator).embeddings.create({ model: 'gemini/e', input, encoding_format: 'float' });
    expect(data.map(({ embedding }) => embedding[0])).toEqual(input.map(({ length }) => length));
    expect(upstream.calls.map((call) => (bodyOf(call).requests as unknown[]).length)).toEqual([100, 100, 30]);
  });

  test('cannot be made of tokens', async () => {
    await using upstream = await startUpstream({ keys: { one: geminiVectors } });
    await using rotator = await geminiRotator(upstream.baseUrl);
    const response = await embed(rotator, { model: 'gemini/e', input: [1, 2] });
    const { message } = await expectError(response, { status: 400, type: 'invalid_request_error' });
    expect(message).toBe('gemini/e takes texts and no token arrays: send the text itself');
    expect(upstream.calls).toHaveLength(0);
  });
});

describe('Gemini’s own methods', () => {
  test('pass to Gemini with the model’s name there, and the reply as it is', async () => {
    const answered = '{"embedding": {"values":[ 1.0 ]},"more":true}';
    await using upstream = await startUpstream({ keys: { one: reply(200, answered) } });
    await using rotator = await geminiRotator(upstream.baseUrl);
    const sent = { content: { parts: [{ text: 'a' }, { inlineData: { mimeType: 'image/png', data: 'AA==' } }] } };
    for (const version of ['v1beta', 'v1']) {
      const path = `/${version}/models/gemini/e:embedContent`;
      const response = await embed(rotator, sent, {}, path);
      expect(await response.text()).toBe(answered);
    }
    expect(upstream.calls.map(({ path }) => path)).toEqual(Array(2).fill('/v1/models/e:embedContent'));
    expect(bodyOf(upstream.calls[0])).toEqual(sent);
  });

  test('are served by others through the neutral form', async () => {
    await using upstream = await startUpstream({ keys: { one: openAiVectors } });
    await using rotator = await startRotator({ upstream });
    const body = {
      requests: ['a', 'bb'].map((text) => ({
        model: 'models/mock/e',
        content: { parts: [{ text }] },
        taskType: 'RETRIEVAL_QUERY',
        outputDimensionality: 2,
      })),
    };
    const response = await embed(rotator, body, {}, '/v1beta/models/mock/e:batchEmbedContents');
    expect(await response.json()).toEqual({ embeddings: [{ values: [1, 0.5] }, { values: [2, 1.5] }] });
    expect(bodyOf(upstream.calls[0])).toEqual({
      model: 'e',
      input: ['a', 'bb'],
      dimensions: 2,
      input_type: 'RETRIEVAL_QUERY',
      encoding_format: 'float',
    });
    const single = await embed(
      rotator,
      { content: { parts: [{ text: 'abc' }] } },
      {},
      '/v1/models/mock/e:embedContent',
    );
    expect(await single.json()).toEqual({ embedding: { values: [3, 0.5] } });
  });

  test('with a picture go to nobody who takes texts alone', async () => {
    await using upstream = await startUpstream({ keys: { one: openAiVectors } });
    await using rotator = await startRotator({ upstream });
    const body = { content: { parts: [{ inlineData: { mimeType: 'image/png', data: 'AA==' } }] } };
    const response = await embed(rotator, body, {}, '/v1beta/models/mock/e:embedContent');
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 400, status: 'INVALID_ARGUMENT' } });
    expect(upstream.calls).toHaveLength(0);
  });

  test('serve Google’s own SDK, whoever is behind', async () => {
    await using upstream = await startUpstream({ keys: { one: openAiVectors } });
    await using google = await startUpstream({ keys: { two: geminiVectors } });
    await using rotator = await startRotator({
      upstream,
      providers: { gemini: { base_url: google.baseUrl, keys: ['two'] } },
    });
    const ai = new GoogleGenAI({ apiKey: clientKey, httpOptions: { baseUrl: rotator.url } });
    for (const model of ['mock/e', 'gemini/gemini-embedding-001']) {
      const { embeddings } = await ai.models.embedContent({
        model,
        contents: ['abc', 'x'],
        config: { outputDimensionality: 2 },
      });
      expect(embeddings?.map(({ values }) => values?.[0])).toEqual([3, 1]);
    }
    expect(google.calls).toHaveLength(1);
  });
});

test('models for embeddings say so in Gemini’s list', async () => {
  await using upstream = await startUpstream({ models: ['text-embedding-3-small', 'gpt-4o'] });
  await using rotator = await startRotator({ providers: { openai: { base_url: upstream.baseUrl, keys: ['k'] } } });
  const { models } = (await (await rotator.get('/v1beta/models')).json()) as {
    models: { name: string; supportedGenerationMethods: string[] }[];
  };
  const methods = Object.fromEntries(models.map((model) => [model.name, model.supportedGenerationMethods]));
  expect(methods).toEqual({
    'models/openai/text-embedding-3-small': ['embedContent', 'batchEmbedContents'],
    'models/openai/gpt-4o': ['generateContent', 'streamGenerateContent', 'countTokens'],
  });
});

describe('embeddings of Cohere', () => {
  test('are asked for in its own words, and a document is meant where nothing is said', async () => {
    const answer = reply(200, {
      id: 'x',
      embeddings: {
        float: [
          [0.5, 1.5],
          [2.5, 3.5],
        ],
      },
      texts: ['a', 'bb'],
      meta: { api_version: { version: '2' }, billed_units: { input_tokens: 5 } },
    });
    await using upstream = await startUpstream({ keys: { one: answer } });
    const base_url = `${upstream.origin}/compatibility/v1`;
    await using rotator = await startRotator({ providers: { cohere: { base_url, keys: ['one'] } } });
    const { data, usage } = await openai(rotator).embeddings.create({
      model: 'cohere/embed-v4.0',
      input: ['a', 'bb'],
      dimensions: 256,
    });
    expect(upstream.calls[0]?.path).toBe('/v2/embed');
    expect(bodyOf(upstream.calls[0])).toEqual({
      model: 'embed-v4.0',
      texts: ['a', 'bb'],
      input_type: 'search_document',
      embedding_types: ['float'],
      output_dimension: 256,
    });
    expect(data.map(({ embedding }) => [...embedding])).toEqual([
      [0.5, 1.5],
      [2.5, 3.5],
    ]);
    expect(usage.prompt_tokens).toBe(5);
  });
});

describe('embeddings of Azure', () => {
  test.each([
    ['2024-10-21', '/openai/deployments/my-vectors/embeddings?api-version=2024-10-21'],
    ['v1', '/openai/v1/embeddings'],
  ])('are made by the deployment, in version %s', async (api_version, path) => {
    await using upstream = await startUpstream({
      answer: (request) => (request.headers.get('api-key') === 'one' ? openAiVectors : refusal(401)),
    });
    await using rotator = await startRotator({
      providers: {
        azure: {
          base_url: upstream.origin,
          api_version,
          deployments: { 'text-embedding-3-small': 'my-vectors' },
          keys: ['one'],
        },
      },
    });
    const response = await embed(rotator, { model: 'azure/text-embedding-3-small', input: 'abc', input_type: 'query' });
    expect(await response.json()).toMatchObject({ data: [{ embedding: [3, 0.5] }] });
    expect(upstream.calls[0]?.path).toBe(path);
    expect(bodyOf(upstream.calls[0])).toEqual({ model: 'my-vectors', input: 'abc' });
  });
});

describe('a provider that makes no embeddings', () => {
  test('although nobody knew is told of, and neither its key nor its model suffers', async () => {
    await using upstream = await startUpstream({
      answer: ({ path }) => (path.endsWith('/embeddings') ? reply(404, { detail: 'Not Found' }) : chatAnswer('hi')),
    });
    await using rotator = await startRotator({ upstream, keys: ['one'] });
    for (let i = 0; i < 4; i++) {
      const response = await embed(rotator, { model: 'mock/m', input: 'x' });
      const { message } = await expectError(response, { status: 404, type: 'invalid_request_error' });
      expect(message).toBe('mock/m cannot be asked for this: Not Found');
    }
    expect(upstream.calls).toHaveLength(4);
    expect((await rotator.chat()).status).toBe(200);
  });

  test('says so, and nobody is asked', async () => {
    await using upstream = await startUpstream({ keys: { one: openAiVectors } });
    await using rotator = await startRotator({ providers: { groq: { base_url: upstream.baseUrl, keys: ['one'] } } });
    const response = await embed(rotator, { model: 'groq/llama', input: 'x' });
    const { message } = await expectError(response, { status: 404, type: 'invalid_request_error' });
    expect(message).toBe('groq makes no embeddings, so that groq/llama cannot be asked for any');
    expect(upstream.calls).toHaveLength(0);
  });

  test('is passed over in an alias', async () => {
    await using upstream = await startUpstream({ keys: { one: openAiVectors } });
    await using rotator = await startRotator({
      upstream,
      providers: { groq: { base_url: upstream.baseUrl, keys: ['two'] } },
      sections: { aliases: { vectors: { targets: ['groq/llama', 'mock/e'] } } },
    });
    const response = await embed(rotator, { model: 'vectors', input: 'x' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-rotator-target')).toBe('mock/e');
  });
});

test('an embedding server that nobody here wrote is understood', async () => {
  await using home = await tempHome();
  await using mock = await startAimock(
    home,
    ['sk-aimock'],
    [{ match: { endpoint: 'embedding' }, response: { embedding: [0.25, -0.5, 1] } }],
  );
  await using rotator = await startRotator({
    providers: { mock: { base_url: mock.baseUrl, keys: inOrder('sk-wrong', 'sk-aimock') } },
  });
  const { data } = await openai(rotator).embeddings.create({
    model: 'mock/text-embedding-3-small',
    input: ['hello', 'you'],
  });
  expect(data.map(({ embedding }) => [...embedding])).toEqual([
    [0.25, -0.5, 1],
    [0.25, -0.5, 1],
  ]);
});
