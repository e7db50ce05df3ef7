import { describe, expect, test } from 'bun:test';
import { paint } from '../../../src/cli/ui/colour.ts';
import { glyphs } from '../../../src/cli/ui/glyphs.ts';
import { type StatusView, statusText } from '../../../src/cli/ui/status-text.ts';
import type { StatusReport } from '../../../src/gateway/operations.ts';
import { block, freeTier, key, limitedClients, minute, NOW, provider, used } from '../support/reports.ts';

const view: StatusView = {
  paint: paint(false),
  glyphs: glyphs({}),
  maxColumns: null,
  now: NOW,
  url: 'http://127.0.0.1:8000',
};
const shown = (report: Partial<StatusReport>, more: Partial<StatusView> = {}) =>
  statusText({ ...freeTier, providers: [provider('gemini')], ...report }, { ...view, ...more });

describe('the status of five keys of the free tier', () => {
  test('says which can be used, for which models not, and when the others come back', () => {
    expect(statusText(freeTier, view)).toBe(`\
rotator 1.2.3 · http://127.0.0.1:8000 · up 2 h · 1 in flight · 2 waiting
today: 1,204 requests · 12 failed · 1.2M tokens in · 123k out · cost –

gemini: 2 of 5 keys can be used, the next is back in 41 s
  2 requests waiting
  busy     gemini-1a2b3c4d5e (work) · 1 in flight · 10 requests today · 1 failed
    rpm 7 of 10 left (70 %), full in 41 s · rpd 240 of 250 left (96 %), full in 3 h
  ready    gemini-2b3c4d5e6f
    not for group flash: rate_limit, back in 41 s (retry-after)
    not for gemini-2.5-pro: quota, back in 3 h (retry-after)
    rpm 0 of 10 left (0 %), full in 41 s
    gemini-2.5-flash: rpm 9 of 10 left (90 %), full in 41 s
  blocked  gemini-4d5e6f7081
    rate_limit, back in 41 s (retry-after)
  blocked  gemini-3c4d5e6f70 (school)
    quota, back in 3 h (retry-after)
  disabled gemini-5e6f708192
  today: 1,204 requests · 12 failed · 1.2M tokens in · 123k out · cost –

groq: no keys
`);
  });

  test('stays short however many models are asked for that nobody has, and however long their names are', () => {
    const missing = (name: string) => block(`model:${name}`, 41_000, 'model_missing');
    const blocks = [...Array.from({ length: 40 }, (_, at) => missing(`m${at}`)), block('provider', 41_000, 'overload')];
    const lines = shown({ providers: [{ ...provider('gemini'), blocks }] }).split('\n');
    const resting = lines.filter((line) => line.includes('for all keys'));
    expect(resting[0]).toStartWith('  every model rests for all keys: overload');
    expect(resting.slice(1, -1).map((line) => line.trim().split(' ')[0])).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
    expect(resting.at(-1)).toBe('  35 more models rest for all keys: rotator status --json names them');
    const long = shown({ providers: [{ ...provider('gemini'), blocks: [missing('x'.repeat(3000))] }] });
    expect(long).toContain(`  ${'x'.repeat(100)}…${'x'.repeat(19)} rests for all keys: model_missing, back in 41 s`);
  });

  test('shows of each cap what is left, or why it does not apply', () => {
    const cap = {
      scope: 'model:gemini-2.5-pro',
      models: ['gemini-2.5-pro'],
      tier_name: 'free',
      max_requests: '80%',
      window: 'daily',
      used: 60,
      limit: 80,
      remaining: 20,
      reset_at: new Date(NOW + 3_600_000).toISOString(),
      rests_until: null,
      note: null,
    };
    const note = 'does not apply: the limit that it goes by is not known yet';
    const caps = [
      cap,
      { ...cap, scope: 'key', max_requests: '5', window: '5h', used: 0, limit: 5, remaining: 5 },
      { ...cap, scope: 'models:a*,b', max_requests: '+5', limit: null, remaining: null, note },
    ];
    expect(shown({ keys: [key('gemini-1', { caps })] })).toContain(`\
  ready    gemini-1
    gemini-2.5-pro: cap 80% daily 20 of 80 left (25 %), full in 1 h
    a*, b: cap +5 daily does not apply: the limit that it goes by is not known yet
`);
  });

  test.each([40, 41, 60, 80])('fits %d columns, and every id stays whole', (maxColumns) => {
    const text = statusText(freeTier, { ...view, maxColumns });
    for (const line of text.split('\n')) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(maxColumns);
    for (const { id } of freeTier.keys) expect(text).toContain(id);
    const words = (shownText: string) => shownText.split(/\s+/).filter((word) => word !== '·');
    expect(words(text)).toEqual(words(statusText(freeTier, view)));
  });

  test('is plain ASCII where the terminal knows no more, and has no colours unless they are wanted', () => {
    const plain = statusText(freeTier, { ...view, glyphs: glyphs({ LANG: 'C' }) });
    expect(plain).toMatch(/^[\n -~]*$/);
    expect(plain).toContain('cost -');
    const coloured = statusText(freeTier, { ...view, paint: paint(true) });
    expect(coloured).not.toBe(statusText(freeTier, view));
    expect(Bun.stripANSI(coloured)).toBe(statusText(freeTier, view));
  });
});

describe('clients that have limits', () => {
  test('have a line each, after the providers', () => {
    expect(shown({ keys: [], clients: limitedClients })).toEndWith(`
gemini: no keys

clients:
  laptop: rpm 57 of 60 left (95 %), full in 41 s · usd_per_day $0.8 of $5.00 left (16 %), full in 9 h
  ci: rpm 0 of 1 left (0 %), full in 41 s
`);
    expect(shown({ clients: [] })).not.toContain('clients');
  });

  test.each([40, 60])('fit %d columns', (maxColumns) => {
    const text = shown({ clients: limitedClients }, { maxColumns });
    for (const line of text.split('\n')) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(maxColumns);
    expect(text).toContain('  laptop: rpm 57 of 60 left (95 %),');
  });
});

describe('the status', () => {
  test('says what cannot be read instead of counting nothing', () => {
    const [, today] = shown({ problem: 'what was used cannot be read: it is damaged' }).split('\n');
    expect(today).toBe('today: what was used cannot be read: it is damaged');
  });

  test('without a server says so, and tells nothing of a run that is none', () => {
    const [head] = shown({}, { url: null }).split('\n');
    expect(head).toBe('rotator 1.2.3 · no server runs');
  });

  test.each([
    [[key('a'), key('b')], '2 of 2 keys can be used'],
    [[key('a')], '1 of 1 key can be used'],
    [[key('a', { state: 'disabled' })], 'no key can be used'],
    [[key('a', { state: 'blocked', blocks: [block('key', null, 'billing')] })], 'no key can be used'],
    [
      [
        key('a', { state: 'blocked', blocks: [block('key', 7_200_000), block('key', 5_000)] }),
        key('b', { state: 'blocked', blocks: [block('key', null, 'auth')] }),
      ],
      'no key can be used, the first is back in 2 h',
    ],
    [[], 'no keys'],
  ])('%#: counts the keys that can be used', (keys, text) => {
    expect(shown({ keys }).split('\n')[3]).toBe(`gemini: ${text}`);
  });

  test('does not count a key whose own limit is reached, and says so', () => {
    const spent = { ...minute(0, 250, 3_600_000), name: 'rpd' as const };
    const atLimit = key('a', { state: 'busy', windows: [minute(7), spent] });
    const text = shown({ keys: [key('b'), atLimit] });
    expect(text).toContain('gemini: 1 of 2 keys can be used, the next is back in 1 h\n  ready    b\n  limited  a\n');
    const even = { ...minute(0), room_at: new Date(NOW + 40_500).toISOString() };
    expect(shown({ keys: [key('e', { windows: [even] })] })).toContain('rpm 0 of 10 left (0 %), full in 41 s\n');
    const sliding = key('d', {
      state: 'busy',
      windows: [{ ...minute(0, 2), room_at: new Date(NOW + 6000).toISOString() }],
    });
    expect(shown({ keys: [sliding] })).toContain(
      'gemini: no key can be used, the first is back in 6 s\n  limited  d\n    rpm 0 of 2 left (0 %), room in 6 s, full in 41 s\n',
    );
    const sooner = key('c', { state: 'blocked', blocks: [block('key', 41_000)] });
    expect(shown({ keys: [atLimit, sooner] })).toContain('gemini: no key can be used, the first is back in 41 s\n');
    const full = key('a', { state: 'busy', in_flight: 1, windows: [minute(7)] });
    expect(shown({ keys: [full] })).toContain('gemini: 1 of 1 key can be used\n  busy     a');
  });

  test('names the models that no key can be used for, and when the first is back', () => {
    const pro = 'model:gemini-2.5-pro';
    const spent = { ...minute(0, 250, 3_600_000), scope: pro, name: 'rpd' as const };
    const first = key('a', { blocks: [block(pro, null, 'quota'), block('model:gemini-2.5-flash', 5_000)] });
    const blocked = key('c', { state: 'blocked', blocks: [block(pro, 5_000), block('key', 7_200_000)] });
    const disabled = key('d', { state: 'disabled' });
    const text = shown({ keys: [first, key('b', { windows: [spent] }), blocked, disabled] });
    expect(text).toContain('\n  no key for gemini-2.5-pro, the first is back in 1 h\n');
    expect(text).not.toContain('no key for gemini-2.5-flash');
    expect(shown({ keys: [first] })).toContain(
      '  no key for gemini-2.5-flash, the first is back in 5 s\n  no key for gemini-2.5-pro until one is reset\n',
    );
    expect(shown({ keys: [blocked, disabled] })).not.toContain('no key for');
  });

  test('counts no key that was rejected and has not served since, and says that it is tried next', () => {
    const tried = key('b', { rejections: 2 });
    expect(shown({ keys: [tried, key('a')] })).toContain(`\
gemini: 1 of 2 keys can be used, the next is back now
  ready    a
  ready    b
    rejected the last 2 times: its next request, or keys test, shows whether it works
`);
    const once = key('b', { state: 'busy', in_flight: 1, rejections: 1 });
    const text = shown({ keys: [once] });
    expect(text).toContain('gemini: no key can be used, the first is back now\n');
    expect(text).toContain('    rejected the last time: its next request, or keys test, shows whether it works\n');
    const blocked = key('c', { state: 'blocked', rejections: 1, blocks: [block('key', 41_000, 'auth')] });
    expect(shown({ keys: [blocked] })).not.toContain('rejected');
  });

  test('tells of what rests for all keys', () => {
    const blocks = [block('provider', 12_000, 'unreachable'), block('provider+model:gemini-3', 30_000, 'overload')];
    const text = shown({ keys: [key('a')], providers: [provider('gemini', { blocks })] });
    expect(text).toContain('every model rests for all keys: unreachable, back in 12 s');
    expect(text).toContain('gemini-3 rests for all keys: overload, back in 30 s');
  });

  test('counts no key of a provider that rests as a whole, and goes by whichever is back later', () => {
    const providers = [provider('gemini', { blocks: [block('provider', 12_000, 'unreachable')] })];
    const resting = key('b', { state: 'blocked', blocks: [block('key', 41_000)] });
    const ofModel = key('a', { blocks: [block('model:m', 5_000)] });
    const text = shown({ keys: [ofModel, resting], providers });
    expect(text).toContain('gemini: no key can be used, the first is back in 12 s\n');
    expect(text).not.toContain('no key for');
    expect(shown({ keys: [resting], providers })).toContain('gemini: no key can be used, the first is back in 41 s\n');
    const off = key('c', { state: 'disabled' });
    expect(shown({ keys: [off], providers })).toContain('gemini: no key can be used\n');
  });

  test('names a handful of resting models and counts the others', () => {
    const blocks = Array.from({ length: 20 }, (_, i) => block(`model:m${i}`, (i + 1) * 10_000));
    const text = shown({ keys: [key('a', { blocks })] });
    expect(text.match(/not for /g)).toHaveLength(7);
    expect(text).toContain('not for m0: rate_limit, back in 10 s');
    expect(text).toContain('not for 14 more, the last back in 4 min');
  });

  test('says of a window what is known of it', () => {
    const windows = [
      minute(1, 1000),
      { ...minute(5), name: 'tpm' as const, limit: null },
      { ...minute(5), name: 'rpd' as const, limit: null, remaining: null, used: 12 },
      { ...minute(10), name: 'tpd' as const, remaining: null, used: 4, reset_at: null },
    ];
    expect(shown({ keys: [key('a', { windows })] })).toContain(
      '    rpm 1 of 1k left (<1 %), full in 41 s · tpm 5 left, full in 41 s · rpd 12 used · tpd 6 of 10 left (60 %)\n',
    );
  });

  test('never says a cost that it does not know, and never hides one that it does', () => {
    expect(shown({ today: { since: '', ...used(1), cost_usd: 0 } })).toContain('cost $0.00');
    expect(shown({ today: { since: '', ...used(1), cost_usd: 1.5 } })).toContain('cost $1.50');
    expect(shown({ today: { since: '', ...used(1) } })).toContain('cost –');
  });

  test('lets no name steer the terminal', () => {
    const steering = '\u001b[2J';
    const keys = [key('a', { label: steering, blocks: [block(`model:${steering}`, 1000)] })];
    expect(shown({ keys })).not.toContain('\u001b');
  });
});
