import { expect, test } from 'bun:test';
import { isVisible } from '../../src/gateway/visible-models.ts';
import { namePattern } from '../../src/shared/wildcard.ts';

/** The table of the reference: `allow` alone is all there is; beside `deny` it names exceptions. */
test.each([
  [[], [], 'pro', true],
  [['pro*'], [], 'pro-1', true],
  [['pro*'], [], 'mini', false],
  [[], ['*-preview'], 'pro', true],
  [[], ['*-preview'], 'pro-preview', false],
  [['good-preview'], ['*-preview'], 'good-preview', true],
  [['good-preview'], ['*-preview'], 'bad-preview', false],
  [['good-preview'], ['*-preview'], 'pro', true],
  [['acme/pro'], [], 'pro', true],
  [[], ['acme/*'], 'pro', false],
] as [string[], string[], string, boolean][])(
  'allow %j, deny %j: %s is visible: %p',
  (allow, deny, model, expected) => {
    const runtime = { id: 'acme', allow: allow.map(namePattern), deny: deny.map(namePattern) };
    expect(isVisible(runtime, model)).toBe(expected);
  },
);
