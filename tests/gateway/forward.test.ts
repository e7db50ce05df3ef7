import { expect, test } from 'bun:test';
import { FirstByteTimes } from '../../src/gateway/first-byte-times.ts';
import { type ForwardTools, forward, NO_ALTERNATIVES, Trace } from '../../src/gateway/forward.ts';
import { OutputMeans } from '../../src/gateway/token-estimate.ts';
import { pingJob } from '../../src/gateway/ping.ts';
import { Pins } from '../../src/gateway/pins.ts';
import { targetOf } from '../../src/gateway/plan.ts';
import { ReasoningMemory } from '../../src/gateway/reasoning-memory.ts';
import type { Pool } from '../../src/pool/pool.ts';
import { Secret } from '../../src/shared/secret.ts';
import { credential, credentialId, limited, middle, setUp, use } from '../pool/pool-fixture.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { runtimeOf } from './routes-fixture.ts';

const MINUTE = 60_000;
const timeouts = {
  acquireMs: MINUTE,
  connectMs: MINUTE,
  firstByteMs: MINUTE,
  totalMs: MINUTE,
  idleMs: MINUTE,
  requestMs: 10 * MINUTE,
};

const NO_TRAITS = { reasoning: { kind: 'none' }, maxOutputTokens: null, hasStructuredOutput: null } as const;

const answer = () =>
  Response.json({ choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }] });
const refusal = (status: number) => Response.json({ error: { message: 'no' } }, { status });

/** Providers with their keys, and an upstream that answers each key as the test says. */
class Bench {
  readonly clock = new ManualClock();
  readonly times = new FirstByteTimes();
  readonly #answers: (key: string) => Response;

  constructor(answers: (key: string) => Response) {
    this.#answers = answers;
  }

  /** The first name is asked first. `known`: the keys whose text is at hand; the pool may still have others. */
  provider(id: string, names: readonly string[], known = names): { target: ReturnType<typeof targetOf>; pool: Pool } {
    const runtime = runtimeOf(id, {});
    const [access] = runtime.credentials.values();
    if (!access) throw new Error('the fixture has no key');
    const { pool } = setUp(
      names.map((name, i) => credential(name, { priority: i + 1 })),
      { clock: this.clock },
    );
    const credentials = new Map(
      known.map((name) => [credentialId(name), { ...access, id: credentialId(name), key: new Secret(name) }]),
    );
    return { pool, target: targetOf({ ...runtime, pool, timeouts, waitSameKeyMs: MINUTE, credentials }, 'm') };
  }

  /** Who served, or what the problem was; time passes as it has to. */
  async forward(targets: readonly ReturnType<typeof targetOf>[], maxTargets = 5): Promise<string> {
    const { clock } = this;
    let lookups = 0;
    const tools: ForwardTools = {
      upstream: async ({ headers }) => this.#answers((headers.get('authorization') ?? '').slice('Bearer '.length)),
      clock,
      version: '1',
      instance: 'i',
      pins: new Pins(),
      random: middle,
      outputMeans: new OutputMeans(),
      firstByteTimes: this.times,
      addedCredential: () => {
        if (++lookups > 10) throw new Error('looked for the same credential again and again');
        return undefined;
      },
    };
    const chat = { memory: new ReasoningMemory(), now: () => clock.now(), traitsOf: () => NO_TRAITS };
    let end: string | null = null;
    const input = {
      job: pingJob('m', false, chat),
      headers: new Headers(),
      clientSignal: new AbortController().signal,
      arrivedAt: clock.now(),
      timeoutMs: null,
      targets,
      maxTargets,
      onContext: 'stop',
      alternatives: NO_ALTERNATIVES,
      affinity: null,
    } as const;
    const settled = forward(input, new Trace(), tools).then((forwarded) => {
      if (forwarded.kind === 'answer') forwarded.lease.settle(null, null);
      return forwarded.kind === 'answer' ? forwarded.credential : forwarded.problem.kind;
    });
    settled.then(
      (told) => (end = told),
      (bug: Error) => (end = bug.message),
    );
    for (let i = 0; i < 1000 && end === null; i++) {
      await Bun.sleep(0);
      await clock.advance(100);
    }
    return end ?? 'nothing came';
  }
}

test('a credential that a reload has taken away meanwhile is passed over', async () => {
  const bench = new Bench(answer);
  const { target } = bench.provider('mine', ['gone', 'here'], ['here']);
  expect(await bench.forward([target])).toBe('here');
});

test('a key that is refused does not make its target a slow one, and a server’s failure does', async () => {
  for (const [status, isSlow] of [
    [401, false],
    [429, false],
    [500, true],
  ] as const) {
    const bench = new Bench((key) => (key === 'bad' ? refusal(status) : answer()));
    const { target } = bench.provider('mine', ['bad', 'good']);
    expect(await bench.forward([target])).toBe('good');
    expect(bench.times.of(target.name, false, bench.clock.now()) > 10_000).toBe(isSlow);
  }
});

test.each([
  [1, 'first-1'],
  [2, 'second-1'],
])('with %d targets to try, a rest of seconds is waited for only where no other may be tried', async (most, served) => {
  const bench = new Bench(answer);
  const first = bench.provider('first', ['first-1']);
  const second = bench.provider('second', ['second-1']);
  use(first.pool, bench.clock, limited(5000));
  expect(await bench.forward([first.target, second.target], most)).toBe(served);
});
