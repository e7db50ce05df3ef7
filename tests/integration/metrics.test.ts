import { describe, expect, test } from 'bun:test';
import { Page, type Sample } from '../support/prometheus.ts';
import { answer, chatStream, refusal, reply, startUpstream } from '../support/scripted-upstream.ts';
import { adminToken, clientKey, inOrder, type Rotator, startRotator } from '../support/server.ts';

const scrape = (rotator: Rotator, key: string = adminToken) =>
  fetch(`${rotator.url}/metrics`, { headers: { authorization: `Bearer ${key}` } });

async function valuesOf(rotator: Rotator, name: string): Promise<readonly Sample[]> {
  const response = await scrape(rotator);
  expect(response.headers.get('content-type')).toStartWith('text/plain; version=0.0.4');
  return new Page(await response.text()).samples(name);
}

describe('/metrics', () => {
  test('is for the admin token alone', async () => {
    await using rotator = await startRotator();
    expect((await scrape(rotator, clientKey)).status).toBe(401);
    expect((await fetch(`${rotator.url}/metrics`)).status).toBe(401);
    expect((await scrape(rotator)).status).toBe(200);
  });

  test('tells what requests, attempts, fallbacks and keys went through', async () => {
    await using first = await startUpstream({ keys: { bad: refusal(429, {}, { 'retry-after': '600' }) } });
    await using second = await startUpstream({ answer: () => chatStream('ok') });
    await using rotator = await startRotator({
      upstream: first,
      keys: inOrder('bad'),
      providers: { other: { base_url: second.baseUrl, keys: ['k'] } },
      sections: { aliases: { fast: { targets: ['mock/m', 'other/m'] } } },
    });
    await (await rotator.stream({ model: 'fast' })).text();
    expect(await valuesOf(rotator, 'rotator_requests_total')).toEqual([{ target: 'other/m', outcome: 'ok', value: 1 }]);
    expect(await valuesOf(rotator, 'rotator_attempts_total')).toEqual([
      { target: 'mock/m', failure: 'rate-limited', value: 1 },
      { target: 'other/m', failure: 'none', value: 1 },
    ]);
    expect(await valuesOf(rotator, 'rotator_fallbacks_total')).toEqual([
      { from: 'mock/m', to: 'other/m', reason: 'rate-limited', value: 1 },
    ]);
    const credentials = await valuesOf(rotator, 'rotator_credentials');
    expect(credentials).toContainEqual({ provider: 'other', state: 'ready', value: 1 });
    expect(credentials).toContainEqual({ provider: 'other', state: 'blocked', value: 0 });
    expect(await valuesOf(rotator, 'rotator_blocks')).toEqual([
      { provider: 'mock', kind: expect.any(String), value: 1 },
    ]);
    expect(await valuesOf(rotator, 'gen_ai_client_operation_time_to_first_chunk_seconds_count')).toMatchObject([
      { gen_ai_provider_name: 'other', gen_ai_request_model: 'm', value: 1 },
    ]);
  });

  test('counts a fallback whose first target was not even tried', async () => {
    await using first = await startUpstream({ keys: { bad: refusal(429, {}, { 'retry-after': '600' }) } });
    await using second = await startUpstream({ answer: () => answer('ok') });
    await using rotator = await startRotator({
      upstream: first,
      keys: inOrder('bad'),
      providers: { other: { base_url: second.baseUrl, keys: ['k'] } },
      sections: { aliases: { fast: { targets: ['mock/m', 'other/m'] } } },
    });
    for (let i = 0; i < 3; i++) expect((await rotator.chat({ model: 'fast' })).status).toBe(200);
    expect(first.calls).toHaveLength(1);
    expect(await valuesOf(rotator, 'rotator_fallbacks_total')).toEqual([
      { from: 'mock/m', to: 'other/m', reason: 'rate-limited', value: 3 },
    ]);
  });
});

test('embeddings that went together tell of their fallbacks and times like any other request', async () => {
  await using first = await startUpstream({ keys: { bad: refusal(429, {}, { 'retry-after': '600' }) } });
  const data = [{ object: 'embedding', index: 0, embedding: [0.5] }];
  const usage = { prompt_tokens: 1, total_tokens: 1 };
  await using second = await startUpstream({ answer: () => reply(200, { object: 'list', model: 'm', data, usage }) });
  await using rotator = await startRotator({
    upstream: first,
    keys: inOrder('bad'),
    providers: { other: { base_url: second.baseUrl, keys: ['k'] } },
    sections: { aliases: { vectors: { targets: ['mock/m', 'other/m'] } } },
  });
  const response = await fetch(`${rotator.url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${clientKey}` },
    body: JSON.stringify({ model: 'vectors', input: 'x' }),
  });
  expect(response.status).toBe(200);
  expect(await valuesOf(rotator, 'rotator_fallbacks_total')).toEqual([
    { from: 'mock/m', to: 'other/m', reason: 'rate-limited', value: 1 },
  ]);
  expect(await valuesOf(rotator, 'gen_ai_client_operation_duration_seconds_count')).toMatchObject([
    { gen_ai_operation_name: 'embeddings', gen_ai_provider_name: 'other', value: 1 },
  ]);
});
