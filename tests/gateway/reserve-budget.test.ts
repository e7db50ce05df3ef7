import { expect, test } from 'bun:test';
import { spentBy } from '../../src/gateway/reserve-budget.ts';
import type { Usage } from '../../src/protocols/codec.ts';

const usage = (inputTokens: number | null, outputTokens: number | null, costUsd: number | null = null): Usage => ({
  inputTokens,
  outputTokens,
  cachedTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: null,
  audioInputTokens: null,
  audioOutputTokens: null,
  costUsd,
});

const whole = { attempts: 1, status: 200, isWhole: true, usage: usage(90, 10, 0.5), pieces: 40 };
const left = { ...whole, isWhole: false };

const rows: [name: string, end: Parameters<typeof spentBy>[0], spent: ReturnType<typeof spentBy>][] = [
  ['nothing where no upstream was called', { ...whole, attempts: 0, status: 429 }, { kind: 'nothing' }],
  ['what a whole answer says, however many pieces it came in', whole, { kind: 'known', tokens: 100, usd: 0.5 }],
  ['the input of an embedding', { ...whole, usage: usage(90, null) }, { kind: 'known', tokens: 90, usd: null }],
  ['the estimate where a whole answer says nothing', { ...whole, usage: null }, { kind: 'unknown', outputTokens: 40 }],
  ['what was seen of a stream that broke off', left, { kind: 'unknown', outputTokens: 40 }],
  ['what it told, where that is more', { ...left, pieces: 5 }, { kind: 'known', tokens: 100, usd: 0.5 }],
  [
    'the estimate where the client left first',
    { ...left, status: 499, usage: null, pieces: 0 },
    { kind: 'unknown', outputTokens: 0 },
  ],
  [
    'no tokens of what was refused',
    { ...left, status: 400, usage: null, pieces: 0 },
    { kind: 'known', tokens: 0, usd: 0 },
  ],
];
test.each(rows)('a request has used %s', (_, end, spent) => {
  expect(spentBy(end)).toEqual(spent);
});
