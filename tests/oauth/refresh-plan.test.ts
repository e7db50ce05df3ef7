import { describe, expect, test } from 'bun:test';
import * as fc from 'fast-check';
import type { TokenFailure } from '../../src/oauth/engine/token-answer.ts';
import { afterFailure, freshness, msUntilDue, SPREAD_MS, SWEEP_MS } from '../../src/oauth/refresh/refresh-plan.ts';
import { account } from './oauth-fixture.ts';

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const middle = () => 0.5;

const endingIn = (ms: number | null, livedFor?: number) =>
  account('codex', {
    tokens: { ...account('codex').tokens, expiresAt: ms === null ? null : NOW + ms },
    lastRefreshAt: livedFor === undefined ? null : NOW - livedFor,
  });

describe('a token', () => {
  test.each([
    ['with an hour left', endingIn(60 * MINUTE), 'fresh'],
    ['inside its lead', endingIn(29 * MINUTE), 'due'],
    ['that ends in seconds', endingIn(9_000), 'expired'],
    ['that has ended', endingIn(-1), 'expired'],
    ['without an end', endingIn(null), 'fresh'],
    // An hour of life under a lead of five days would mean a refresh with every call.
    ['of a life shorter than the lead, just given', endingIn(20 * MINUTE, 1000), 'fresh'],
    ['of a life shorter than the lead, past its half', endingIn(9 * MINUTE, 11 * MINUTE), 'due'],
    ['of five seconds of life, just given', endingIn(5_000, 0), 'fresh'],
  ])('%s is %s', (_, one, expected) => expect(freshness(one, 30 * MINUTE, NOW)).toBe(expected as never));

  test('that was never given is expired', () => {
    const none = account('codex', { tokens: { ...account('codex').tokens, access: null } });
    expect(freshness(none, 0, NOW)).toBe('expired');
  });

  test('is looked at again when it is due, at the latest with the next sweep, and never all at once', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (left, dice) => {
        const ms = msUntilDue(endingIn(left), 30 * MINUTE, NOW, () => dice);
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThanOrEqual(SWEEP_MS + SPREAD_MS);
      }),
    );
  });
});

describe('after a failed refresh', () => {
  const refused = (error: string): TokenFailure => ({ kind: 'refused', error, reason: error });

  test.each([
    'invalid_grant',
    'refresh_token_reused',
    'unauthorized_client',
    'invalid_request',
    'http_401',
    'http_403',
  ])('%s means that a person has to log in again', (error) => {
    const standing = { kind: 'needs_login', reason: error, since: NOW } as const;
    expect(afterFailure(refused(error), 1, NOW, middle)).toEqual({ kind: 'ended', standing });
  });

  test('an error that says nothing of the token ends nothing', () => {
    expect(afterFailure(refused('server_error'), 1, NOW, middle)).toMatchObject({ kind: 'wait', until: NOW + MINUTE });
  });

  test('an unreachable server is asked three times, one and two seconds apart, then left alone for a minute', () => {
    const failure = { kind: 'unavailable', reason: 'HTTP 503' } as const;
    expect(afterFailure(failure, 1, NOW, middle)).toEqual({ kind: 'retry', ms: 1000 });
    expect(afterFailure(failure, 2, NOW, middle)).toEqual({ kind: 'retry', ms: 2000 });
    expect(afterFailure(failure, 3, NOW, middle)).toEqual({ kind: 'wait', until: NOW + MINUTE, reason: 'HTTP 503' });
  });

  test.each([
    [7000, 7000],
    [null, 60_000],
    [10 * 86_400_000, 60 * MINUTE],
  ])('429 with %j is kept for %j ms', (retryAfterMs, ms) => {
    const failure = { kind: 'rate-limited', retryAfterMs, reason: 'HTTP 429' } as const;
    expect(afterFailure(failure, 1, NOW, middle)).toEqual({ kind: 'wait', until: NOW + ms, reason: 'HTTP 429' });
  });

  test('a ban is a state of its own, with its link', () => {
    const failure = { kind: 'blocked', why: 'banned', reason: 'r', link: 'https://x.test/' } as const;
    expect(afterFailure(failure, 1, NOW, middle)).toEqual({
      kind: 'ended',
      standing: { kind: 'blocked', why: 'banned', reason: 'r', link: 'https://x.test/', since: NOW },
    });
  });
});
