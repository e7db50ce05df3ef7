import { describe, expect, test } from 'bun:test';
import { createLog } from '../../src/observe/log.ts';
import { LazyTraces } from '../../src/observe/lazy-traces.ts';
import type { RequestRecord } from '../../src/observe/request-record.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { startCollector } from '../support/collector.ts';

const AT = Date.UTC(2026, 0, 31, 12);

const record = (change: Partial<RequestRecord> = {}): RequestRecord => ({
  id: 'req-1',
  at: AT,
  client: 'laptop',
  model: 'fast',
  target: 'groq/llama',
  credential: 'groq-2',
  attempts: [
    { target: 'mine/m', credential: 'mine-1', status: 429, failure: 'rate-limited', ms: 12, error: 'slow', startMs: 1 },
    { target: 'groq/llama', credential: 'groq-2', status: 200, failure: null, ms: 100, error: null, startMs: 15 },
  ],
  fallbacks: [],
  operation: 'chat',
  traceParent: null,
  status: 200,
  failure: null,
  isStream: true,
  queueMs: 0.5,
  firstByteMs: 115,
  totalMs: 900,
  overheadMs: 0.3,
  inputTokens: 90,
  outputTokens: 40,
  cachedTokens: null,
  reasoningTokens: null,
  costUsd: null,
  ...change,
});

function traces() {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
  return { lines, sent: new LazyTraces({ version: '1.2.3', clock: systemClock, log }) };
}

describe('a request', () => {
  test('is one span, with one below it for each upstream call', async () => {
    using collector = startCollector();
    const { sent } = traces();
    sent.configure(collector.url);
    sent.finished(record());
    await sent.close();
    expect(collector.paths).toEqual(['/v1/traces']);
    const [root, ...others] = [...collector.spans].sort((a, b) => a.startMs - b.startMs);
    expect(root).toMatchObject({
      name: 'chat fast',
      kind: 2,
      parentSpanId: null,
      startMs: AT,
      endMs: AT + 900,
      isError: false,
    });
    expect(root?.attributes).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'fast',
      'gen_ai.provider.name': 'groq',
      'gen_ai.usage.input_tokens': 90,
      'gen_ai.usage.output_tokens': 40,
      'http.response.status_code': 200,
      'rotator.request_id': 'req-1',
      'rotator.client': 'laptop',
      'rotator.target': 'groq/llama',
      'rotator.credential': 'groq-2',
      'rotator.stream': true,
      'rotator.attempts': 2,
      'rotator.queue_ms': 0.5,
      'rotator.first_byte_ms': 115,
      'rotator.overhead_ms': 0.3,
    });
    expect(others).toMatchObject([
      {
        name: 'chat m',
        kind: 3,
        startMs: AT + 1,
        endMs: AT + 13,
        isError: true,
        attributes: { 'error.type': 'rate-limited' },
      },
      // A stream goes on behind its first content.
      { name: 'chat llama', kind: 3, startMs: AT + 15, endMs: AT + 900, isError: false },
    ]);
    for (const span of others)
      expect([span.traceId, span.parentSpanId]).toEqual([root?.traceId ?? '', root?.spanId ?? '']);
  });

  test('belongs to the trace of its client', async () => {
    using collector = startCollector();
    const { sent } = traces();
    sent.configure(collector.url);
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    sent.finished(record({ attempts: [], traceParent: `00-${traceId}-b7ad6b7169203331-01` }));
    // One that is not sampled there is not sent from here.
    sent.finished(record({ attempts: [], traceParent: `00-${traceId}-b7ad6b7169203331-00`, id: 'unsampled' }));
    for (const wrong of ['', 'x', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, `00-${traceId}-b7ad-01`])
      sent.finished(record({ attempts: [], traceParent: wrong, id: 'wrong' }));
    await sent.close();
    const ours = collector.spans.filter((span) => span.traceId === traceId);
    expect(ours).toMatchObject([{ parentSpanId: 'b7ad6b7169203331', attributes: { 'rotator.request_id': 'req-1' } }]);
    expect(collector.spans.filter(({ attributes }) => attributes['rotator.request_id'] === 'wrong')).toHaveLength(4);
    expect(collector.spans).toHaveLength(5);
  });

  test('that failed is an error, and one whose client left is none', async () => {
    using collector = startCollector();
    const { sent } = traces();
    sent.configure(`${collector.url}/v1/traces`);
    sent.finished(record({ attempts: [], failure: 'timeout', status: 504, target: null, model: null }));
    sent.finished(record({ attempts: [], failure: 'client-gone', status: 499 }));
    await sent.close();
    expect(collector.paths).toEqual(['/v1/traces']);
    expect(collector.spans.map(({ name, isError }) => [name, isError])).toEqual([
      ['chat', true],
      ['chat fast', false],
    ]);
  });
});

describe('without a collector', () => {
  test('nothing is sent, and nothing after it was taken away', async () => {
    using collector = startCollector();
    const { sent } = traces();
    sent.finished(record({ id: 'before', attempts: [] }));
    sent.configure(collector.url);
    sent.finished(record({ id: 'within', attempts: [] }));
    sent.configure(null);
    sent.finished(record({ id: 'after', attempts: [] }));
    await sent.close();
    const { promise, resolve } = Promise.withResolvers<void>();
    setImmediate(resolve);
    await promise;
    expect(collector.spans.every(({ attributes }) => attributes['rotator.request_id'] === 'within')).toBe(true);
  });

  test('that takes spans, it is told once, and the end waits only a moment', async () => {
    using collector = startCollector();
    collector.refuse(400);
    const { sent, lines } = traces();
    sent.configure(collector.url);
    for (let i = 0; i < 3; i++) sent.finished(record({ attempts: [] }));
    await sent.close();
    expect(lines.filter((line) => line.includes('traces cannot be sent'))).toHaveLength(1);
  });
});
