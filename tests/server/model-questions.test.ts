import { describe, expect, test } from 'bun:test';
import { errorOf } from '../support/expect-error.ts';
import { fakeServer, withKey } from './fake-deps.ts';

const post = (body: unknown): RequestInit => ({
  ...withKey(),
  method: 'POST',
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

describe('POST /v1/cost-estimate', () => {
  const ask = (body: unknown) => fakeServer().send('/v1/cost-estimate', post(body));

  test('adds what comes from a cache and goes into one to the prompt', async () => {
    const response = await ask({
      model: 'groq/llama-3',
      prompt_tokens: 1000,
      completion_tokens: 100,
      cache_read_tokens: 2000,
      cache_creation_tokens: 400,
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      model: 'groq/llama-3',
      // 1000 × 2 + 100 × 10 + 2000 × 0.2 + 400 × 2.5, by the million.
      cost: 0.0044,
      currency: 'USD',
      pricing: { prompt: 0.000002, completion: 0.00001, cached_input: 2e-7, cache_write: 0.0000025 },
      source: 'packaged',
    });
  });

  test('takes what is not said for 0', async () => {
    expect(await (await ask({ model: 'groq/llama-3', completion_tokens: null })).json()).toMatchObject({ cost: 0 });
  });

  test('knows that it does not know', async () => {
    const response = await ask({ model: 'groq/unheard-of', prompt_tokens: 5 });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      model: 'groq/unheard-of',
      cost: null,
      currency: 'USD',
      pricing: null,
      source: 'unknown',
    });
  });

  test.each([
    ['no JSON', '{', 'not valid JSON'],
    ['no object', [], 'must be a JSON object'],
    ['no model', { prompt_tokens: 1 }, 'needs a "model"'],
    ['an empty model', { model: ' ' }, 'needs a "model"'],
    ['half a token', { model: 'm', prompt_tokens: 0.5 }, '"prompt_tokens" must be a whole number'],
    ['less than no tokens', { model: 'm', cache_read_tokens: -1 }, '"cache_read_tokens" must be a whole number'],
    ['a word', { model: 'm', completion_tokens: '7' }, '"completion_tokens" must be a whole number'],
  ])('refuses %s', async (_, body, message) => {
    const response = await ask(body);
    expect(response.status).toBe(400);
    expect((await errorOf(response)).message).toContain(message);
  });

  test('tells a client nothing of a model that it may not use', async () => {
    expect((await ask({ model: 'groq/secret' })).status).toBe(403);
  });

  test('needs a client key', async () => {
    const response = await fakeServer().send('/v1/cost-estimate', { method: 'POST', body: '{"model":"m"}' });
    expect(response.status).toBe(401);
  });
});
