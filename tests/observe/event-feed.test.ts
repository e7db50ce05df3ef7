import { describe, expect, test } from 'bun:test';
import { EventFeed } from '../../src/observe/event-feed.ts';

const feed = () => new EventFeed<number | string>((count) => `missed ${count}`);
const never = new AbortController().signal;

async function take(events: AsyncIterator<number | string>, count: number) {
  const taken: (number | string)[] = [];
  while (taken.length < count) {
    const step = await events.next();
    if (step.done) break;
    taken.push(step.value);
  }
  return taken;
}
const reader = (from: ReturnType<typeof feed>, signal = never) => from.subscribe(signal)[Symbol.asyncIterator]();

describe('an event feed', () => {
  test('gives every reader everything from when it began to read', async () => {
    const events = feed();
    events.publish(1);
    const first = reader(events);
    events.publish(2);
    const second = reader(events);
    events.publish(3);
    expect(await take(first, 2)).toEqual([2, 3]);
    expect(await take(second, 1)).toEqual([3]);
  });

  test('wakes a reader who waits', async () => {
    const events = feed();
    const taken = take(reader(events), 2);
    events.publish(1);
    await Promise.resolve();
    events.publish(2);
    expect(await taken).toEqual([1, 2]);
  });

  test('keeps the newest for a slow reader and tells it how many are missing', async () => {
    const events = feed();
    const slow = reader(events);
    for (let i = 1; i <= 1500; i++) events.publish(i);
    expect(await take(slow, 3)).toEqual(['missed 500', 501, 502]);
    events.publish(1501);
    expect(await take(slow, 999)).toHaveLength(999);
  });

  test('ends with the signal, whether its reader waits or not', async () => {
    const events = feed();
    const gone = new AbortController();
    const one = reader(events, gone.signal);
    const waiting = one.next();
    const other = reader(events, gone.signal);
    gone.abort();
    expect((await waiting).done).toBe(true);
    expect((await other.next()).done).toBe(true);
    expect(events.hasReaders).toBe(false);
    expect((await reader(events, gone.signal).next()).done).toBe(true);
    expect(events.hasReaders).toBe(false);
  });

  test('forgets a reader who breaks off', async () => {
    const events = feed();
    const subscription = events.subscribe(never);
    events.publish(1);
    for await (const _ of subscription) break;
    expect(events.hasReaders).toBe(false);
  });

  test('gives what waits before it ends, when it is closed', async () => {
    const events = feed();
    const late = reader(events);
    const waiting = reader(events);
    events.publish(1);
    expect(await take(waiting, 1)).toEqual([1]);
    const end = waiting.next();
    events.close();
    expect((await end).done).toBe(true);
    expect(await take(late, 5)).toEqual([1]);
    expect((await reader(events).next()).done).toBe(true);
  });
});
