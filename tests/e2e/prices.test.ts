// What ships inside the binary beside its code: prices, facts of models, and the tokenizer with its worker.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { endAll, CLIENT_KEY, ensureBinary, runBinary, startServer } from '../support/binary.ts';
import { completion, reply, startUpstream } from '../support/scripted-upstream.ts';
import { tempHome } from '../support/temp-home.ts';

beforeAll(ensureBinary, 120_000);
afterAll(endAll);

test('a compiled server knows prices and windows, counts tokens with a tokenizer, and asks nobody for them', async () => {
  const usage = { prompt_tokens: 1_000_000, completion_tokens: 0, total_tokens: 1_000_000 };
  await using upstream = await startUpstream({
    models: ['gpt-4o'],
    keys: { k1: reply(200, completion('hi', { usage })) },
  });
  await using home = await tempHome();
  const config = await home.write(
    'rotator.yaml',
    `providers: { openai: { base_url: "${upstream.baseUrl}", keys: [k1] } }\n`,
  );
  await using server = await startServer(['--config', config], { home });
  const ask = async (path: string, body?: object): Promise<unknown> => {
    const headers = { authorization: `Bearer ${CLIENT_KEY}`, 'content-type': 'application/json' };
    const post = body && { method: 'POST', body: JSON.stringify(body) };
    return await (await server.fetch(path, { headers, ...post })).json();
  };
  const messages = [{ role: 'user', content: 'hello world' }];
  expect(await ask('/v1/token-count', { model: 'openai/gpt-4o', messages })).toEqual({
    token_count: 9,
    source: 'tokenizer',
  });
  expect(await ask('/v1/token-count', { model: 'openai/gpt-4', messages })).toEqual({
    token_count: 9,
    source: 'tokenizer',
  });
  expect(await ask('/v1/models/openai/gpt-4o')).toMatchObject({
    context_length: 128_000,
    pricing: { prompt: 0.0000025 },
  });
  await (await server.chat({ model: 'openai/gpt-4o', messages })).text();
  const report = await runBinary(['usage', '--json', '--config', config], { home });
  expect(JSON.parse(report.stdout)).toMatchObject({ total: { cost_usd: 2.5 } });
});
