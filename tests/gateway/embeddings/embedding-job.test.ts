import { describe, expect, test } from 'bun:test';
import { geminiCall, openAiCall } from '../../../src/gateway/embeddings/embedding-call.ts';
import { EmbeddingJob } from '../../../src/gateway/embeddings/embedding-job.ts';
import { targetOf } from '../../../src/gateway/plan.ts';
import { isProblem } from '../../../src/protocols/codec.ts';
import { readGeminiEmbedding } from '../../../src/protocols/embeddings/gemini.ts';
import { readEmbeddingRequest } from '../../../src/protocols/embeddings/openai.ts';
import { providers } from '../../../src/providers/index.ts';
import { runtimeOf } from '../routes-fixture.ts';

const bytesOf = (body: unknown) => new TextEncoder().encode(JSON.stringify(body));

function jobOf(body: object): EmbeddingJob {
  const request = readEmbeddingRequest(bytesOf({ model: 'm', ...body }));
  if (isProblem(request)) throw new Error(request.message);
  const call = openAiCall(request, null);
  return new EmbeddingJob(call, call.items);
}

function sentBy(provider: string, model: string, body: object) {
  const prepared = jobOf(body).prepare(targetOf(runtimeOf(provider, {}), model));
  if (isProblem(prepared)) return prepared.message;
  const sent: unknown = JSON.parse(new TextDecoder().decode(prepared.body));
  return { path: new URL(prepared.url).pathname, sent, changes: prepared.changes };
}

describe('a request for embeddings', () => {
  test.each([
    [
      'openai',
      'text-embedding-3-small',
      { input: 'x', dimensions: 8, input_type: 'query', user: 'u' },
      { path: '/v1/embeddings', sent: { model: 'text-embedding-3-small', input: 'x', dimensions: 8, user: 'u' } },
      ['input_type removed'],
    ],
    [
      'openai',
      'text-embedding-ada-002',
      { input: ['x'], dimensions: 8 },
      { path: '/v1/embeddings', sent: { model: 'text-embedding-ada-002', input: ['x'] } },
      ['dimensions removed'],
    ],
    [
      'mistral',
      'codestral-embed',
      { input: 'x', dimensions: 8, input_type: 'query', user: 'u' },
      { path: '/v1/embeddings', sent: { model: 'codestral-embed', input: 'x', output_dimension: 8 } },
      ['input_type removed', 'user removed', 'dimensions → output_dimension'],
    ],
    [
      'nvidia',
      'nv-embed',
      { input: 'x' },
      { path: '/v1/embeddings', sent: { model: 'nv-embed', input: 'x', input_type: 'passage' } },
      ['input_type set'],
    ],
    [
      'nvidia',
      'nv-embed',
      { input: 'x', input_type: 'search_query' },
      { path: '/v1/embeddings', sent: { model: 'nv-embed', input: 'x', input_type: 'query' } },
      ['input_type search_query → query'],
    ],
    [
      'cohere',
      'embed-v4.0',
      { input: ['x'], input_type: 'RETRIEVAL_QUERY', dimensions: 8 },
      {
        path: '/v2/embed',
        sent: {
          model: 'embed-v4.0',
          texts: ['x'],
          input_type: 'search_query',
          embedding_types: ['float'],
          output_dimension: 8,
        },
      },
      [],
    ],
    [
      'gemini',
      'e',
      { input: ['x', 'y'], input_type: 'clustering' },
      {
        path: '/v1/models/e:batchEmbedContents',
        sent: {
          requests: ['x', 'y'].map((text) => ({
            model: 'models/e',
            content: { parts: [{ text }] },
            taskType: 'CLUSTERING',
          })),
        },
      },
      [],
    ],
    [
      'ollama',
      'nomic-embed-text',
      { input: 'x', dimensions: 8, anything: { of: 'its own' } },
      {
        path: '/v1/embeddings',
        sent: { model: 'nomic-embed-text', input: 'x', dimensions: 8, anything: { of: 'its own' } },
      },
      [],
    ],
  ])('goes to %s for %s in its words', (provider, model, body, expected, changes) => {
    expect(sentBy(provider, model, body)).toEqual({ ...expected, changes });
  });

  test('of tokens goes only where tokens are taken', () => {
    const takers = ['openai', 'openrouter', 'mine'];
    for (const provider of ['openai', 'openrouter', 'mine', 'mistral', 'gemini', 'cohere', 'nvidia', 'ollama']) {
      const sent = sentBy(provider, 'text-embedding-3-small', { input: [[1, 2], [3]] });
      expect([provider, typeof sent === 'object']).toEqual([provider, takers.includes(provider)]);
    }
  });

  test('goes to nobody who makes none', () => {
    for (const provider of ['anthropic', 'groq', 'deepseek', 'g4f', 'cerebras']) {
      expect(sentBy(provider, 'm', { input: 'x' })).toBe(
        `${provider} makes no embeddings, so that ${provider}/m cannot be asked for any`,
      );
    }
  });

  test('has room for one input at least wherever embeddings are made', () => {
    const makers = providers.filter(({ embeddings }) => embeddings);
    expect(makers.length).toBeGreaterThan(8);
    expect(makers.every(({ embeddings }) => (embeddings?.maxInputs ?? 0) > 0)).toBe(true);
  });
});

describe('a reply', () => {
  const target = targetOf(runtimeOf('mine', {}), 'm');
  const factsOf = (reply: unknown, body: object = { input: ['a', 'b'] }) => {
    const prepared = jobOf(body).prepare(target);
    if (isProblem(prepared)) throw new Error(prepared.message);
    return prepared.codec.readReply(bytesOf(reply));
  };
  const row = (index: number, embedding: unknown = [1]) => ({ object: 'embedding', index, embedding });

  test('is an answer when every input has its vector', () => {
    expect(factsOf({ data: [row(1), row(0)], usage: { prompt_tokens: 7 } })).toMatchObject({
      state: 'answer',
      usage: { inputTokens: 7, outputTokens: 0 },
    });
  });

  test.each([
    ['one vector too few', { data: [row(0)] }],
    ['one too many', { data: [row(0), row(1), row(2)] }],
    ['the same input twice, in numbers where base64 was wanted', { data: [row(0), row(0)] }],
    ['none', { data: [] }],
    ['something else', ['x']],
  ])('with %s is none', (_, reply) => {
    expect(factsOf(reply, { input: ['a', 'b'], encoding_format: 'base64' }).state).toBe('unreadable');
  });

  test('that reports an error is one', () => {
    expect(factsOf({ error: { message: 'no' } })).toEqual({ state: 'error', error: { error: { message: 'no' } } });
  });
});

describe('a request of Gemini’s', () => {
  const read = (body: object, method: 'embedContent' | 'batchEmbedContents') =>
    readGeminiEmbedding(bytesOf(body), method);

  test('whose inputs differ in what they are for goes to Gemini alone', () => {
    const requests = ['CLUSTERING', 'CLASSIFICATION'].map((taskType) => ({
      content: { parts: [{ text: 'x' }] },
      taskType,
    }));
    const request = read({ requests }, 'batchEmbedContents');
    if (isProblem(request)) throw new Error(request.message);
    const call = geminiCall(request);
    const job = new EmbeddingJob(call, call.items);
    const prepared = job.prepare(targetOf(runtimeOf('gemini', {}), 'e'));
    expect(isProblem(prepared)).toBe(false);
    expect(job.prepare(targetOf(runtimeOf('mine', {}), 'e'))).toMatchObject({
      status: 400,
      message: 'mine/e takes texts alone, each with the same settings',
    });
  });

  test.each([
    [{}, 'embedContent', 'content is missing or no object'],
    [{ content: 'x' }, 'embedContent', 'content is missing or no object'],
    [{}, 'batchEmbedContents', 'requests is missing'],
    [{ requests: {} }, 'batchEmbedContents', 'requests must be an array'],
    [{ requests: [] }, 'batchEmbedContents', 'requests must not be empty'],
    [{ requests: [{ content: { parts: [] } }, 7] }, 'batchEmbedContents', 'requests[1] must be an object'],
    [{ requests: [{ content: {} }, {}] }, 'batchEmbedContents', 'requests[1].content is missing or no object'],
  ] as const)('that is wrong is told what is: %j by %s', (body, method, message) => {
    expect(read(body, method)).toMatchObject({ status: 400, message });
  });
});
