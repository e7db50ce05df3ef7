import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { addCounts, NOTHING_USED, type UsageCounts } from '../../src/observe/usage-counts.ts';
import { HOUR_MS, PendingUsage, type UsageRow } from '../../src/store/usage-table.ts';
import { START, usageRow } from './rows.ts';

const countsOf = ({ inputTokens, outputTokens, cachedTokens, reasoningTokens, ...row }: UsageRow): UsageCounts => ({
  requests: row.requests,
  failures: row.failures,
  inputTokens: inputTokens ?? 0,
  outputTokens: outputTokens ?? 0,
  cachedTokens: cachedTokens ?? 0,
  reasoningTokens: reasoningTokens ?? 0,
  costUsd: row.costUsd,
});

/** By kind: what waits, and from when to when. */
const waiting = (pending: PendingUsage) =>
  Object.fromEntries(
    [...pending.buckets()].map(({ kind, counts, firstAt, lastAt }) => [
      [kind.hour, kind.provider, kind.credential, kind.model, kind.client].join(' '),
      { counts: { ...counts }, firstAt, lastAt },
    ]),
  );

const count = fc.option(fc.nat(1000), { nil: null });
const rows = fc.array(
  fc.record({
    at: fc.integer({ min: START, max: START + 3 * HOUR_MS }),
    // Of one provider each, as credentials are.
    credential: fc.constantFrom('groq-1', 'groq-2', 'gemini-1'),
    model: fc.constantFrom('a', 'b'),
    client: fc.constantFrom(null, '', 'laptop'),
    requests: fc.nat(3),
    failures: fc.nat(3),
    inputTokens: count,
    outputTokens: count,
    cachedTokens: count,
    reasoningTokens: count,
    costUsd: fc.option(fc.nat(100), { nil: null }),
  }),
  { maxLength: 40 },
);

test('in whatever order it comes, use is added up by hour, credential, model and client', () => {
  fc.assert(
    fc.property(rows, rows, (before, after) => {
      const pending = new PendingUsage();
      for (const drawn of [before, after]) {
        const expected: Record<string, { counts: UsageCounts; firstAt: number; lastAt: number }> = {};
        for (const fields of drawn) {
          const row: UsageRow = { provider: fields.credential.split('-')[0] ?? '', ...fields };
          pending.add(row);
          const { at, provider, credential, model, client } = row;
          const key = [at - (at % HOUR_MS), provider, credential, model, client ?? ''].join(' ');
          const known = expected[key];
          expected[key] = {
            counts: addCounts(known?.counts ?? NOTHING_USED, countsOf(row)),
            firstAt: Math.min(known?.firstAt ?? at, at),
            lastAt: Math.max(known?.lastAt ?? at, at),
          };
        }
        expect(waiting(pending)).toEqual(expected);
        pending.clear();
        expect(pending.size).toBe(0);
      }
    }),
  );
});

test('beyond 10,000 kinds the model is not told from others, and nothing is lost', () => {
  const pending = new PendingUsage();
  for (let i = 0; i < 10_003; i++) pending.add(usageRow({ model: `made-up-${i}` }));
  pending.add(usageRow({ model: 'made-up-10002' }));
  pending.add(usageRow({ model: 'made-up-7' }));
  const byModel = new Map([...pending.buckets()].map(({ kind, counts }) => [kind.model, counts.requests]));
  expect(byModel.size).toBe(10_001);
  expect(byModel.get('(other)')).toBe(4);
  expect(byModel.get('made-up-7')).toBe(2);
});
