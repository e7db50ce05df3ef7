import { describe, expect, test } from 'bun:test';
import { modelCard } from '../../src/models/card.ts';
import { createModelDirectory, type DirectoryModel } from '../../src/models/directory.ts';
import { ManualClock } from '../support/manual-clock.ts';

type Answer = {
  readonly resolve: (models: readonly DirectoryModel[]) => void;
  readonly reject: (error: Error) => void;
};

/** Providers that answer when the test says so. */
function setUp(ttlMs = 60_000) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const warnings: string[] = [];
  const signals: AbortSignal[] = [];
  const waiting = new Map<string, Answer[]>();
  const directory = createModelDirectory({
    fetchList: (id, signal) => {
      asked.push(id);
      signals.push(signal);
      return new Promise((resolve, reject) => {
        waiting.set(id, [...(waiting.get(id) ?? []), { resolve, reject }]);
      });
    },
    clock,
    ttlMs,
    log: { warn: (message) => warnings.push(message) },
    fetchTimeoutMs: 20_000,
  });
  const settle = () => clock.advance(0).then(() => clock.advance(0));
  const answer = async (id: string, models: readonly string[] | Error) => {
    const next = waiting.get(id)?.shift();
    if (!next) throw new Error(`${id} was not asked`);
    if (models instanceof Error) next.reject(models);
    else next.resolve(models.map((model) => ({ id: model })));
    await new Promise((resolve) => setImmediate(resolve));
  };
  const ids = (id: string) => directory.snapshot(id).models.map((model) => model.id);
  return { clock, asked, warnings, signals, directory, answer, settle, ids };
}

/** Is the promise settled once everything that can run has run? */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('the model directory', () => {
  test('asks nobody who was not named', () => {
    const { directory, asked } = setUp();
    expect(directory.snapshot('ollama')).toEqual({ state: 'unknown', models: [], readAt: null, error: null });
    expect(asked).toEqual([]);
  });

  test('waits for cold lists, and no longer than it may', async () => {
    const { directory, clock, answer, ids } = setUp();
    const warm = directory.warm(['a', 'b'], 2000);
    await answer('a', ['x']);
    expect(await isSettled(warm)).toBe(false);
    await clock.advance(2000);
    expect(await isSettled(warm)).toBe(true);
    expect(ids('a')).toEqual(['x']);
    expect(directory.snapshot('b').state).toBe('unknown');
    // The late list is not lost.
    await answer('b', ['y']);
    expect(ids('b')).toEqual(['y']);
  });

  test('is done as soon as the last cold list is there, and leaves no timer', async () => {
    const { directory, clock, answer } = setUp();
    const warm = directory.warm(['a'], 2000);
    await answer('a', ['x']);
    expect(await isSettled(warm)).toBe(true);
    await clock.advance(0);
    expect(clock.pending).toBe(0);
  });

  test('serves a stale list at once and reads the new one behind it', async () => {
    const { directory, clock, answer, asked, ids } = setUp(60_000);
    void directory.warm(['a'], 1000);
    await answer('a', ['old']);
    await clock.advance(60_000);
    expect(directory.snapshot('a').state).toBe('stale');
    expect(await isSettled(directory.warm(['a'], 1000))).toBe(true);
    expect(ids('a')).toEqual(['old']);
    await answer('a', ['new']);
    expect(directory.snapshot('a')).toMatchObject({ state: 'fresh', models: [{ id: 'new' }] });
    expect(asked).toEqual(['a', 'a']);
  });

  test('asks each provider once, however many want to know', async () => {
    const { directory, asked, answer } = setUp();
    const all = [directory.warm(['a', 'a'], 1000), directory.warm(['a'], 1000), directory.refresh(['a'])];
    expect(asked).toEqual(['a']);
    await answer('a', ['x']);
    await Promise.all(all);
    await directory.warm(['a'], 1000);
    expect(asked).toEqual(['a']);
  });

  test('keeps what it had when a provider fails, says why, and reports it once', async () => {
    const { directory, clock, answer, warnings } = setUp(1000);
    void directory.warm(['a'], 100);
    await answer('a', ['x']);
    await clock.advance(1000);
    for (let i = 0; i < 3; i++) {
      void directory.refresh(['a']);
      await answer('a', new Error('HTTP 500'));
    }
    expect(directory.snapshot('a')).toMatchObject({ state: 'stale', models: [{ id: 'x' }], error: 'HTTP 500' });
    expect(warnings).toEqual(['the model list of a cannot be read: HTTP 500']);
    void directory.refresh();
    await answer('a', ['y']);
    expect(directory.snapshot('a')).toMatchObject({ state: 'fresh', models: [{ id: 'y' }], error: null });
  });

  test('leaves a dead provider alone for longer each time, and delays nobody for it', async () => {
    const { directory, clock, answer, asked } = setUp();
    const rests = [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000];
    for (const rest of rests) {
      const before = asked.length;
      const warm = directory.warm(['dead'], 2000);
      expect(asked.length).toBe(before + 1);
      await answer('dead', new Error('refused'));
      await warm;
      await clock.advance(rest - 1);
      expect(await isSettled(directory.warm(['dead'], 2000))).toBe(true);
      expect(asked.length).toBe(before + 1);
      await clock.advance(1);
    }
  });

  test('gives up on a call that is never answered', async () => {
    const { directory, clock, signals, warnings } = setUp();
    void directory.warm(['deaf'], 100);
    await clock.advance(20_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(signals[0]?.aborted).toBe(true);
    expect(warnings).toEqual(['the model list of deaf cannot be read: no answer in time']);
  });

  test('forgets what was read and what is on its way when it is told to', async () => {
    const { directory, answer, asked, ids, warnings, signals } = setUp();
    void directory.warm(['a'], 100);
    directory.invalidate(['a', 'never-heard-of']);
    expect(signals[0]?.aborted).toBe(true);
    void directory.warm(['a'], 100);
    await answer('a', ['of the old key']);
    expect(ids('a')).toEqual([]);
    await answer('a', ['of the new key']);
    expect(ids('a')).toEqual(['of the new key']);
    expect(asked).toEqual(['a', 'a']);
    expect(warnings).toEqual([]);
  });

  test('ends its calls when it is closed', async () => {
    const { directory, signals, clock } = setUp();
    const warm = directory.warm(['a', 'b'], 60_000);
    directory.close();
    expect(await isSettled(warm)).toBe(true);
    expect(signals.every((signal) => signal.aborted)).toBe(true);
    await clock.advance(0);
    expect(clock.pending).toBe(0);
  });
});

test('a card names the provider and keeps what is known', () => {
  expect(modelCard('groq', { id: 'a/b', contextLength: 8192 })).toEqual({
    id: 'groq/a/b',
    created: 0,
    ownedBy: 'groq',
    contextLength: 8192,
  });
});
