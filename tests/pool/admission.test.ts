import { describe, expect, test } from 'bun:test';
import type { KeyLimits } from '../../src/pool/credential.ts';
import type { LearnedLimits } from '../../src/pool/outcome.ts';
import { namePattern } from '../../src/shared/wildcard.ts';
import {
  credential,
  credentialId,
  follow,
  HOUR,
  leased,
  limited,
  MINUTE,
  NO_LIMITS,
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

const limitedKey = (name: string, limits: Partial<KeyLimits>) =>
  credential(name, { limits: { ...NO_LIMITS, ...limits } });
const wide = withSettings({ concurrency: { optimalPerKey: 0 } });
const sized = (tokens: number, model = 'm') => ({ ...want(model), tokens });
const signal = new AbortController().signal;

describe('a key’s own limits', () => {
  test('requests per minute: the next one goes when the first is a minute old', async () => {
    const { pool, clock } = setUp([limitedKey('a', { requestsPerMinute: 2 })]);
    use(pool, clock);
    await clock.advance(10 * SECOND);
    use(pool, clock);
    const refusal = refused(pool.lease(want(), clock.now()));
    expect(refusal).toMatchObject({ cause: 'over-limit', blocks: [], retryAt: clock.now() + 50 * SECOND });
    expect(pool.status().credentials[0]).toMatchObject({
      state: 'busy',
      windows: [{ scope: 'key', name: 'rpm', used: 2, limit: 2, remaining: 0, source: 'config' }],
    });
    await clock.advance(50 * SECOND);
    expect(use(pool, clock)).toBe('a');
  });

  test('what is full is passed over', () => {
    const { pool, clock } = setUp([limitedKey('k0', { requestsPerMinute: 1 }), credential('k1')]);
    use(pool, clock, { kind: 'success' }, want('m', ['k1']));
    expect([1, 2, 3].map(() => use(pool, clock))).toEqual(['k1', 'k1', 'k1']);
    const [explained] = pool.explain(want());
    expect([explained?.verdict, explained?.why]).toEqual(['over_limit', 'rpm 1 of 1 used, room in 60 s']);
  });

  test('tokens are reserved, corrected by what was used, and refused by size', () => {
    const { pool, clock } = setUp([limitedKey('a', { tokensPerMinute: 100 })], { settings: wide });
    const first = leased(pool.lease(sized(80), clock.now()));
    expect(refused(pool.lease(sized(30), clock.now())).cause).toBe('over-limit');
    const small = leased(pool.lease(sized(20), clock.now()));
    pool.settle(first, { ...settled({ kind: 'success' }), usage: { inputTokens: 10, outputTokens: 5 } });
    leased(pool.lease(sized(60), clock.now()));
    pool.settle(small, settled({ kind: 'neutral' }));
    expect(pool.status().credentials[0]?.windows).toMatchObject([{ name: 'tpm', used: 95 }]);
  });

  test('what a provider refused used no tokens; what was never sent counts nowhere', () => {
    const { pool, clock } = setUp([limitedKey('a', { tokensPerMinute: 100, requestsPerMinute: 9 })]);
    use(pool, clock, limited(1, { scope: 'model' }), sized(80, 'x'));
    use(pool, clock, { kind: 'unreachable' }, sized(70, 'y'));
    expect(pool.status().credentials[0]?.windows).toMatchObject([
      { name: 'rpm', used: 1 },
      { name: 'tpm', used: 0 },
    ]);
  });

  test('a request larger than the whole limit goes when nothing is used', async () => {
    const { pool, clock } = setUp([limitedKey('a', { tokensPerMinute: 100 })]);
    use(pool, clock, { kind: 'success' }, sized(1));
    expect(refused(pool.lease(sized(5000), clock.now())).retryAt).toBe(clock.now() + MINUTE);
    await clock.advance(MINUTE);
    expect(use(pool, clock, { kind: 'success' }, sized(5000))).toBe('a');
  });

  test('a day’s limit is over at the daily reset', async () => {
    const dailyReset = { hour: 3, minute: 30, timezone: 'UTC' };
    const { pool, clock } = setUp([limitedKey('a', { requestsPerDay: 1 })], { settings: { ...settings, dailyReset } });
    use(pool, clock);
    expect(refused(pool.lease(want(), clock.now())).retryAt).toBe(clock.now() + 3.5 * HOUR);
    await clock.advance(3.5 * HOUR);
    expect(use(pool, clock)).toBe('a');
  });

  test('its own concurrency goes before the provider’s', () => {
    const { pool, clock } = setUp([limitedKey('a', { concurrency: 2 })], {
      settings: withSettings({ concurrency: { maxPerKey: 1 } }),
    });
    for (let i = 0; i < 2; i++) leased(pool.lease(want(), clock.now()));
    expect(refused(pool.lease(want(), clock.now())).cause).toBe('busy');
  });

  test('who waits is woken when there is room for its size, and refused at once when that is too late', async () => {
    const { pool, clock } = setUp([limitedKey('a', { tokensPerMinute: 100 })]);
    use(pool, clock, { kind: 'success' }, sized(60));
    await clock.advance(20 * SECOND);
    use(pool, clock, { kind: 'success' }, sized(30));
    const acquire = (tokens: number, forMs: number) =>
      follow(
        pool.acquire(sized(tokens), { deadline: clock.now() + forMs, blockedDeadline: clock.now() + forMs, signal }),
      );
    const patient = acquire(50, 45 * SECOND);
    const hasty = acquire(50, 10 * SECOND);
    await clock.advance(0);
    expect([patient.state, hasty.state]).toEqual(['waiting', 'over-limit']);
    await clock.advance(39_999);
    expect(patient.state).toBe('waiting');
    await clock.advance(1);
    expect(patient.state).toBe('a');
  });

  test('a correction wakes as well', async () => {
    const { pool, clock } = setUp([limitedKey('a', { tokensPerMinute: 100 })], { settings: wide });
    const big = leased(pool.lease(sized(100), clock.now()));
    const waiting = follow(
      pool.acquire(sized(50), { deadline: clock.now() + HOUR, blockedDeadline: clock.now() + HOUR, signal }),
    );
    pool.settle(big, { ...settled({ kind: 'success' }), usage: { inputTokens: 3, outputTokens: 4 } });
    await clock.advance(0);
    expect(waiting.state).toBe('a');
  });
});

describe('ceilings that a provider told', () => {
  const tell = (learned: LearnedLimits) => ({ ...settled({ kind: 'success' }), learned });

  test('hold on their model or group, until they are full again', async () => {
    const groups = [{ name: 'pro', models: [namePattern('pro-*')] }];
    const { pool, clock } = setUp([credential('a')], { settings: withSettings({ groups }) });
    const lease = leased(pool.lease(want('pro-1'), clock.now()));
    pool.settle(lease, tell({ requestsPerMinute: { limit: 30, remaining: 0, resetMs: 20_000 } }));
    expect(refused(pool.lease(want('pro-2'), clock.now()))).toMatchObject({
      cause: 'over-limit',
      retryAt: clock.now() + 20_000,
    });
    expect(use(pool, clock, { kind: 'success' }, want('other'))).toBe('a');
    expect(pool.status().credentials[0]?.windows).toMatchObject([
      { scope: 'group:pro', source: 'learned', remaining: 0 },
    ]);
    await clock.advance(20_000);
    expect(use(pool, clock, { kind: 'success' }, want('pro-2'))).toBe('a');
  });
});

describe('quota pools', () => {
  const project = names(3).map((name) => credential(name, { quotaPool: name === 'k2' ? null : 'project' }));

  test('what one meets, its peers need not meet', async () => {
    const { pool, clock } = setUp(project);
    use(pool, clock, limited(HOUR, { isQuota: true }), want('m', ['k1', 'k2']));
    expect(pool.status().credentials.map((one) => one.blocks.length)).toEqual([1, 1, 0]);
    expect([1, 2].map(() => use(pool, clock))).toEqual(['k2', 'k2']);
    await clock.advance(HOUR);
    expect(pool.status().credentials.every((one) => one.blocks.length === 0)).toBe(true);
  });

  test('rate limits and “limit: 0” are one’s own', () => {
    const { pool, clock } = setUp(project);
    use(pool, clock, limited(HOUR), want('m', ['k1', 'k2']));
    use(pool, clock, limited(null, { isQuota: true, isPermanent: true }), want('x', ['k1', 'k2']));
    expect(pool.status().credentials[1]?.blocks).toEqual([]);
  });

  test('a newcomer finds the quota as its peers have left it', () => {
    const { pool, clock } = setUp(project);
    use(pool, clock, limited(HOUR, { isQuota: true, scope: 'credential' }), want('m', ['k1', 'k2']));
    pool.update([...project, credential('k3', { quotaPool: 'project' })], settings);
    expect(pool.status().credentials[3]?.blocks).toMatchObject([{ kind: 'quota', until: clock.now() + HOUR }]);
  });
});

describe('a quota group', () => {
  const groups = [{ name: 'pro', models: [namePattern('pro-*')] }];

  test('blocks the siblings of a model, also those that were never used', async () => {
    const { pool, clock } = setUp(
      names(2).map((name) => credential(name)),
      { settings: withSettings({ groups }) },
    );
    use(pool, clock, limited(10_000), want('pro-1', ['k1']));
    expect([1, 2].map(() => use(pool, clock, { kind: 'success' }, want('pro-2')))).toEqual(['k1', 'k1']);
    expect(refused(pool.lease(want('pro-3', ['k1']), clock.now()))).toMatchObject({
      cause: 'blocked',
      blocks: [{ scope: 'group:pro' }],
      retryAt: clock.now() + 10_000,
    });
    await clock.advance(10_000);
    expect(use(pool, clock, { kind: 'success' }, want('pro-3', ['k1']))).toBe('k0');
  });

  test('after a long block one request of the whole group goes first', async () => {
    const { pool, clock } = setUp([credential('a')], { settings: withSettings({ groups }) });
    use(pool, clock, limited(HOUR), want('pro-1'));
    await clock.advance(HOUR);
    const probe = leased(pool.lease(want('pro-1'), clock.now()));
    expect(refused(pool.lease(want('pro-2'), clock.now())).cause).toBe('busy');
    pool.settle(probe, settled({ kind: 'success' }));
    leased(pool.lease(want('pro-2'), clock.now()));
  });

  test('that is gone from the config takes its blocks along', () => {
    const { pool, clock } = setUp([credential('a')], { settings: withSettings({ groups }) });
    use(pool, clock, limited(HOUR), want('pro-1'));
    pool.update([credential('a')], settings);
    expect(use(pool, clock, { kind: 'success' }, want('pro-1'))).toBe('a');
  });
});

test('the commit point ends a probation and its hold on the next request; the lease stays open', async () => {
  const { pool, clock } = setUp([credential('a')], { settings: wide });
  use(pool, clock, limited(HOUR));
  await clock.advance(HOUR);
  const stream = leased(pool.lease(want(), clock.now()));
  expect(refused(pool.lease(want(), clock.now())).cause).toBe('busy');
  pool.confirm(stream);
  leased(pool.lease(want(), clock.now()));
  expect(pool.status().credentials[0]?.inFlight).toBe(2);
  pool.settle(stream, settled({ kind: 'failed' }));
  expect(pool.status().credentials[0]?.blocks).toMatchObject([{ kind: 'ladder' }]);
  expect(() => pool.confirm(stream)).toThrow('settled already');
});

test('a proof brings back a key without credit, for those who wait too', async () => {
  const { pool, clock } = setUp([credential('a')]);
  use(pool, clock, { kind: 'billing' });
  expect(refused(pool.lease(want(), clock.now())).cause).toBe('blocked');
  pool.prove(credentialId('a'));
  expect(use(pool, clock)).toBe('a');
});

test('at the daily reset guesses are forgotten and use is counted from zero', async () => {
  const { pool, clock } = setUp(names(2).map((name) => credential(name)));
  await clock.advance(24 * HOUR - 1000);
  for (let i = 0; i < 5; i++) use(pool, clock, { kind: 'success' }, want('m', ['k1']));
  use(pool, clock, limited(null), want('m', ['k1']));
  await clock.advance(1000);
  const taken = [1, 2].map(() => use(pool, clock));
  expect(new Set(taken).size).toBe(2);
});

test('by tokens, the one that used fewer is taken', () => {
  const { pool, clock } = setUp(
    names(2).map((name) => credential(name)),
    { settings: withSettings({ balanceBy: 'tokens' }) },
  );
  const lease = leased(pool.lease(want('m', ['k1']), clock.now()));
  pool.settle(lease, { ...settled({ kind: 'success' }), usage: { inputTokens: 40_000, outputTokens: 0 } });
  const small = { ...settled({ kind: 'success' } as const), usage: { inputTokens: 100, outputTokens: 100 } };
  for (let i = 0; i < 20; i++) {
    const next = leased(pool.lease(want(), clock.now()));
    expect(next.credentialId).toBe(credentialId('k1'));
    pool.settle(next, small);
  }
});
