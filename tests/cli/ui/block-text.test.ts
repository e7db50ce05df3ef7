import { describe, expect, test } from 'bun:test';
import { blocksText, scopeText } from '../../../src/cli/ui/block-text.ts';
import type { BlockView } from '../../../src/gateway/operations.ts';

const NOW = Date.UTC(2026, 0, 1);
const block = (scope: string, seconds: number | null, kind = 'rate_limit'): BlockView => ({
  scope,
  kind,
  until: seconds === null ? null : new Date(NOW + seconds * 1000).toISOString(),
  reason: 'slow down',
  source: 'retry-after',
});

const ACCOUNT = 'needs a new login (revoked): rotator oauth login codex';

describe('the blocks of one credential', () => {
  test.each([
    [[], ''],
    [[block('key', 41)], 'rate_limit, back in 41 s'],
    [[block('key', null, 'billing')], 'billing, until it is tested or reset'],
    [[block('key', -1)], 'rate_limit, back now'],
    [[{ ...block('key', null, 'auth'), reason: ACCOUNT, source: 'account' }], ACCOUNT],
    [[block('model:pro', 10_800, 'quota')], 'pro: quota, back in 3 h'],
    [[block('model:pro', null, 'quota')], 'pro: quota, until it is reset'],
    [[block('group:pro', 60)], 'group pro: rate_limit, back in 60 s'],
    [[block('model:pro', 60), block('model:pro', 10_800, 'quota')], 'pro: quota, back in 3 h'],
    [[block('model:a', 41), block('model:b', 10_800)], '2 models rest, the first back in 41 s, the last back in 3 h'],
    [[block('model:a', 41), block('model:b', 41)], '2 models rest, back in 41 s'],
    [[block('model:a', 40.2), block('model:b', 40.9)], '2 models rest, back in 41 s'],
    [
      [block('model:a', 41), block('group:b', null)],
      '2 models and groups rest, the first back in 41 s, the last until it is reset',
    ],
    [[block('key', 41), block('model:a', 60)], 'rate_limit, back in 41 s; a: rate_limit, back in 60 s'],
  ])('%#: in one line', (blocks, text) => expect(blocksText(blocks, NOW)).toBe(text));

  test('a name cannot steer the terminal', () => {
    expect(scopeText('model:\u001b[2J:x')).toBe('\\u001b[2J:x');
    expect(scopeText('provider+model:a/b:free')).toBe('a/b:free');
    expect(scopeText('provider')).toBe('provider');
  });
});
