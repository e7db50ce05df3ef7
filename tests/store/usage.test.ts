import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { openStore, type Store } from '../../src/store/database.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { START, usageRow } from './rows.ts';

const HOUR = 3_600_000;

let store: Store;
let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock(START);
  store = openStore(':memory:', { clock });
});
afterEach(() => store.close());

const totals = (by: 'provider' | 'model' | 'key' | 'client' | 'day', since = 0, timezone = 'UTC') =>
  store.usage.totals({ by, since, timezone });
const names = (...query: Parameters<typeof totals>) =>
  totals(...query).rows.map(({ name, requests }) => [name, requests]);

const isWritten = [true, false];

describe.each(isWritten)('use that is written: %p', (isFlushed) => {
  const settle = () => {
    if (isFlushed) expect(store.writer.flush()).toBe(true);
  };

  test('is added up by provider, model, key, client and day', () => {
    const { writer } = store;
    writer.usage(usageRow());
    writer.usage(usageRow({ client: 'laptop', failures: 1 }));
    writer.usage(usageRow({ credential: 'groq-2', model: 'qwen/qwen-3', at: START + 24 * HOUR }));
    writer.usage(usageRow({ provider: 'gemini', credential: 'gemini-1', model: 'flash', requests: 3 }));
    settle();
    expect(names('provider')).toEqual([
      ['gemini', 3],
      ['groq', 3],
    ]);
    expect(names('model')).toEqual([
      ['gemini/flash', 3],
      ['groq/llama-3', 2],
      ['groq/qwen/qwen-3', 1],
    ]);
    expect(names('key')).toEqual([
      ['gemini-1', 3],
      ['groq-1a2b3c4d5e', 2],
      ['groq-2', 1],
    ]);
    expect(names('client')).toEqual([
      [null, 5],
      ['laptop', 1],
    ]);
    expect(names('day')).toEqual([
      ['2026-01-01', 5],
      ['2026-01-02', 1],
    ]);
  });

  test('has all its counts in the sums and in the total', () => {
    const row = usageRow({ failures: 1, cachedTokens: 4, reasoningTokens: 2, costUsd: 0.25 });
    store.writer.usage(row);
    settle();
    store.writer.usage(row);
    settle();
    const sum = {
      requests: 2,
      failures: 2,
      inputTokens: 20,
      outputTokens: 10,
      cachedTokens: 8,
      reasoningTokens: 4,
      costUsd: 0.5,
    };
    expect(totals('provider')).toEqual({
      since: 0,
      rows: [{ name: 'groq', ...sum }],
      total: sum,
    });
  });

  test('counts from the beginning of the hour that was asked for', () => {
    for (const at of [START - HOUR, START, START + HOUR]) store.writer.usage(usageRow({ at }));
    settle();
    const { since, total } = totals('provider', START + 1000);
    expect(since).toBe(Date.UTC(2026, 0, 1, 12));
    expect(total.requests).toBe(2);
  });

  test('belongs to the day of the timezone, across a change of the clock', () => {
    // New York leaves winter time in this night: the day there has 23 hours.
    const midnight = Date.UTC(2026, 2, 8, 5);
    for (let hour = -1; hour < 25; hour++) store.writer.usage(usageRow({ at: midnight + hour * HOUR }));
    settle();
    expect(names('day', 0, 'America/New_York')).toEqual([
      ['2026-03-07', 1],
      ['2026-03-08', 23],
      ['2026-03-09', 2],
    ]);
  });

  test('has no cost while no price is known, and the known one when some are', () => {
    store.writer.usage(usageRow());
    settle();
    expect(totals('key').total.costUsd).toBeNull();
    store.writer.usage(usageRow({ costUsd: 0.5 }));
    store.writer.usage(usageRow({ costUsd: null }));
    settle();
    expect(totals('key').total.costUsd).toBe(0.5);
  });
});

test('nothing was used: there are no rows, and a total of nothing', () => {
  expect(totals('day')).toMatchObject({ rows: [], total: { requests: 0, costUsd: null } });
});

test('a lifetime outlasts the hours it is made of', async () => {
  const aged = openStore(':memory:', { clock, retentionMs: HOUR });
  aged.writer.usage(usageRow({ at: START }));
  aged.writer.flush();
  aged.writer.usage(usageRow({ at: START + HOUR, failures: 1 }));
  await clock.advance(5 * HOUR);
  expect(aged.usage.totals({ by: 'key', since: 0, timezone: 'UTC' }).rows).toEqual([]);
  expect([...aged.usage.lifetime()]).toEqual([
    [
      'groq-1a2b3c4d5e',
      {
        firstAt: START,
        lastAt: START + HOUR,
        requests: 2,
        failures: 1,
        inputTokens: 20,
        outputTokens: 10,
        cachedTokens: 0,
        reasoningTokens: 0,
        costUsd: null,
      },
    ],
  ]);
  aged.close();
});

test('a client that makes up model names is counted whole, under one name in the end', () => {
  for (let i = 0; i < 12_000; i++) store.writer.usage(usageRow({ model: `made-up-${i}` }));
  expect(totals('provider').total.requests).toBe(12_000);
  expect(totals('model').rows[0]).toMatchObject({ name: 'groq/(other)', requests: 2_000 });
  expect(store.writer.flush()).toBe(true);
  expect(totals('provider').total.requests).toBe(12_000);
});

describe('numbers that are none', () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1, -0, 1e308, 0.4])('%p holds nothing up', (number) => {
    store.writer.usage(
      usageRow({ at: number, requests: number, inputTokens: number, outputTokens: number, costUsd: number }),
    );
    store.writer.usage(usageRow({ cachedTokens: 3 }));
    expect(store.writer.flush()).toBe(true);
    expect(totals('client', START).rows).toHaveLength(1);
    expect(totals('day').total.cachedTokens).toBe(3);
  });

  test('a moment between two milliseconds is the first of them', () => {
    store.writer.usage(usageRow({ at: START + 0.75 }));
    expect(store.writer.flush()).toBe(true);
    expect(store.usage.lifetime().get('groq-1a2b3c4d5e')?.lastAt).toBe(START);
  });

  test('a sum stays within what the database can hold', () => {
    for (let i = 0; i < 3; i++) {
      for (let n = 0; n < 1000; n++) store.writer.usage(usageRow({ inputTokens: Number.MAX_SAFE_INTEGER }));
      expect(store.writer.flush()).toBe(true);
    }
    expect(totals('provider').total.inputTokens).toBe(3e15);
  });

  test('a model with a name of a megabyte is kept short', () => {
    store.writer.usage(usageRow({ model: 'ü\u0000'.repeat(500_000) }));
    expect(store.writer.flush()).toBe(true);
    expect(totals('model').rows[0]?.name?.length).toBeLessThan(300);
  });
});
