import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { LoggedRequest } from '../../src/observe/request-record.ts';
import { openStore, type RequestQuery, type Store } from '../../src/store/database.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { everything, loggedRequest, START } from './rows.ts';

let store: Store;
beforeEach(() => {
  store = openStore(':memory:', { clock: new ManualClock(START) });
});
afterEach(() => store.close());

const log = (...rows: readonly Partial<LoggedRequest>[]) => {
  for (const row of rows) store.writer.request(loggedRequest(row));
  expect(store.writer.flush()).toBe(true);
};
const ids = (query: Partial<RequestQuery> = {}) => store.requests.list({ ...everything, ...query }).map(({ id }) => id);

describe('the request log', () => {
  test('keeps what it was given', () => {
    const request = loggedRequest({
      client: 'laptop',
      isStream: true,
      firstByteMs: 12.25,
      cachedTokens: 3,
      reasoningTokens: 0,
      costUsd: 0.001,
      attempts: [
        { target: 'groq/a', credential: 'groq-1', status: 429, failure: 'rate-limited', ms: 3, error: 'slow “down”' },
        { target: 'groq/a', credential: 'groq-2', status: null, failure: 'not-sent', ms: 4, error: null },
      ],
    });
    log(request);
    expect(store.requests.list(everything)).toEqual([{ seq: 1, ...request }]);
  });

  test('lists the newest first, page by page', () => {
    log(...['a', 'b', 'c', 'd', 'e'].map((id) => ({ id })));
    expect(ids({ limit: 2 })).toEqual(['e', 'd']);
    expect(ids({ limit: 2, before: 4 })).toEqual(['c', 'b']);
    expect(ids({ limit: 2, before: 2 })).toEqual(['a']);
    expect(ids({ after: 3 })).toEqual(['e', 'd']);
  });

  test('can be asked for failures alone', () => {
    log(
      { id: 'good' },
      { id: 'bad', status: 503, failure: 'no-credential' },
      { id: 'broken', failure: 'stream-broken' },
    );
    expect(ids({ failedOnly: true })).toEqual(['broken', 'bad']);
    expect(ids({ failedOnly: true, before: 3 })).toEqual(['bad']);
  });

  test('finds one by its id, the newest of several, and by its number', () => {
    log({ id: 'twice', status: 200 }, { id: 'twice', status: 502 }, { id: '2', status: 499 });
    expect(store.requests.find('twice')?.status).toBe(502);
    expect(store.requests.find('1')?.seq).toBe(1);
    // A client may choose a number as its id; then that is what is meant.
    expect(store.requests.find('2')?.status).toBe(499);
    expect(store.requests.find('nobody')).toBeNull();
    expect(store.requests.find('99999999999999999999')).toBeNull();
  });

  test.each([
    ['of one byte each', 'a'],
    ['of two', 'ü'],
    ['of three', '“'],
    ['of four', '🙂'],
  ])('keeps the first 2 KB of an upstream’s words, in characters %s', (_, char) => {
    const [attempt] = loggedRequest().attempts;
    if (!attempt) throw new Error('a request without an attempt');
    log({ attempts: [{ ...attempt, error: char.repeat(5000) }] });
    const error = store.requests.list(everything)[0]?.attempts[0]?.error ?? '';
    const bytes = Buffer.byteLength(error);
    expect(bytes).toBeLessThanOrEqual(2048);
    expect(bytes).toBeGreaterThan(2048 - 4);
    expect(error).toBe(char.repeat(error.length / char.length));
  });

  test('takes whatever a client has written', () => {
    const odd = ['\u0000', '\ud800', '\u001b[2J', 'x'.repeat(1_000_000), ''];
    log(...odd.map((text) => ({ id: text, model: text, target: text, client: text, totalMs: Number.NaN })));
    expect(ids()).toHaveLength(odd.length);
    expect(store.requests.list(everything).every((row) => (row.model?.length ?? 0) <= 256)).toBe(true);
  });

  test('in memory is only as long as a person would read', async () => {
    const clock = new ManualClock(START);
    const memory = openStore(':memory:', { clock });
    for (let i = 0; i < 4; i++) {
      for (let n = 0; n < 3000; n++) memory.writer.request(loggedRequest({ id: `${i * 3000 + n}` }));
      memory.writer.flush();
    }
    await clock.advance(20_000);
    const kept = memory.requests.list(everything);
    expect(kept).toHaveLength(10_000);
    expect([kept[0]?.id, kept.at(-1)?.id]).toEqual(['11999', '2000']);
    memory.close();
  });
});
