import { describe, expect, test } from 'bun:test';
import type { Outcome } from '../../src/pool/outcome.ts';
import { isRefusal, type Lease } from '../../src/pool/pool.ts';
import { seededRandom } from '../../src/shared/random.ts';
import { namePattern } from '../../src/shared/wildcard.ts';
import {
  credential,
  credentialId,
  HOUR,
  leased,
  limited,
  MINUTE,
  names,
  refused,
  SECOND,
  settings,
  setUp,
  settled,
  use,
  want,
  withSettings,
} from './pool-fixture.ts';

const three = names(3).map((name) => credential(name));
const unlimited = withSettings({ concurrency: { optimalPerKey: 0 } });

describe('choosing', () => {
  test('requests spread evenly with tolerance 0', () => {
    const { pool, clock } = setUp(three, { random: seededRandom(1) });
    for (let i = 0; i < 30; i++) use(pool, clock);
    expect(pool.status().credentials.map((one) => one.usage.requests)).toEqual([10, 10, 10]);
  });

  test('use is counted per model', () => {
    const { pool, clock } = setUp(
      names(2).map((name) => credential(name)),
      { random: seededRandom(1) },
    );
    const first = use(pool, clock, { kind: 'success' }, want('a'));
    expect(use(pool, clock, { kind: 'success' }, want('a'))).not.toBe(first);
    const seen = new Set([1, 2].map(() => use(pool, clock, { kind: 'success' }, want('b'))));
    expect(seen.size).toBe(2);
  });

  test('what is in flight counts as use: a burst spreads before answers arrive', () => {
    const { pool, clock } = setUp(three, { settings: unlimited });
    const burst = Array.from({ length: 9 }, () => leased(pool.lease(want(), clock.now())).credentialId);
    for (const name of names(3)) expect(burst.filter((id) => id === name)).toHaveLength(3);
  });

  test('all of a better priority are used before the next', () => {
    const { pool, clock } = setUp([credential('free', { priority: 2 }), credential('paid', { priority: 1 })]);
    const taken = Array.from({ length: 5 }, () => leased(pool.lease(want(), clock.now())).credentialId);
    expect(new Set<string>(taken)).toEqual(new Set(['paid']));
    expect(leased(pool.lease(want('m', ['paid']), clock.now())).credentialId).toBe(credentialId('free'));
  });

  test('those below their optimum go first, also when they were used more', () => {
    const { pool, clock } = setUp(names(2).map((name) => credential(name)));
    for (let i = 0; i < 5; i++) use(pool, clock, { kind: 'success' }, want('m', ['k1']));
    leased(pool.lease(want('m', ['k0']), clock.now()));
    expect(leased(pool.lease(want(), clock.now())).credentialId).toBe(credentialId('k0'));
    // Both are at it now: the least used again.
    expect(leased(pool.lease(want(), clock.now())).credentialId).toBe(credentialId('k1'));
  });

  test('the optimum counts requests of all models', () => {
    const { pool, clock } = setUp(names(2).map((name) => credential(name)));
    const first = leased(pool.lease(want('a'), clock.now())).credentialId;
    expect(leased(pool.lease(want('b'), clock.now())).credentialId).not.toBe(first);
  });

  test('nobody gets more than the hard limit', () => {
    const { pool, clock } = setUp(three, { settings: withSettings({ concurrency: { maxPerKey: 2 } }) });
    for (let i = 0; i < 6; i++) leased(pool.lease(want(), clock.now()));
    expect(pool.status().credentials.map((one) => [one.inFlight, one.state])).toEqual([
      [2, 'busy'],
      [2, 'busy'],
      [2, 'busy'],
    ]);
    expect(refused(pool.lease(want(), clock.now()))).toEqual({
      kind: 'refused',
      cause: 'busy',
      blocks: [],
      retryAt: null,
    });
  });

  test('priorities multiply both limits', () => {
    const concurrency = { maxPerKey: 2, optimalPerKey: 1, priorityMultipliers: { 1: 3 } };
    const { pool, clock } = setUp([credential('paid', { priority: 1 }), credential('free', { priority: 2 })], {
      settings: withSettings({ concurrency }),
    });
    const taken = Array.from({ length: 8 }, () => leased(pool.lease(want(), clock.now())).credentialId);
    expect(taken.filter((id) => id === 'paid')).toHaveLength(6);
    expect(taken.slice(0, 6).every((id) => id === 'paid')).toBe(true);
    expect(isRefusal(pool.lease(want(), clock.now()))).toBe(true);
  });

  test('a key serves only the models it is for, named with or without the provider', () => {
    const { pool, clock } = setUp([
      credential('a', { models: [namePattern('gem-*')] }),
      credential('b', { models: [namePattern('acme/other')] }),
    ]);
    expect(use(pool, clock, { kind: 'success' }, want('GEM-2'))).toBe('a');
    expect(use(pool, clock, { kind: 'success' }, want('other'))).toBe('b');
    expect(refused(pool.lease(want('third'), clock.now())).cause).toBe('none');
  });

  test('the same seed takes the same credentials', () => {
    const run = () => {
      const { pool, clock } = setUp(
        names(200).map((name) => credential(name)),
        { random: seededRandom(4) },
      );
      return Array.from({ length: 100 }, () => leased(pool.lease(want(), clock.now())).credentialId);
    };
    expect(run()).toEqual(run());
  });

  test('5,000 keys are used nearly evenly', () => {
    const many = names(5000).map((name) => credential(name));
    const { pool, clock } = setUp(many, { random: seededRandom(2), settings: withSettings({ tolerance: 3 }) });
    for (let i = 0; i < 25_000; i++) use(pool, clock);
    const uses = pool.status().credentials.map((one) => one.usage.requests);
    expect(Math.max(...uses)).toBeLessThanOrEqual(12);
    expect(uses.filter((count) => count >= 2).length).toBeGreaterThan(4900);
  });
});

describe('a request for one credential only', () => {
  const only = (name: string, exclude: readonly string[] = []) => ({ ...want('m', exclude), only: credentialId(name) });

  test('gets that one, also when another would be better', () => {
    const { pool, clock } = setUp([credential('best', { priority: 1 }), credential('worse', { priority: 2 })]);
    for (let i = 0; i < 3; i++) expect(use(pool, clock, { kind: 'success' }, only('worse'))).toBe('worse');
  });

  test('is refused when that one cannot serve, with what is in its way alone', () => {
    const { pool, clock } = setUp(three, { settings: withSettings({ concurrency: { maxPerKey: 1 } }) });
    use(pool, clock, limited(5000), only('k0'));
    use(pool, clock, { kind: 'auth' }, only('k2'));
    leased(pool.lease(only('k1'), clock.now()));
    const now = clock.now();
    expect(refused(pool.lease(only('k0'), now))).toMatchObject({ cause: 'blocked', retryAt: now + 5000 });
    expect(refused(pool.lease(only('k0'), now)).blocks).toHaveLength(1);
    expect(refused(pool.lease(only('k1'), now)).cause).toBe('busy');
    expect(refused(pool.lease(only('k2', ['k2']), now)).cause).toBe('excluded');
    expect(refused(pool.lease(only('gone'), now)).cause).toBe('none');
  });

  test('is explained as such', () => {
    const { pool } = setUp(three);
    expect(pool.explain(only('k1')).map((one) => [one.verdict, one.why])).toEqual([
      ['ready', 'this request asks for another'],
      ['chosen', 'the only one ready'],
      ['ready', 'this request asks for another'],
    ]);
  });
});

describe('blocks', () => {
  test('a 429 moves to the next key and back when its time is over', async () => {
    const { pool, clock } = setUp(names(2).map((name) => credential(name)));
    use(pool, clock, limited(5000), want('m', ['k1']));
    expect([1, 2, 3].map(() => use(pool, clock))).toEqual(['k1', 'k1', 'k1']);
    await clock.advance(5000);
    expect(use(pool, clock)).toBe('k0');
  });

  test('a model’s block leaves the key ready for others', () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(5000));
    expect(pool.status().credentials[0]).toMatchObject({ state: 'ready', blocks: [{ scope: 'model:m' }] });
    expect(use(pool, clock, { kind: 'success' }, want('other'))).toBe('a');
  });

  test('a key’s block holds for every model', () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, { kind: 'auth' });
    expect(pool.status().credentials[0]).toMatchObject({ state: 'blocked', blocks: [{ scope: 'key', kind: 'auth' }] });
    expect(refused(pool.lease(want('other'), clock.now())).cause).toBe('blocked');
  });

  test('blocks are shown in plain form', () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(5000));
    expect(pool.status().credentials[0]?.blocks).toEqual([
      { scope: 'model:m', kind: 'rate_limit', until: clock.now() + 5000, reason: 'because', source: 'retry-after' },
    ]);
  });

  test('three 5xx from two keys close the model for everybody, until one probe succeeds', async () => {
    const { pool, clock } = setUp(names(2).map((name) => credential(name)));
    for (let i = 0; i < 3; i++) use(pool, clock, { kind: 'upstream-error' }, want('m', i === 1 ? ['k0'] : ['k1']));
    expect(pool.status().blocks).toMatchObject([{ scope: 'provider+model:m', kind: 'transient' }]);
    expect(pool.status().credentials.every((one) => one.blocks.length === 0)).toBe(true);
    expect(refused(pool.lease(want(), clock.now()))).toMatchObject({
      cause: 'blocked',
      retryAt: clock.now() + 30 * SECOND,
    });
    expect(use(pool, clock, { kind: 'success' }, want('other'))).toBeString();
    await clock.advance(30 * SECOND);
    const probe = leased(pool.lease(want(), clock.now()));
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('busy');
    pool.settle(probe, settled({ kind: 'success' }));
    for (let i = 0; i < 5; i++) leased(pool.lease(want(), clock.now()));
    expect(pool.status().blocks).toEqual([]);
  });

  test('a long probe does not hold up the one after the next opening', async () => {
    const { pool, clock } = setUp(
      names(2).map((name) => credential(name)),
      { settings: unlimited },
    );
    const older = Array.from({ length: 3 }, () => leased(pool.lease(want(), clock.now())));
    const fail = (exclude: string) => use(pool, clock, { kind: 'upstream-error' }, want('m', [exclude]));
    for (const exclude of ['k0', 'k1', 'k0']) fail(exclude);
    await clock.advance(30 * SECOND);
    leased(pool.lease(want(), clock.now()));
    for (const lease of older) pool.settle(lease, settled({ kind: 'success' }));
    for (const exclude of ['k0', 'k1', 'k0']) fail(exclude);
    await clock.advance(30 * SECOND);
    leased(pool.lease(want(), clock.now()));
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('busy');
  });

  test('a disabled sibling does not count: one key left opens the breaker alone', () => {
    const { pool, clock } = setUp([credential('a'), credential('b', { isEnabled: false })]);
    for (let i = 0; i < 3; i++) use(pool, clock, { kind: 'upstream-error' });
    expect(refused(pool.lease(want(), clock.now())).blocks).toMatchObject([{ scope: 'provider+model:m' }]);
  });

  test('an overloaded model rests for all keys, an unreachable provider for all models', () => {
    const { pool, clock } = setUp(three);
    use(pool, clock, { kind: 'overloaded', waitMs: 7000 });
    expect(refused(pool.lease(want(), clock.now())).retryAt).toBe(clock.now() + 7000);
    use(pool, clock, { kind: 'unreachable' }, want('other'));
    expect(refused(pool.lease(want('third'), clock.now()))).toMatchObject({
      cause: 'blocked',
      blocks: [{ scope: 'provider', kind: 'unreachable' }],
      retryAt: clock.now() + 1000,
    });
  });

  test('a provider is reached again as soon as an answer comes, of whichever model and key', () => {
    const { pool, clock } = setUp(three);
    const open = leased(pool.lease(want('other'), clock.now()));
    use(pool, clock, { kind: 'unreachable' });
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('blocked');
    pool.settle(open, settled({ kind: 'success' }));
    expect(use(pool, clock)).toBeString();
  });

  test('a missing model is remembered for 5 minutes', async () => {
    const { pool, clock } = setUp(three);
    use(pool, clock, { kind: 'model-missing' });
    expect(refused(pool.lease(want(), clock.now())).blocks).toMatchObject([{ kind: 'model_missing' }]);
    await clock.advance(5 * MINUTE);
    expect(use(pool, clock)).toBeString();
  });

  test('resting after a sibling served', () => {
    const { pool, clock } = setUp(three);
    pool.rest([credentialId('k0'), credentialId('gone')], 'm');
    expect(pool.status().credentials[0]?.blocks).toMatchObject([{ kind: 'transient', scope: 'model:m' }]);
    for (let i = 0; i < 6; i++) expect(use(pool, clock)).not.toBe('k0');
  });

  test('after a long block one goes first, then 1, 2, 4, then all', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: unlimited });
    use(pool, clock, limited(HOUR, { scope: 'credential' }));
    await clock.advance(HOUR);
    const sizes = [];
    for (let round = 0; round < 5; round++) {
      const flight: Lease[] = [];
      for (let i = 0; i < 10; i++) {
        const result = pool.lease(want(`m${i}`), clock.now());
        if (!isRefusal(result)) flight.push(result);
      }
      sizes.push(flight.length);
      const [first, ...others] = flight;
      if (first) pool.settle(first, settled({ kind: 'success' }));
      for (const lease of others) pool.settle(lease, settled({ kind: 'neutral' }));
    }
    expect(sizes).toEqual([1, 1, 2, 4, 10]);
  });

  test('a stream from before the block does not hold up the probe', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: unlimited });
    const stream = leased(pool.lease(want(), clock.now()));
    use(pool, clock, limited(HOUR));
    await clock.advance(HOUR);
    const probe = leased(pool.lease(want(), clock.now()));
    pool.settle(stream, settled({ kind: 'success' }));
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('busy');
    pool.settle(probe, settled({ kind: 'success' }));
    leased(pool.lease(want(), clock.now()));
  });

  test('nor does a long probe from before the next block', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: unlimited });
    use(pool, clock, limited(HOUR, { scope: 'credential' }));
    await clock.advance(HOUR);
    for (let i = 0; i < 2; i++) use(pool, clock);
    const stream = leased(pool.lease(want(), clock.now()));
    use(pool, clock, limited(HOUR, { scope: 'credential' }));
    await clock.advance(HOUR);
    leased(pool.lease(want(), clock.now()));
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('busy');
    pool.settle(stream, settled({ kind: 'success' }));
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('busy');
  });

  test('reset lifts everything of one, or of all and the provider', () => {
    const { pool, clock } = setUp(names(2).map((name) => credential(name)));
    use(pool, clock, { kind: 'billing' }, want('m', ['k1']));
    use(pool, clock, limited(null, { isPermanent: true }), want('m', ['k0']));
    use(pool, clock, { kind: 'overloaded', waitMs: HOUR }, want('other'));
    expect(refused(pool.lease(want(), clock.now())).retryAt).toBeNull();
    pool.reset(credentialId('k0'));
    expect(use(pool, clock)).toBe('k0');
    expect(pool.status().credentials[1]?.blocks).toHaveLength(1);
    pool.reset();
    expect(pool.status().credentials[1]?.blocks).toEqual([]);
    expect(pool.status().blocks).toEqual([]);
    expect(use(pool, clock, { kind: 'success' }, want('other'))).toBeString();
  });
});

describe('refusals', () => {
  test('an empty pool, a disabled one and a closed one have nobody', () => {
    const empty = setUp([]);
    expect(refused(empty.pool.lease(want(), empty.clock.now())).cause).toBe('none');
    const disabled = setUp([credential('a', { isEnabled: false })]);
    expect(refused(disabled.pool.lease(want(), disabled.clock.now())).cause).toBe('none');
    const closed = setUp(three);
    closed.pool.close();
    expect(refused(closed.pool.lease(want(), closed.clock.now())).cause).toBe('none');
  });

  test('a request that has tried them all is told so', () => {
    const { pool, clock } = setUp(three);
    expect(refused(pool.lease(want('m', names(3)), clock.now())).cause).toBe('excluded');
  });

  test('one busy key among blocked ones makes it busy', () => {
    const { pool, clock } = setUp(
      names(2).map((name) => credential(name)),
      {
        settings: withSettings({ concurrency: { maxPerKey: 1 } }),
      },
    );
    use(pool, clock, limited(HOUR), want('m', ['k1']));
    leased(pool.lease(want(), clock.now()));
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('busy');
    // For a request that has tried the busy one, only the blocked one is left.
    expect(refused(pool.lease(want('m', ['k1']), clock.now())).cause).toBe('blocked');
  });

  test('blocks come the soonest to end first, and the soonest credential says when', () => {
    const { pool, clock } = setUp(three);
    const now = clock.now();
    use(pool, clock, limited(9000), want('m', ['k1', 'k2']));
    use(pool, clock, limited(4000), want('m', ['k0', 'k2']));
    const double = leased(pool.lease(want('m', ['k0', 'k1']), now));
    use(pool, clock, limited(2000), want('m', ['k0', 'k1']));
    pool.settle(double, settled({ kind: 'auth' }));
    const refusal = refused(pool.lease(want(), now));
    expect(refusal.blocks.map((block) => (block.until ?? 0) - now)).toEqual([2000, 4000, 9000, 300_000]);
    expect(refusal.retryAt).toBe(now + 4000);
  });

  test('with thousands blocked the list stays short and no kind is lost', () => {
    const { pool, clock } = setUp(names(2000).map((name) => credential(name)));
    for (let i = 0; i < 2000; i++) {
      const lease = leased(pool.lease(want(), clock.now()));
      pool.settle(lease, settled(i === 1000 ? { kind: 'billing' } : limited(10_000 + i)));
    }
    const refusal = refused(pool.lease(want(), clock.now()));
    expect(refusal.blocks.length).toBeLessThan(40);
    expect(refusal.blocks.some((block) => block.kind === 'billing')).toBe(true);
    expect(refusal.blocks[0]?.until).toBe(clock.now() + 10_000);
    expect(refusal.retryAt).toBe(clock.now() + 10_000);
  });
});

describe('settling', () => {
  test('twice is a bug and throws, and so does a lease of another pool', () => {
    const { pool, clock } = setUp(three);
    const lease = leased(pool.lease(want(), clock.now()));
    pool.settle(lease, settled({ kind: 'success' }));
    expect(() => pool.settle(lease, settled({ kind: 'success' }))).toThrow('settled already');
    const other = setUp(three);
    const foreign = leased(other.pool.lease(want(), other.clock.now()));
    expect(() => pool.settle(foreign, settled({ kind: 'success' }))).toThrow('another pool');
  });

  test('requests, failures and tokens are counted; what says nothing is no failure', () => {
    const { pool, clock } = setUp([credential('a')]);
    const outcomes: Outcome[] = [{ kind: 'success' }, { kind: 'neutral' }, { kind: 'upstream-error' }, limited(1)];
    for (const outcome of outcomes) {
      const lease = leased(pool.lease(want(), clock.now()));
      pool.settle(lease, { outcome, usage: { inputTokens: 10, outputTokens: null }, reason: '', learned: null });
    }
    expect(pool.status().credentials[0]?.usage).toEqual({ requests: 4, failures: 2, inputTokens: 40, outputTokens: 0 });
  });
});

describe('a new config', () => {
  test('what is still there keeps its blocks, counts and leases', () => {
    const { pool, clock } = setUp(three);
    use(pool, clock, limited(HOUR), want('m', ['k1', 'k2']));
    const lease = leased(pool.lease(want('m', ['k2']), clock.now()));
    pool.update([credential('k1', { label: 'renamed', priority: 3 }), credential('k0')], settings);
    expect(pool.status().credentials).toMatchObject([
      { id: 'k1', priority: 3, inFlight: 1 },
      { id: 'k0', blocks: [{ kind: 'rate_limit' }], usage: { requests: 1 } },
    ]);
    pool.settle(lease, settled({ kind: 'success' }));
    expect(pool.status().credentials[0]).toMatchObject({ inFlight: 0, usage: { requests: 1 } });
  });

  test('what is gone finishes its leases and gets no more', () => {
    const { pool, clock } = setUp(names(2).map((name) => credential(name)));
    const lease = leased(pool.lease(want('m', ['k1']), clock.now()));
    pool.update([credential('k1')], settings);
    expect([1, 2, 3].map(() => use(pool, clock))).toEqual(['k1', 'k1', 'k1']);
    pool.settle(lease, settled({ kind: 'auth' }));
    expect(pool.status().credentials.map((one) => one.id)).toEqual([credentialId('k1')]);
  });

  test('what comes back with requests still in flight is held to its limit', () => {
    const one = withSettings({ concurrency: { maxPerKey: 1 } });
    const { pool, clock } = setUp([credential('a')], { settings: one });
    const lease = leased(pool.lease(want(), clock.now()));
    pool.update([], one);
    pool.update([credential('a')], one);
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('busy');
    pool.settle(lease, settled({ kind: 'success' }));
    leased(pool.lease(want(), clock.now()));
  });

  test('a newcomer starts at its peers’ minimum, not at zero', () => {
    const { pool, clock } = setUp(
      names(2).map((name) => credential(name)),
      { random: seededRandom(1) },
    );
    for (let i = 0; i < 100; i++) use(pool, clock);
    pool.update(
      names(3).map((name) => credential(name)),
      settings,
    );
    for (let i = 0; i < 30; i++) use(pool, clock);
    const used = pool.status().credentials[2]?.usage.requests ?? 0;
    expect(used).toBeGreaterThanOrEqual(9);
    expect(used).toBeLessThanOrEqual(11);
  });

  test('so does one that is enabled again', () => {
    const disabled = [credential('k0'), credential('k1', { isEnabled: false })];
    const { pool, clock } = setUp(disabled, { random: seededRandom(1) });
    for (let i = 0; i < 50; i++) use(pool, clock);
    pool.update(
      names(2).map((name) => credential(name)),
      settings,
    );
    for (let i = 0; i < 10; i++) use(pool, clock);
    expect(pool.status().credentials[1]?.usage.requests).toBe(5);
  });

  test('new limits and models hold at once', () => {
    const { pool, clock } = setUp([credential('a')], { settings: unlimited });
    for (let i = 0; i < 3; i++) leased(pool.lease(want(), clock.now()));
    pool.update([credential('a', { models: [namePattern('x*')] })], withSettings({ concurrency: { maxPerKey: 4 } }));
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('none');
    leased(pool.lease(want('x1'), clock.now()));
    expect(refused(pool.lease(want('x1'), clock.now())).cause).toBe('busy');
  });
});

describe('explaining', () => {
  const words = (pool: ReturnType<typeof setUp>['pool'], wanted = want()) =>
    pool.explain(wanted).map((one) => `${one.id}: ${one.verdict}: ${one.why}`);

  test('says of each why it would or would not be taken', () => {
    const { pool, clock } = setUp(
      [
        ...names(6).map((name) => credential(name)),
        credential('off', { isEnabled: false }),
        credential('narrow', { models: [namePattern('gem-*'), namePattern('x')] }),
        credential('late', { priority: 20 }),
      ],
      { settings: withSettings({ concurrency: { maxPerKey: 2 } }), random: seededRandom(1) },
    );
    const only = (name: string) =>
      want(
        'm',
        names(6).filter((other) => other !== name),
      );
    use(pool, clock, limited(40_100), only('k0'));
    use(pool, clock, { kind: 'billing' }, only('k1'));
    leased(pool.lease(only('k2'), clock.now()));
    leased(pool.lease(only('k2'), clock.now()));
    use(pool, clock, { kind: 'success' }, only('k4'));
    leased(pool.lease(only('k5'), clock.now()));
    expect(words(pool)).toEqual([
      'k0: blocked: rate_limit for 41 s (retry-after)',
      'k1: blocked: billing until it is reset (status)',
      'k2: busy: 2 of 2 requests in flight',
      'k3: chosen: least used of 3 ready',
      'k4: ready: used once, the chosen one 0 times',
      'k5: ready: 1 in flight, others are below their optimum',
      'off: disabled: disabled',
      'narrow: model_not_allowed: serves only gem-*, x',
      'late: ready: priority 20 comes after priority 10',
    ]);
  });

  test('provider-wide blocks are in everybody’s way', () => {
    const { pool, clock } = setUp(names(2).map((name) => credential(name)));
    use(pool, clock, { kind: 'overloaded', waitMs: 12_000 });
    expect(words(pool)).toEqual([
      'k0: blocked: overload for 12 s (provider)',
      'k1: blocked: overload for 12 s (provider)',
    ]);
  });

  test('looking changes nothing and draws nothing', () => {
    let draws = 0;
    const random = () => {
      draws++;
      return 0.5;
    };
    const { pool, clock } = setUp(three, { random });
    expect(pool.explain(want())).toEqual(pool.explain(want()));
    expect(draws).toBe(0);
    expect(pool.status().credentials.every((one) => one.inFlight === 0)).toBe(true);
    const chosen = pool.explain(want()).find((one) => one.verdict === 'chosen');
    expect(chosen?.why).toBe('least used of 3 ready');
    expect(use(pool, clock)).toBeString();
  });

  test('the chosen one is the one that is taken', () => {
    const { pool, clock } = setUp(three, { random: seededRandom(8) });
    for (let i = 0; i < 20; i++) {
      const least = pool.status().credentials.map((one) => one.usage.requests);
      const chosen = pool.explain(want()).find((one) => one.verdict === 'chosen');
      const isTie = least.filter((count) => count === Math.min(...least)).length > 1;
      const taken = use(pool, clock);
      if (!isTie) expect(chosen?.id).toBe(credentialId(taken));
    }
  });
});

describe('memory', () => {
  test('made-up model names without end leave no trace that grows', () => {
    const { pool, clock } = setUp(
      names(3).map((name) => credential(name)),
      { random: seededRandom(1) },
    );
    for (let i = 0; i < 10_000; i++) {
      const outcome: Outcome =
        i % 3 === 0 ? { kind: 'model-missing' } : i % 3 === 1 ? { kind: 'forbidden', scope: 'model' } : limited(HOUR);
      use(pool, clock, outcome, want(`made-up-${i}`));
    }
    const status = pool.status();
    const blocks = status.blocks.length + status.credentials.reduce((sum, one) => sum + one.blocks.length, 0);
    expect(blocks).toBeLessThanOrEqual(512);
    expect(use(pool, clock)).toBeString();
  });

  test('a model with nothing against it is forgotten before one with a block', () => {
    const { pool, clock } = setUp([credential('a')]);
    use(pool, clock, limited(HOUR), want('precious'));
    for (let i = 0; i < 5000; i++) use(pool, clock, { kind: 'success' }, want(`made-up-${i}`));
    expect(refused(pool.lease(want('precious'), clock.now())).cause).toBe('blocked');
  });

  test('a model in flight is never forgotten', () => {
    const { pool, clock } = setUp([credential('a')], { settings: withSettings({ concurrency: { maxPerKey: 3 } }) });
    const lease = leased(pool.lease(want('kept'), clock.now()));
    for (let i = 0; i < 3000; i++) use(pool, clock, { kind: 'model-missing' }, want(`made-up-${i}`));
    pool.settle(lease, settled(limited(HOUR)));
    expect(refused(pool.lease(want('kept'), clock.now())).cause).toBe('blocked');
  });
});
