import { describe, expect, test } from 'bun:test';
import {
  credential,
  credentialId,
  HOUR,
  leased,
  limited,
  names,
  setUp,
  settled,
  use,
  want,
  withSettings,
} from './pool-fixture.ts';

const two = names(2).map((name) => credential(name));
const talk = (
  key: string,
  change: { isExplicit?: boolean; isHonoured?: boolean } = {},
  exclude: readonly string[] = [],
) => ({
  ...want('m', exclude),
  affinity: { key, isExplicit: true, isHonoured: true, ...change },
});
const success = { kind: 'success' } as const;

describe('a conversation', () => {
  test('stays with the credential that served it, whatever balance says', () => {
    const { pool, clock } = setUp(two);
    const first = use(pool, clock, success, talk('x'));
    for (let i = 0; i < 5; i++) expect(use(pool, clock, success, talk('x'))).toBe(first);
    expect(pool.explain(talk('x')).find((one) => one.verdict === 'chosen')).toMatchObject({
      id: first,
      why: 'serves this conversation',
    });
  });

  test('goes to another when its credential is blocked, and stays there', async () => {
    const { pool, clock } = setUp(two);
    const first = use(pool, clock, success, talk('x'));
    use(pool, clock, limited(5000), talk('x'));
    const second = use(pool, clock, success, talk('x'));
    expect(second).not.toBe(first);
    await clock.advance(HOUR / 2);
    expect(use(pool, clock, success, talk('x'))).toBe(second);
  });

  test('goes to another when its credential is full', () => {
    const { pool, clock } = setUp(two, { settings: withSettings({ concurrency: { maxPerKey: 1 } }) });
    const first = leased(pool.lease(talk('x'), clock.now()));
    expect(leased(pool.lease(talk('x'), clock.now())).credentialId).not.toBe(first.credentialId);
  });

  test('that was inferred yields to a peer below its optimum; a named one does not', () => {
    for (const isExplicit of [true, false]) {
      const { pool, clock } = setUp(two);
      const first = use(pool, clock, success, talk('x', { isExplicit }));
      leased(pool.lease(talk('x', { isExplicit }), clock.now()));
      const next = leased(pool.lease(talk('x', { isExplicit }), clock.now()));
      expect(next.credentialId === credentialId(first)).toBe(isExplicit);
    }
  });

  test('that is only recorded does not choose, but is there when it may', () => {
    const { pool, clock } = setUp(two);
    const recorded = { isExplicit: false, isHonoured: false };
    const used = [1, 2, 3, 4].map(() => use(pool, clock, success, talk('x', recorded)));
    expect(new Set(used).size).toBe(2);
    expect(use(pool, clock, success, talk('x', { isExplicit: false }))).toBe(used[3] ?? '');
  });

  test('is rebound to the one that served after another failed', () => {
    const { pool, clock } = setUp(two);
    const lease = leased(pool.lease(talk('x'), clock.now()));
    pool.settle(lease, settled({ kind: 'upstream-error' }));
    const second = use(pool, clock, success, talk('x', {}, [lease.credentialId]));
    expect(use(pool, clock, success, talk('x'))).toBe(second);
  });

  test('means nothing when affinity is off', () => {
    const { pool, clock } = setUp(two, { settings: withSettings({ isAffinityOn: false }) });
    const used = [1, 2, 3, 4].map(() => use(pool, clock, success, talk('x')));
    expect(new Set(used).size).toBe(2);
  });
});

describe('sequential', () => {
  const sequential = withSettings({ mode: 'sequential', concurrency: { optimalPerKey: 0 } });
  const three = names(3).map((name) => credential(name));

  test('stays with one until it is exhausted, then with the next', async () => {
    const { pool, clock } = setUp(three, { settings: sequential });
    expect([1, 2, 3].map(() => use(pool, clock))).toEqual(['k0', 'k0', 'k0']);
    use(pool, clock, limited(5000));
    expect([1, 2].map(() => use(pool, clock))).toEqual(['k1', 'k1']);
    // The first is back, but the second is in use now.
    await clock.advance(5000);
    expect(use(pool, clock)).toBe('k1');
  });

  test('a key that fails is not preferred for being used', async () => {
    const { pool, clock } = setUp(three, { settings: sequential });
    for (let i = 0; i < 3; i++) {
      use(pool, clock, { kind: 'failed' }, want('m', ['k1', 'k2']));
      use(pool, clock, success, want('m', ['k0']));
      await clock.advance(HOUR);
    }
    expect(use(pool, clock)).toBe('k1');
  });

  test('keeps its place through a reload that moves it', () => {
    const { pool, clock } = setUp(three, { settings: sequential });
    use(pool, clock, limited(HOUR));
    expect(use(pool, clock)).toBe('k1');
    pool.update([credential('new'), ...three.toReversed()], sequential);
    expect([1, 2].map(() => use(pool, clock))).toEqual(['k1', 'k1']);
  });

  test('is exhausted by model or group, each on its own', () => {
    const { pool, clock } = setUp(three, { settings: sequential });
    use(pool, clock, limited(HOUR));
    expect(use(pool, clock)).toBe('k1');
    expect(use(pool, clock, success, want('other'))).toBe('k1');
    expect(
      pool
        .explain(want())
        .map((one) => [one.id, one.verdict, one.why])
        .slice(1),
    ).toMatchObject([
      ['k1', 'chosen', 'in use until it is exhausted'],
      ['k2', 'ready', 'its turn comes later'],
    ]);
  });
});
