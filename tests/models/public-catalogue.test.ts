import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { createPublicCatalogue, type PublicCopy } from '../../src/models/public-catalogue.ts';
import { createUpstream } from '../../src/transport/fetch-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type Answer, reply, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';

const HOUR = 3_600_000;
const page = (input: number) => ({ openai: { models: { 'gpt-4o': { cost: { input, output: 4 } } } } });

let server: ScriptedUpstream;
let answer: Answer;
let asked = 0;
beforeAll(async () => {
  server = await startUpstream({
    answer: () => {
      asked++;
      return answer;
    },
  });
});
afterAll(() => server.close());
beforeEach(() => {
  asked = 0;
  answer = reply(200, page(1));
});

function start(options: { kept?: unknown; everyMs?: number; providers?: readonly string[]; clock?: ManualClock } = {}) {
  const clock = options.clock ?? new ManualClock();
  const upstream = createUpstream({ env: {} });
  const state = { kept: options.kept ?? null, everyMs: options.everyMs ?? 6 * HOUR, writes: 0, notes: [] as string[] };
  const catalogue = createPublicCatalogue({
    upstream,
    clock,
    version: '1.2.3',
    url: `${server.origin}/api.json`,
    everyMs: () => state.everyMs,
    providers: () => options.providers ?? ['openai'],
    copy: {
      read: () => state.kept,
      write: (value) => {
        state.writes++;
        state.kept = value;
      },
    },
    log: { debug: (message) => state.notes.push(message) },
  });
  const input = () => catalogue.find('openai', 'gpt-4o')?.price?.input;
  return {
    catalogue,
    clock,
    state,
    input,
    [Symbol.dispose]: () => {
      catalogue.close();
      upstream.close();
    },
  };
}

describe('the public catalogue', () => {
  test('is read some time after the start, and again when its time has come', async () => {
    using it = start();
    it.catalogue.wake();
    expect(it.input()).toBeUndefined();
    await it.clock.advance(10_000);
    await eventually('the first reading', () => it.input() === 1);
    expect(server.requests.at(-1)?.headers.get('user-agent')).toBe('rotator/1.2.3');
    answer = reply(200, page(2));
    await it.clock.advance(6 * HOUR - 1);
    expect(asked).toBe(1);
    await it.clock.advance(1);
    await eventually('the second reading', () => it.input() === 2);
    expect(it.state.writes).toBe(2);
  });

  test('serves from its copy, and is not asked while that is fresh', async () => {
    const clock = new ManualClock();
    using first = start({ clock });
    first.catalogue.wake();
    await clock.advance(10_000);
    await eventually('a copy', () => first.state.writes === 1);
    using second = start({ clock, kept: JSON.parse(JSON.stringify(first.state.kept)) });
    second.catalogue.wake();
    expect(second.input()).toBe(1);
    await clock.advance(HOUR);
    expect(asked).toBe(1);
  });

  test.each<[string, Answer]>([
    ['an error', reply(500, 'no')],
    ['no JSON', reply(200, '<html>')],
  ])('keeps what it knew when it gets %s, without a word but in the debug log', async (_, bad) => {
    using it = start();
    it.catalogue.wake();
    await it.clock.advance(10_000);
    await eventually('the first reading', () => it.input() === 1);
    answer = bad;
    await it.clock.advance(6 * HOUR);
    await eventually('a failure', () => it.state.notes.length === 1);
    expect(it.input()).toBe(1);
    answer = reply(200, page(3));
    await it.clock.advance(30 * 60_000);
    await eventually('another try', () => it.input() === 3);
  });

  test('is asked again at once for a provider that its copy was not read for', async () => {
    const kept: PublicCopy = { format: 1, readAt: new ManualClock().now(), providers: ['groq'], facts: {} };
    using it = start({ kept });
    it.catalogue.wake();
    await it.clock.advance(10_000);
    await eventually('a reading', () => it.input() === 1);
  });

  test.each([
    ['it is turned off', { everyMs: 0 }],
    ['nobody’s prices are wanted', { providers: [] }],
  ])('is never asked when %s', async (_, options) => {
    using it = start(options);
    it.catalogue.wake();
    await it.clock.advance(30 * 24 * HOUR);
    expect([asked, it.clock.pending]).toEqual([0, 0]);
  });

  test('is turned on by a reload', async () => {
    using it = start({ everyMs: 0 });
    it.catalogue.wake();
    it.state.everyMs = HOUR;
    it.catalogue.wake();
    await it.clock.advance(10_000);
    await eventually('a reading', () => it.input() === 1);
  });

  test('starts anew from a copy that is none of its own', () => {
    using it = start({ kept: { format: 7, facts: 'x' } });
    expect(it.input()).toBeUndefined();
  });

  test('is not asked any more once it is closed', async () => {
    using it = start();
    it.catalogue.wake();
    it.catalogue.close();
    await it.clock.advance(HOUR);
    expect(asked).toBe(0);
  });
});
