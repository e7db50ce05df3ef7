import { describe, expect, test } from 'bun:test';
import { createLog } from '../../src/observe/log.ts';
import { requestFields, requestLine } from '../../src/observe/request-line.ts';
import type { RequestRecord } from '../../src/observe/request-record.ts';

const record: RequestRecord = {
  id: 'req-1',
  at: Date.UTC(2026, 0, 1),
  cachedTokens: null,
  reasoningTokens: null,
  client: 'laptop',
  model: 'fast',
  target: 'groq/llama-3.3-70b-versatile',
  credential: 'groq-1a2b3c4d5e',
  attempts: [
    {
      target: 'groq/llama',
      status: 200,
      ms: 1,
      error: null,
      startMs: 0,
      credential: 'groq-aaaaaaaaaa',
      failure: 'rate-limited',
    },
    { target: 'groq/llama', status: 200, ms: 1, error: null, startMs: 2, credential: 'groq-1a2b3c4d5e', failure: null },
  ],
  fallbacks: [],
  operation: 'chat',
  traceParent: null,
  status: 200,
  failure: null,
  isStream: true,
  queueMs: 0,
  firstByteMs: 123.456,
  totalMs: 999.999,
  overheadMs: 0.251,
  inputTokens: 10,
  outputTokens: 20,
  costUsd: null,
};

const levelOf = (change: Partial<RequestRecord>): string => {
  const lines: string[] = [];
  requestLine(createLog({ level: 'debug', format: 'json', write: (line) => lines.push(line) }), {
    ...record,
    ...change,
  });
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? '').level;
};

test('a request is one line with every column', () => {
  expect(requestFields(record)).toEqual({
    id: 'req-1',
    client: 'laptop',
    model: 'fast',
    target: 'groq/llama-3.3-70b-versatile',
    credential: 'groq-1a2b3c4d5e',
    status: 200,
    failure: null,
    stream: true,
    attempts: 2,
    possibly_billed: false,
    failed: ['groq-aaaaaaaaaa:rate-limited'],
    queue_ms: 0,
    first_byte_ms: 123.5,
    total_ms: 1000,
    overhead_ms: 0.3,
    input_tokens: 10,
    output_tokens: 20,
    cost_usd: null,
  });
});

describe('the level of the line', () => {
  const rows: Record<string, [change: Partial<RequestRecord>, level: string]> = {
    'info for an answer': [{}, 'info'],
    'info for a mistake of the client': [{ status: 404, failure: 'model-not-found' }, 'info'],
    'info for a client that went away': [{ status: 499, failure: 'client-gone' }, 'info'],
    'warn for an upstream that is down': [{ status: 502, failure: 'upstream-error' }, 'warn'],
    'warn for a stream that broke after its status was sent': [{ status: 200, failure: 'lost' }, 'warn'],
  };
  for (const [name, [change, level]] of Object.entries(rows)) test(name, () => expect(levelOf(change)).toBe(level));
});
