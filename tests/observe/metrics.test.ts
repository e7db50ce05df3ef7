import { describe, expect, test } from 'bun:test';
import { LazyMetrics } from '../../src/observe/lazy-metrics.ts';
import { type EngineState, Metrics } from '../../src/observe/metrics.ts';
import type { RequestRecord } from '../../src/observe/request-record.ts';
import { Page } from '../support/prometheus.ts';

const IDLE: EngineState = { credentials: [], blocks: [], pools: [], storeQueue: 0 };
const options = {
  version: '1.2.3',
  startedAt: Date.UTC(2026, 0, 1),
  isListed: (name: string) => name.startsWith('groq/'),
};

const record = (change: Partial<RequestRecord> = {}): RequestRecord => ({
  id: 'req-1',
  at: Date.UTC(2026, 0, 1),
  client: 'laptop',
  model: 'fast',
  target: 'groq/llama',
  credential: 'groq-1',
  attempts: [],
  fallbacks: [],
  operation: 'chat',
  traceParent: null,
  status: 200,
  failure: null,
  isStream: false,
  queueMs: 0,
  firstByteMs: null,
  totalMs: 1500,
  overheadMs: 0.3,
  inputTokens: null,
  outputTokens: null,
  cachedTokens: null,
  reasoningTokens: null,
  costUsd: null,
  ...change,
});

async function scraped(metrics: Metrics | LazyMetrics, state: EngineState = IDLE): Promise<Page> {
  const answer = await metrics.scrape(state);
  return new Page(typeof answer === 'string' ? answer : answer.text);
}

describe('a finished request', () => {
  test('is counted by target, outcome and client', async () => {
    const metrics = new Metrics(options);
    metrics.finished(record());
    metrics.finished(record());
    metrics.finished(record({ target: null, failure: 'model-not-found', status: 404, client: null }));
    const page = await scraped(metrics);
    expect(page.typeOf('rotator_requests_total')).toBe('COUNTER');
    expect(page.samples('rotator_requests_total')).toEqual([
      { target: 'groq/llama', outcome: 'ok', value: 2 },
      { target: 'none', outcome: 'model-not-found', value: 1 },
    ]);
    expect(page.samples('rotator_client_requests_total')).toEqual([
      { client: 'laptop', outcome: 'ok', value: 2 },
      { client: 'none', outcome: 'model-not-found', value: 1 },
    ]);
  });

  test.each([
    ['target', record({ target: 'groq/qwen' }), 'rotator_requests_total'],
    ['failure', record({ failure: 'timeout' }), 'rotator_requests_total'],
    ['client', record({ client: 'phone' }), 'rotator_client_requests_total'],
    ['operation', record({ operation: 'embeddings' }), 'gen_ai_client_operation_duration_seconds_count'],
  ])('is not taken for the one before it, which had another %s', async (_, other, name) => {
    const metrics = new Metrics(options);
    for (const finished of [record(), other, other, record(), other]) metrics.finished(finished);
    const counts = (await scraped(metrics)).samples(name).map(({ value }) => value);
    expect(counts).toEqual([2, 3]);
  });

  test('tells its attempts by failure, and its fallbacks', async () => {
    const metrics = new Metrics(options);
    const attempt = { credential: 'k', status: 429, ms: 1, error: null, startMs: 0 };
    metrics.finished(
      record({
        attempts: [
          { ...attempt, target: 'groq/llama', failure: 'rate-limited' },
          { ...attempt, target: 'groq/llama', failure: 'rate-limited' },
          { ...attempt, target: 'mine/m', failure: null },
        ],
        fallbacks: [{ from: 'groq/llama', to: 'mine/m', reason: 'rate-limited' }],
      }),
    );
    const page = await scraped(metrics);
    expect(page.samples('rotator_attempts_total')).toEqual([
      { target: 'groq/llama', failure: 'rate-limited', value: 2 },
      { target: 'mine/m', failure: 'none', value: 1 },
    ]);
    expect(page.samples('rotator_fallbacks_total')).toEqual([
      { from: 'groq/llama', to: 'mine/m', reason: 'rate-limited', value: 1 },
    ]);
  });

  test('has its times as histograms, under the names of OpenTelemetry where they have one', async () => {
    const metrics = new Metrics(options);
    metrics.finished(record({ isStream: true, firstByteMs: 200, queueMs: 50 }));
    metrics.finished(record({ failure: 'timeout', totalMs: 90_000 }));
    const page = await scraped(metrics);
    const genAi = {
      gen_ai_operation_name: 'chat',
      gen_ai_provider_name: 'groq',
      gen_ai_request_model: 'llama',
    };
    const duration = 'gen_ai_client_operation_duration_seconds';
    expect(page.typeOf(duration)).toBe('HISTOGRAM');
    const timeout = { ...genAi, error_type: 'timeout' };
    expect(page.samples(`${duration}_sum`)).toEqual([
      { ...genAi, error_type: '', value: 1.5 },
      { ...timeout, value: 90 },
    ]);
    const buckets = page
      .samples(`${duration}_bucket`)
      .filter(({ le }) => ['1.28', '2.56', '81.92', '+Inf'].includes(`${le}`));
    expect(buckets.map(({ error_type, le, value }) => [error_type, le, value])).toEqual([
      ['', '1.28', 0],
      ['', '2.56', 1],
      ['', '81.92', 1],
      ['', '+Inf', 1],
      ['timeout', '1.28', 0],
      ['timeout', '2.56', 0],
      ['timeout', '81.92', 0],
      ['timeout', '+Inf', 1],
    ]);
    expect(page.samples('gen_ai_client_operation_time_to_first_chunk_seconds_sum')).toEqual([{ ...genAi, value: 0.2 }]);
    expect(page.samples('rotator_queue_seconds_sum')).toEqual([{ provider: 'groq', value: 0.05 }]);
    expect(page.samples('rotator_overhead_seconds_count')).toEqual([{ value: 2 }]);
  });

  test('tells tokens and cost, and nothing where nobody knows', async () => {
    const metrics = new Metrics(options);
    metrics.finished(record({ inputTokens: 100, outputTokens: 20, cachedTokens: 60, costUsd: 0.5 }));
    metrics.finished(record());
    const page = await scraped(metrics);
    expect(page.samples('rotator_tokens_total')).toEqual([
      { target: 'groq/llama', type: 'input', value: 100 },
      { target: 'groq/llama', type: 'output', value: 20 },
      { target: 'groq/llama', type: 'cached', value: 60 },
    ]);
    expect(page.samples('rotator_cost_usd_total')).toEqual([{ target: 'groq/llama', value: 0.5 }]);
    expect(page.samples('rotator_client_cost_usd_total')).toEqual([{ client: 'laptop', value: 0.5 }]);
    expect(page.samples('gen_ai_client_token_usage_sum')).toMatchObject([
      { gen_ai_token_type: 'input', value: 100 },
      { gen_ai_token_type: 'output', value: 20 },
    ]);
  });
});

describe('names that clients make up', () => {
  test('share one label beyond a bound; those of a list keep theirs', async () => {
    const metrics = new Metrics(options);
    for (let i = 0; i < 5000; i++) metrics.finished(record({ target: `mine/made-up-${i}` }));
    for (let i = 0; i < 100; i++) metrics.finished(record({ target: `groq/listed-${i}` }));
    const counted = (await scraped(metrics)).samples('rotator_requests_total');
    expect(counted.filter(({ target }) => `${target}`.startsWith('mine/'))).toHaveLength(51);
    expect(counted.find(({ target }) => target === 'mine/other')?.value).toBe(4950);
    expect(counted.filter(({ target }) => `${target}`.startsWith('groq/'))).toHaveLength(100);
  });

  test('cannot break the format', async () => {
    const metrics = new Metrics(options);
    const target = 'mine/a"b\\c\nd{}=\u0000é';
    metrics.finished(record({ target }));
    expect((await scraped(metrics)).samples('rotator_requests_total')).toEqual([{ target, outcome: 'ok', value: 1 }]);
  });
});

describe('a scrape', () => {
  const busy: EngineState = {
    credentials: [
      { provider: 'groq', state: 'ready', count: 2 },
      { provider: 'groq', state: 'blocked', count: 1 },
    ],
    blocks: [{ provider: 'groq', kind: 'rate_limit', count: 1 }],
    pools: [{ provider: 'groq', inFlight: 3, waiting: 4 }],
    storeQueue: 5,
  };

  test('tells how things stand then, and forgets how they stood before', async () => {
    const metrics = new Metrics(options);
    const page = await scraped(metrics, busy);
    expect(page.samples('rotator_credentials')).toEqual([
      { provider: 'groq', state: 'ready', value: 2 },
      { provider: 'groq', state: 'blocked', value: 1 },
    ]);
    expect(page.samples('rotator_blocks')).toEqual([{ provider: 'groq', kind: 'rate_limit', value: 1 }]);
    expect(page.samples('rotator_in_flight')).toEqual([{ provider: 'groq', value: 3 }]);
    expect(page.samples('rotator_waiting')).toEqual([{ provider: 'groq', value: 4 }]);
    expect(page.samples('rotator_store_queue')).toEqual([{ value: 5 }]);
    expect((await scraped(metrics)).samples('rotator_blocks')).toEqual([]);
  });

  test('tells of the process', async () => {
    const page = await scraped(new Metrics(options));
    expect(page.samples('rotator_build_info')).toEqual([{ version: '1.2.3', value: 1 }]);
    expect(page.samples('process_start_time_seconds')).toEqual([{ value: Date.UTC(2026, 0, 1) / 1000 }]);
    expect(page.samples('process_resident_memory_bytes')[0]?.value).toBeGreaterThan(1e6);
    expect(page.samples('process_cpu_seconds_total')[0]?.value).toBeGreaterThan(0);
  });
});

test('what finished before the counting was loaded is counted', async () => {
  const metrics = new LazyMetrics(options);
  for (let i = 0; i < 1200; i++) metrics.finished(record());
  const page = await scraped(metrics);
  expect(page.samples('rotator_requests_total')).toEqual([{ target: 'groq/llama', outcome: 'ok', value: 1200 }]);
  metrics.finished(record());
  expect((await scraped(metrics)).samples('rotator_requests_total')[0]?.value).toBe(1201);
});
