import { describe, expect, test } from 'bun:test';
import { amountText, type Cap, capLimit, windowText } from '../../src/pool/cap.ts';
import { type CapBasis, NO_BASIS } from '../../src/pool/cap-basis.ts';
import { CredentialCaps } from '../../src/pool/credential-caps.ts';
import { cap, DAY, HOUR, MINUTE, SECOND } from './pool-fixture.ts';

const at = (text: string) => Date.parse(text);
const text = (moment: number | null | undefined) =>
  moment == null ? moment : new Date(moment).toISOString().replace('.000Z', 'Z');
const MIDNIGHT = { hour: 0, minute: 0, timezone: 'UTC' };

/** One cap, asked for as the pool asks. */
function capped(one: Cap, reset = MIDNIGHT, start = at('2026-03-01T10:00:00Z')) {
  const caps = new CredentialCaps([one], reset, start);
  const state = { basis: NO_BASIS as CapBasis, now: start };
  const basisOf = () => state.basis;
  return {
    caps,
    state,
    send: () => caps.add([one], state.now, basisOf),
    rests: () => caps.resting(state.now, basisOf, () => 'key').get(one) ?? null,
    view: () => caps.views(state.now, basisOf, () => 'key')[0],
  };
}

describe('a cap of three', () => {
  type Row = [string, Cap, string, typeof MIDNIGHT, string, string];
  const berlin = (hour: number) => ({ hour, minute: 0, timezone: 'Europe/Berlin' });
  const rolling = (ms: number) => ({ window: { kind: 'rolling', ms } }) as const;
  const rows: Row[] = [
    [
      'five hours from its first request',
      cap(3, rolling(5 * HOUR)),
      '2026-03-01T10:00:00Z',
      MIDNIGHT,
      '2026-03-01T15:00:00Z',
      '2026-03-01T15:00:00Z',
    ],
    [
      'a minute',
      cap(3, rolling(MINUTE)),
      '2026-03-01T10:00:00Z',
      MIDNIGHT,
      '2026-03-01T10:01:00Z',
      '2026-03-01T10:01:00Z',
    ],
    ['a day', cap(3), '2026-03-01T10:00:00Z', MIDNIGHT, '2026-03-02T00:00:00Z', '2026-03-02T00:00:00Z'],
    [
      'a day that is an hour short',
      cap(3),
      '2026-03-28T23:30:00Z',
      berlin(0),
      '2026-03-29T22:00:00Z',
      '2026-03-29T22:00:00Z',
    ],
    [
      'a day that is an hour long',
      cap(3),
      '2026-10-24T22:00:00Z',
      berlin(0),
      '2026-10-25T23:00:00Z',
      '2026-10-25T23:00:00Z',
    ],
    [
      'a day that ends at a time that is skipped',
      cap(3),
      '2026-03-28T12:00:00Z',
      { ...berlin(2), minute: 30 },
      '2026-03-29T01:00:00Z',
      '2026-03-29T01:00:00Z',
    ],
    [
      'a week',
      cap(3, { window: { kind: 'weekly' } }),
      '2026-03-03T10:00:00Z',
      MIDNIGHT,
      '2026-03-09T00:00:00Z',
      '2026-03-09T00:00:00Z',
    ],
    [
      'a week with a spring change',
      cap(3, { window: { kind: 'weekly' } }),
      '2026-03-24T10:00:00Z',
      berlin(3),
      '2026-03-30T01:00:00Z',
      '2026-03-30T01:00:00Z',
    ],
    [
      'a month of 28 days',
      cap(3, { window: { kind: 'monthly' } }),
      '2026-02-28T23:59:59Z',
      MIDNIGHT,
      '2026-03-01T00:00:00Z',
      '2026-03-01T00:00:00Z',
    ],
    [
      'a month of 31 days',
      cap(3, { window: { kind: 'monthly' } }),
      '2026-01-31T10:00:00Z',
      MIDNIGHT,
      '2026-02-01T00:00:00Z',
      '2026-02-01T00:00:00Z',
    ],
    [
      'a month with an autumn change',
      cap(3, { window: { kind: 'monthly' } }),
      '2026-10-05T10:00:00Z',
      berlin(3),
      '2026-11-01T02:00:00Z',
      '2026-11-01T02:00:00Z',
    ],
    [
      'an hour longer',
      cap(3, { rest: { kind: 'until-reset', plusMs: HOUR } }),
      '2026-03-01T10:00:00Z',
      MIDNIGHT,
      '2026-03-02T00:00:00Z',
      '2026-03-02T01:00:00Z',
    ],
    [
      'two hours from then',
      cap(3, { rest: { kind: 'for', ms: 2 * HOUR } }),
      '2026-03-01T10:00:00Z',
      MIDNIGHT,
      '2026-03-02T00:00:00Z',
      '2026-03-01T12:00:00Z',
    ],
    [
      'two hours, past the end of the window',
      cap(3, { rest: { kind: 'for', ms: 2 * HOUR } }),
      '2026-03-01T23:00:00Z',
      MIDNIGHT,
      '2026-03-02T00:00:00Z',
      '2026-03-02T01:00:00Z',
    ],
  ];
  test.each(rows)('rests for %s', (_, one, start, reset, resetAt, restsUntil) => {
    const { state, send, rests, view } = capped(one, reset, at(start));
    for (let i = 0; i < 3; i++) {
      expect(rests()).toBeNull();
      send();
    }
    expect(rests()).toMatchObject({ kind: 'custom_cap', until: at(restsUntil), source: 'config' });
    expect(view()).toMatchObject({ used: 3, limit: 3, remaining: 0, note: null });
    expect(text(view()?.resetAt)).toBe(resetAt);
    state.now = at(restsUntil) - 1;
    expect(text(rests()?.until)).toBe(restsUntil);
    state.now = at(restsUntil);
    expect(rests()).toBeNull();
    expect(view()).toMatchObject({ used: 0, remaining: 3, restsUntil: null });
    send();
    send();
    expect(rests()).toBeNull();
    send();
    expect(rests()).not.toBeNull();
  });

  test('that was never sent begins no window of its own', () => {
    const { caps, state, send, view } = capped(cap(3, { window: { kind: 'rolling', ms: HOUR } }));
    caps.giveBack(send());
    expect(view()).toMatchObject({ used: 0, resetAt: null });
    state.now += 10 * MINUTE;
    send();
    expect(view()).toMatchObject({ used: 1, resetAt: state.now + HOUR });
  });

  test('that was never sent is given back, but not to another window', () => {
    const one = cap(3, rolling(HOUR));
    const { caps, state, send, rests, view } = capped(one);
    const old = send();
    send();
    const last = send();
    expect(rests()).not.toBeNull();
    caps.giveBack(last);
    expect(rests()).toBeNull();
    state.now += HOUR;
    send();
    caps.giveBack(old);
    expect(view()?.used).toBe(1);
  });

  test('begins anew when the operator lifts it', () => {
    const { caps, send, rests, view } = capped(cap(2));
    send();
    send();
    expect(rests()).not.toBeNull();
    caps.reset();
    expect(rests()).toBeNull();
    expect(view()?.used).toBe(0);
  });
});

describe('a cap that goes by the vendor’s limit', () => {
  const known = (limit: number): CapBasis => ({ ...NO_BASIS, limit });
  test.each([
    [{ kind: 'count', count: 7 }, null, 7],
    [{ kind: 'share', share: 0.8 }, 35, 28],
    [{ kind: 'share', share: 0.8 }, 36, 28],
    [{ kind: 'share', share: 0.333 }, 1000, 333],
    [{ kind: 'share', share: 0.8 }, null, null],
    [{ kind: 'offset', by: -5 }, 20, 15],
    [{ kind: 'offset', by: 5 }, 20, 25],
    [{ kind: 'offset', by: -5 }, 3, 0],
    [{ kind: 'offset', by: -5 }, null, null],
  ] as const)('%o of %p is %p', (amount, limit, expected) => {
    expect(capLimit(amount, limit)).toBe(expected);
  });

  test('does not apply while that is not known, and says so; what was sent meanwhile counts', () => {
    const { state, send, rests, view } = capped({ ...cap(1), amount: { kind: 'share', share: 0.5 } });
    for (let i = 0; i < 3; i++) send();
    expect(rests()).toBeNull();
    expect(view()).toMatchObject({
      used: 3,
      limit: null,
      remaining: null,
      note: 'does not apply: the limit that it goes by is not known yet',
    });
    state.basis = known(8);
    expect(rests()).toBeNull();
    expect(view()).toMatchObject({ used: 3, limit: 4, remaining: 1, note: null });
    send();
    expect(rests()).not.toBeNull();
    state.basis = known(10);
    expect(rests()).toBeNull();
    // It is the same tomorrow, before anybody has said so.
    state.basis = NO_BASIS;
    send();
    expect(rests()).not.toBeNull();
    state.now += DAY;
    expect(view()).toMatchObject({ used: 0, limit: 5 });
  });

  test('of which nothing is left lets nothing through', () => {
    const { state, rests } = capped({
      ...cap(1),
      amount: { kind: 'offset', by: -5 },
      window: { kind: 'rolling', ms: HOUR },
    });
    state.basis = known(4);
    expect(rests()).toMatchObject({ until: null });
    state.basis = known(6);
    expect(rests()).toBeNull();
  });
});

describe('a cap in the vendor’s own window', () => {
  const own = cap(3, { window: { kind: 'authoritative' } });
  const told = (resetAt: number, more: Partial<CapBasis> = {}): CapBasis => ({
    ...NO_BASIS,
    limit: 10,
    resetAt,
    ...more,
  });

  test('does not apply before its end is told, and ends when the vendor’s does', () => {
    const { state, send, rests, view } = capped(own);
    for (let i = 0; i < 3; i++) send();
    expect(rests()).toBeNull();
    expect(view()?.note).toBe('does not apply: the provider has not told when its window ends');
    const end = state.now + 90 * MINUTE;
    state.basis = told(end);
    expect(rests()?.until).toBe(end);
    // Another answer, another end.
    state.basis = told(end + MINUTE);
    expect(rests()?.until).toBe(end + MINUTE);
    state.now = end + MINUTE;
    expect(rests()).toBeNull();
    expect(view()).toMatchObject({ used: 0, resetAt: null });
  });

  test('counts what others have used of it, as the vendor says', () => {
    const { state, send, rests, view } = capped(own);
    send();
    state.basis = told(state.now + HOUR, { used: 2, askedAt: state.now });
    expect(view()).toMatchObject({ used: 2, remaining: 1 });
    expect(rests()).toBeNull();
    send();
    expect(rests()).not.toBeNull();
    expect(view()?.used).toBe(3);
  });

  test('of a vendor that tells shares goes by those alone', () => {
    const { state, send, rests } = capped({ ...own, amount: { kind: 'share', share: 0.8 } });
    const share = (used: number, askedAt: number) =>
      told(state.now + HOUR, { limit: 100, used, askedAt, isOfRequests: false });
    state.basis = share(40, 1);
    for (let i = 0; i < 90; i++) send();
    expect(rests()).toBeNull();
    state.basis = share(80, 2);
    expect(rests()).not.toBeNull();
    state.basis = share(10, 3);
    expect(rests()).toBeNull();
  });
});

describe('the clock', () => {
  test('set back keeps what was used, and holds it no longer than a window', () => {
    for (const [one, most] of [
      [cap(1, { window: { kind: 'rolling', ms: 5 * HOUR } }), 5 * HOUR],
      [cap(1), 26 * HOUR],
      [cap(1, { window: { kind: 'weekly' } }), 7 * DAY + 2 * HOUR],
      [cap(1, { window: { kind: 'monthly' } }), 31 * DAY + 2 * HOUR],
    ] as const) {
      const { caps, state, send, rests } = capped(one);
      send();
      state.now -= 400 * DAY;
      caps.shift(-400 * DAY);
      const until = rests()?.until ?? 0;
      expect(until).toBeGreaterThan(state.now);
      expect(until - state.now).toBeLessThanOrEqual(most);
    }
  });
});

describe('what survives', () => {
  const caps = [
    cap(5),
    cap(2, { window: { kind: 'rolling', ms: HOUR }, models: ['a'] }),
    cap(2, { window: { kind: 'rolling', ms: HOUR }, models: ['a'], rest: { kind: 'for', ms: 3 * HOUR } }),
  ];
  const basisOf = () => NO_BASIS;
  const views = (book: CredentialCaps, now: number) =>
    book.views(now, basisOf, () => 'key').map(({ used, resetAt, restsUntil }) => ({ used, resetAt, restsUntil }));

  test('a restart: counts, ends and rests', () => {
    const now = at('2026-03-01T10:00:00Z');
    const book = new CredentialCaps(caps, MIDNIGHT, now);
    for (let i = 0; i < 2; i++) book.add(caps, now + i * MINUTE, basisOf);
    const stored: unknown = JSON.parse(JSON.stringify(book.snapshot()));
    const next = new CredentialCaps(caps, MIDNIGHT, now);
    next.restore(stored, 0);
    const later = now + 2 * MINUTE;
    expect(views(next, later)).toEqual(views(book, later));
    expect(views(next, later)).toEqual([
      { used: 2, resetAt: at('2026-03-02T00:00:00Z'), restsUntil: null },
      { used: 2, resetAt: now + HOUR, restsUntil: now + HOUR },
      { used: 2, resetAt: now + HOUR, restsUntil: now + MINUTE + 3 * HOUR },
    ]);
    const night = now + 2 * HOUR;
    expect(views(next, night)).toEqual(views(book, night));
  });

  test('a restart, of caps that count the same: each has its own', () => {
    const twins = [cap(2, { rest: { kind: 'for', ms: HOUR } }), cap(3, { tierName: 'free' })];
    const now = at('2026-03-01T10:00:00Z');
    const book = new CredentialCaps(twins, MIDNIGHT, now);
    for (let i = 0; i < 2; i++) book.add(twins, now, basisOf);
    const later = now + HOUR;
    expect(views(book, later).map(({ used }) => used)).toEqual([0, 2]);
    const next = new CredentialCaps(twins, MIDNIGHT, later);
    next.restore(JSON.parse(JSON.stringify(book.snapshot())), 0);
    expect(views(next, later)).toEqual(views(book, later));
  });

  test('a restart with nonsense: nothing', () => {
    for (const stored of [null, 3, {}, [null, 4, { key: 'x' }, { key: 3 }], [{ key: '[[],"daily"]', used: 'many' }]]) {
      const book = new CredentialCaps(caps, MIDNIGHT, 0);
      book.restore(stored, 0);
      expect(book.snapshot()).toBeNull();
    }
  });

  test('a reload: the count, where models and window are the same; another time of day moves its end', () => {
    const now = at('2026-03-01T10:00:00Z');
    const book = new CredentialCaps(caps, MIDNIGHT, now);
    for (let i = 0; i < 2; i++) book.add(caps, now, basisOf);
    const changed = [cap(3, { window: { kind: 'weekly' } }), cap(9, { tierName: 'free' })];
    book.configure(changed, { ...MIDNIGHT, hour: 12 }, now + SECOND);
    expect(book.views(now + SECOND, basisOf, () => 'key')).toMatchObject([
      { window: 'weekly', used: 0, limit: 3 },
      { window: 'daily', used: 2, limit: 9, tierName: 'free', resetAt: at('2026-03-01T12:00:00Z') },
    ]);
  });
});

test('a cap is shown as it is written', () => {
  expect(amountText({ kind: 'share', share: 0.07 })).toBe('7%');
  expect(amountText({ kind: 'offset', by: 5 })).toBe('+5');
  expect(amountText({ kind: 'offset', by: -5 })).toBe('-5');
  expect([5 * HOUR, DAY, 90 * SECOND, 1500].map((ms) => windowText({ kind: 'rolling', ms }))).toEqual([
    '5h',
    '1d',
    '90s',
    '1500ms',
  ]);
});
