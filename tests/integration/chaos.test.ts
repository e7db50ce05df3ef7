import { expect, test } from 'bun:test';
import { seededRandom } from '../../src/shared/random.ts';
import { eventually } from '../support/eventually.ts';
import { readError } from '../support/expect-error.ts';
import {
  type Answer,
  answer,
  chatFrames,
  hangUp,
  refusal,
  resetAtOnce,
  roleFrame,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { startRotator } from '../support/server.ts';
import { dataOf, textOf } from '../support/stream-tap.ts';

/**
 * Many requests at once over keys that fail in every way there is, by a seed. What must hold is not which requests
 * succeed, but that each is answered once, with its own content or an honest error, and that nothing is left behind.
 */

const requests = 200;

/** What a request should get, so that a mix-up between two requests cannot go unseen. */
const contentOf = (number: number, isStream: boolean) => `${isStream ? 'streamed' : 'whole'} answer to ${number}`;

function numberIn(text: string): number {
  const number = /request number (\d+)\b/.exec(text)?.[1];
  if (number === undefined) throw new Error(`no number in ${text}`);
  return Number(number);
}

function failing(random: () => number, isStream: boolean): Answer {
  const ways: Answer[] = [
    refusal(500, { message: 'broken' }),
    refusal(503, { message: 'unavailable' }),
    refusal(529, { message: 'overloaded' }, { 'retry-after-ms': '20' }),
    refusal(429, { message: 'slow down' }, { 'retry-after-ms': '20' }),
    refusal(429, { message: 'slow down' }),
    hangUp,
    resetAtOnce,
    isStream ? stream(['data: {"error":{"message":"first"}}\n\n']) : answer('', { choices: [] }),
    isStream ? stream([roleFrame()]) : hangUp,
    isStream ? stream([roleFrame(), textFrame('half')], { end: 'reset' }) : resetAtOnce,
    isStream ? stream([roleFrame(), textFrame('half')], { end: 'half-chunk' }) : resetAtOnce,
  ];
  const way = ways[Math.floor(random() * ways.length)];
  if (!way) throw new Error('no way to fail');
  return way;
}

test.each([1, 2, 3])(
  'two hundred requests over failing keys are answered exactly once each, and leave no lease (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    await using upstream = await startUpstream({
      answer: (request) => {
        const isStream = request.text.includes('"stream":true');
        const number = numberIn(request.text);
        if (request.key === 'revoked') return refusal(401, { message: 'revoked' });
        if (request.key?.startsWith('shaky') && random() < 0.5) return failing(random, isStream);
        const content = contentOf(number, isStream);
        return isStream
          ? stream(chatFrames(...(content.match(/.{1,5}/gs) ?? [])))
          : answer(content, { id: `chatcmpl-${number}` });
      },
    });
    await using rotator = await startRotator({
      upstream,
      keys: ['healthy-1', 'healthy-2', 'shaky-1', 'shaky-2', 'shaky-3', 'revoked'],
      provider: { concurrency: { max_per_key: 8 } },
      server: { hold: '200ms', heartbeat: '50ms' },
      rotation: { cooldowns: { rate_limit: '30ms', transient: '20ms', ladder: ['10ms'] } },
      timeouts: { acquire: '20s' },
      random: seededRandom(seed + 100),
    });

    const outcomes = { answered: 0, failed: 0, broken: 0, aborted: 0 };
    async function one(number: number): Promise<void> {
      const isStream = number % 2 === 0;
      const leaving = number % 10 === 3 || number % 10 === 4 ? new AbortController() : null;
      const model = `mock/m${number % 5}`;
      const messages = [{ role: 'user', content: `request number ${number} of many` }];
      const init = leaving ? { signal: leaving.signal } : {};
      const pending = rotator.chat({ model, messages, stream: isStream }, init);
      if (leaving) {
        // Some leave at once, some when the upstream has been asked, some when they have read the first bytes.
        if (number % 20 < 10) queueMicrotask(() => leaving.abort());
        else if (number % 3 === 0)
          void eventually('it has arrived', () => asked(number)).then(
            () => leaving.abort(),
            () => {},
          );
        try {
          const response = await pending;
          await response.body?.getReader().read();
          leaving.abort();
        } catch (error) {
          if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
        }
        outcomes.aborted++;
        return;
      }
      const response = await pending;
      const text = await response.text();
      const wanted = contentOf(number, isStream);
      if (response.status !== 200) {
        expect([429, 502, 503, 504]).toContain(response.status);
        const error = readError(JSON.parse(text));
        expect(error.rotator?.target).toBe(model);
        outcomes.failed++;
      } else if (!isStream) {
        expect(JSON.parse(text)).toMatchObject({
          id: `chatcmpl-${number}`,
          choices: [{ message: { content: wanted } }],
        });
        outcomes.answered++;
      } else {
        const data = dataOf(text);
        expect(data.filter((each) => each === '[DONE]')).toHaveLength(1);
        expect(data.at(-1)).toBe('[DONE]');
        const errors = data.filter((each) => each.startsWith('{"error"'));
        if (errors.length > 0) {
          expect(errors).toHaveLength(1);
          expect(data.at(-2)).toBe(errors[0] ?? '');
          expect(['', 'half']).toContain(textOf(text));
          outcomes.broken++;
        } else {
          expect(textOf(text)).toBe(wanted);
          outcomes.answered++;
        }
      }
    }
    const asked = (number: number) => upstream.calls.some((call) => numberIn(call.text) === number);

    await Promise.all(Array.from({ length: requests }, (_, number) => one(number)));
    expect(outcomes.answered + outcomes.failed + outcomes.broken + outcomes.aborted).toBe(requests);
    expect(outcomes.aborted).toBe(requests / 5);
    expect(outcomes.answered).toBeGreaterThan(requests / 2);

    await eventually('no lease and no waiter is left', async () => {
      const status = await rotator.status();
      return status.in_flight === 0 && status.waiting === 0;
    });
    await eventually('no upstream call is left open', () => upstream.open === 0);
    for (const key of await rotator.keys()) expect(key.in_flight).toBe(0);
    for (const key of ['healthy-1', 'healthy-2', 'shaky-1', 'shaky-2', 'shaky-3']) {
      expect(upstream.mostAtOnce(key)).toBeLessThanOrEqual(8);
    }
    expect(rotator.log.filter((line) => line.includes('internal error'))).toEqual([]);

    // And the server is as good as new.
    for (const key of await rotator.keys()) await rotator.admin(`keys/${key.id}/reset`, { method: 'POST' });
    const last = await rotator.chat({
      model: 'mock/afterwards',
      messages: [{ role: 'user', content: 'request number 9999' }],
    });
    expect([200, 429, 502, 503]).toContain(last.status);
  },
  60_000,
);
