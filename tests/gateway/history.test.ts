import { afterEach, beforeEach, expect, test } from 'bun:test';
import { NO_USAGE, requestById, requestList, usageBy, usageReport } from '../../src/gateway/history.ts';
import { openStore, type Store } from '../../src/store/database.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { loggedRequest, START, usageRow } from '../store/rows.ts';

let store: Store;
beforeEach(() => {
  store = openStore(':memory:', { clock: new ManualClock(START) });
});
afterEach(() => store.close());

const LABELS = new Map([['groq-1a2b3c4d5e', 'work']]);
const labelOf = (id: string) => LABELS.get(id) ?? null;
const ONE = { ...NO_USAGE, requests: 1, input_tokens: 10, output_tokens: 5 };

test('a report of keys has the labels of those that are still there', () => {
  store.writer.usage(usageRow());
  store.writer.usage(usageRow({ credential: 'groq-gone' }));
  expect(usageReport(store, { by: 'key', since: START }, 'UTC', labelOf)).toEqual({
    by: 'key',
    since: '2026-01-01T12:00:00.000Z',
    rows: [
      { name: 'groq-1a2b3c4d5e', label: 'work', ...ONE },
      { name: 'groq-gone', label: null, ...ONE },
    ],
    total: { ...ONE, requests: 2, input_tokens: 20, output_tokens: 10 },
  });
});

test('a client is never taken for a credential, and the anonymous one has no name', () => {
  store.writer.usage(usageRow({ client: 'groq-1a2b3c4d5e' }));
  store.writer.usage(usageRow({ client: null, costUsd: 0.5 }));
  const { rows } = usageReport(store, { by: 'client', since: START }, 'UTC', labelOf);
  expect(rows.map(({ name, label, cost_usd }) => [name, label, cost_usd])).toEqual([
    [null, null, 0.5],
    ['groq-1a2b3c4d5e', null, null],
  ]);
});

test('status can look up what each provider and each key has used', () => {
  store.writer.usage(usageRow());
  const { of, total } = usageBy(store, 'provider', START);
  expect([...of]).toEqual([['groq', ONE]]);
  expect(total).toEqual(ONE);
  expect(usageBy(store, 'key', START + 3_600_000).total).toEqual(NO_USAGE);
});

test('requests are seen as soon as they are over', () => {
  store.writer.request(loggedRequest({ id: 'a', totalMs: 12.3456 }));
  store.writer.request(loggedRequest({ id: 'b', status: 502, failure: 'upstream-error' }));
  const query = { limit: 10, failedOnly: false, before: null, after: null };
  expect(requestList(store, query).map(({ id }) => id)).toEqual(['b', 'a']);
  expect(requestList(store, { ...query, failedOnly: true }).map(({ id }) => id)).toEqual(['b']);
  expect(requestById(store, 'a')).toMatchObject({
    seq: 1,
    at: '2026-01-01T12:30:00.000Z',
    stream: false,
    total_ms: 12.3,
    cost_usd: null,
    attempts: [{ credential: 'groq-1a2b3c4d5e', status: 200, error: null }],
  });
  expect(requestById(store, 'nobody')).toBeNull();
});
