import { describe, expect, test } from 'bun:test';
import { keyPresses } from '../../../src/cli/watch/key-press.ts';
import { paintLines } from '../../../src/cli/watch/painter.ts';
import { pageOf, type ScreenView, screen } from '../../../src/cli/watch/screen.ts';
import {
  initialState,
  pressed,
  shownKeys,
  type Step,
  type WatchState,
  withReport,
} from '../../../src/cli/watch/watch-state.ts';
import { paint } from '../../../src/cli/ui/colour.ts';
import { glyphs } from '../../../src/cli/ui/glyphs.ts';
import type { StatusReport } from '../../../src/gateway/operations.ts';
import { freeTier, key, limitedClients, minute, NOW, provider, used } from '../support/reports.ts';

const view: ScreenView = { paint: paint(false), glyphs: glyphs({}), now: NOW };
const URL = 'http://127.0.0.1:8000';
const seen = (report: StatusReport = freeTier) => withReport(initialState, report, URL, NOW);
const shown = (state: WatchState, columns = 100, rows = 24, more: Partial<ScreenView> = {}) =>
  screen(state, { columns, rows }, { ...view, ...more });
const text = (lines: readonly string[]) => `\n${lines.join('\n')}\n`;

/** After these keys; an order counts as done. */
function after(state: WatchState, keys: string): WatchState {
  let now = state;
  for (const press of keyPresses(keys)) {
    const step: Step = pressed(now, press, 5);
    if ('state' in step) now = step.state;
  }
  return now;
}

/** Two hundred keys of four providers. */
const many: StatusReport = {
  ...freeTier,
  providers: ['gemini', 'groq', 'mistral', 'openrouter'].map((id) => provider(id)),
  keys: Array.from({ length: 200 }, (_, n) => {
    const id = ['gemini', 'groq', 'mistral', 'openrouter'][Math.floor(n / 50)] ?? '';
    return key(`${id}-${String(n).padStart(10, '0')}`, { provider: id, today: used(n, n % 7, n * 1000) });
  }),
};

describe('the live screen', () => {
  test('of five keys of the free tier', () => {
    expect(text(shown(seen()))).toBe(`
rotator 1.2.3 · http://127.0.0.1:8000 · up 2 h · 1 in flight · 2 waiting · – a minute
today: 1,204 requests · 99 % served · 12 failed · 1.2M tokens in · 123k out · cost –

gemini: 2 of 5 keys can be used, the next is back in 41 s · 2 waiting
  STATE     KEY                         NOW  TODAY  FAILED  TOKENS  LIMITS AND BLOCKS
> blocked   gemini-3c4d5e6f70 (school)           0               0  quota, back in 3 h
  busy      gemini-1a2b3c4d5e (work)      1     10       1    1.1k  rpm 7/10 41 s · rpd 240/250 3 h
  blocked   gemini-4d5e6f7081                    0               0  rate_limit, back in 41 s
  ready     gemini-2b3c4d5e6f                    0               0  2 models and groups rest, the f…
  disabled  gemini-5e6f708192                    0               0











  blocked  gemini-3c4d5e6f70 (school)
    quota, back in 3 h (retry-after)
q quit · / filter · s sort: provider · r reset · d disable · t test
`);
  });

  test('says all there is of the selected key', () => {
    const lines = shown(after(seen(), 'jjj'));
    expect(text(lines.slice(-7))).toBe(
      `
  ready    gemini-2b3c4d5e6f
    not for group flash: rate_limit, back in 41 s (retry-after)
    not for gemini-2.5-pro: quota, back in 3 h (retry-after)
    rpm 0 of 10 left (0 %), full in 41 s
    gemini-2.5-flash: rpm 9 of 10 left (90 %), full in 41 s
q quit · / filter · s sort: provider · r reset · d disable · t test
`.replace('\n', '\n\n'),
    );
  });

  test('is narrow where the terminal is', () => {
    expect(text(shown(seen(), 40, 14))).toBe(`
rotator 1.2.3 · http://127.0.0.1:8000
  up 2 h · 1 in flight · 2 waiting
  – a minute
today: 1,204 requests · 99 % served

gemini: 2 of 5 keys can be used, the ne…
  STATE     KEY                LIMITS A…
> blocked   gemini-3c4d5e6f70  quota, b…
  busy      gemini-1a2b3c4d5e  rpm 7/10…
  blocked   gemini-4d5e6f7081  rate_lim…
  ready     gemini-2b3c4d5e6f  2 models…
  disabled  gemini-5e6f708192

q quit · / filter · s sort: provider
`);
  });

  test('says of clients with limits of which least is left, the scarcest first', () => {
    const state = seen({ ...freeTier, clients: limitedClients });
    const line = 'clients: ci rpm 0/1 41 s · laptop usd_per_day $0.8/$5.00 9 h';
    expect(shown(state).slice(-5)).toEqual([
      line,
      '',
      '  blocked  gemini-3c4d5e6f70 (school)',
      '    quota, back in 3 h (retry-after)',
      'q quit · / filter · s sort: provider · r reset · d disable · t test',
    ]);
    expect(shown(state, 30, 12).at(-2)).toBe('clients: ci rpm 0/1 41 s · la…');
    // There is room for the keys alone.
    expect(text(shown(state, 100, 11))).not.toContain('clients');
    expect(text(shown(seen()))).not.toContain('clients');
  });

  test.each([
    [200, 60],
    [80, 24],
    [40, 10],
    [20, 5],
    [5, 2],
    [1, 1],
  ])('of 200 keys fills %i columns and %i rows and no more', (columns, rows) => {
    for (const state of [
      seen(many),
      seen({ ...many, clients: limitedClients }),
      after(seen(many), 'G'),
      after(seen(many), 's'),
      after(seen(many), '/x'),
    ]) {
      const lines = shown(state, columns, rows);
      expect(lines).toHaveLength(rows);
      for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
    }
  });

  test('has the selected key in it wherever that is', () => {
    for (const keys of ['', 'G', '\u001b[6~\u001b[6~', 'G\u001b[A', 'sG']) {
      const state = after(seen(many), keys);
      expect(shown(state).filter((line) => line.startsWith('> '))).toEqual([
        expect.stringContaining(state.selected ?? 'nothing'),
      ]);
    }
  });

  test('is plain ASCII without colour where the terminal has neither', () => {
    const plain = { glyphs: glyphs({ LANG: 'C' }) };
    const everything = [80, 30].flatMap((columns) => shown(after(seen(), 'jjj'), columns, 24, plain)).join('\n');
    expect(everything).toMatch(/^[\n -~]*$/);
  });

  test('counts requests per minute, and anew when the count went back', () => {
    const at = (requests: number) => ({ ...freeTier, today: { ...freeTier.today, requests } });
    const first = withReport(initialState, at(100), URL, NOW);
    const later = withReport(first, at(130), URL, NOW + 20_000);
    expect(shown(later)[0]).toContain('90 a minute');
    const minutes = [40, 60, 80, 100, 120].reduce((state, s) => withReport(state, at(130), URL, NOW + s * 1000), later);
    expect(shown(minutes)[0]).toContain('0 a minute');
    expect(shown(withReport(later, at(3), URL, NOW + 21_000))[0]).toContain('– a minute');
  });

  test('says all of what is wrong in a narrow terminal too', () => {
    const problem = 'the server at http://127.0.0.1:8000 refused the admin token';
    for (const state of [initialState, seen()]) {
      const lines = shown({ ...state, problem }, 40);
      expect(lines.slice(0, 2).map((line) => line.trim())).toEqual([
        'the server at http://127.0.0.1:8000',
        'refused the admin token',
      ]);
    }
  });

  test('keeps the last report when the server does not answer, and says so', () => {
    const lines = shown({ ...seen(), problem: 'the server at x does not answer' });
    expect(lines[0]).toBe('the server at x does not answer');
    expect(lines.join('\n')).toContain('gemini-1a2b3c4d5e');
  });
});

describe('the keys', () => {
  test('filter while one types, by name, label and state', () => {
    const typing = after(seen(), '/wor');
    expect(shown(typing).at(-1)).toBe('/wor_');
    expect(shown(typing).join('\n')).not.toContain('school');
    expect(typing.selected).toBe('gemini-1a2b3c4d5e');
    const done = after(typing, '\r');
    expect(shown(done).at(-1)).toContain('/ filter: wor');
    expect(after(done, '\u001b').filter).toBe('');
    expect(shown(after(seen(), '/blocked\r')).join('\n')).not.toContain('gemini-2b3c4d5e6f');
    expect(shown(after(seen(), '/nothing')).join('\n')).toContain('no credential has "nothing"');
    expect(after(seen(), '/wx\u007f').filter).toBe('w');
  });

  test('call a key limited that has used up one of its limits, in the list, the filter and the order', () => {
    const atLimit = key('gemini-9', { state: 'busy', windows: [minute(0)] });
    const full = key('gemini-8', { state: 'busy', in_flight: 1, windows: [minute(7)] });
    const state = seen({ ...freeTier, keys: [key('gemini-7'), full, atLimit] });
    expect(text(shown(state))).toContain('limited   gemini-9');
    expect(shownKeys(after(state, '/limited')).map(({ id }) => id)).toEqual(['gemini-9']);
    expect(shownKeys(after(state, 's')).map(({ id }) => id)).toEqual(['gemini-9', 'gemini-8', 'gemini-7']);
  });

  test('sort', () => {
    const order = (state: WatchState) =>
      shown(state)
        .filter((line) => /^[> ] (busy|ready|blocked|disabled) /.test(line))
        .map((line) => line.slice(2, 10).trim());
    const five = (state: WatchState) => order(state).slice(0, 5);
    expect(five(after(seen(), 's'))).toEqual(['blocked', 'blocked', 'busy', 'ready', 'disabled']);
    expect(five(after(seen(), 'ss'))[0]).toBe('busy');
    expect(after(seen(), 'sssss').sort).toBe('provider');
  });

  test.each([
    ['r', 'reset'],
    ['d', 'disable'],
    ['t', 'test'],
  ] as const)('%s is an order to %s the selected key', (letter, kind) => {
    const step = pressed(after(seen(), 'j'), { kind: 'text', text: letter }, 5);
    expect(step).toMatchObject({ kind: 'order', order: { kind, id: 'gemini-1a2b3c4d5e' } });
  });

  test('d enables what is disabled', () => {
    const step = pressed(after(seen(), 'G'), { kind: 'text', text: 'd' }, 5);
    expect(step).toMatchObject({ kind: 'order', order: { kind: 'enable', id: 'gemini-5e6f708192' } });
  });

  test('leave with q and Esc, and are interrupted by Ctrl-C even while typing', () => {
    expect(pressed(seen(), { kind: 'text', text: 'q' }, 5).kind).toBe('leave');
    expect(pressed(seen(), { kind: 'escape' }, 5).kind).toBe('leave');
    expect(pressed(after(seen(), '/q'), { kind: 'interrupt' }, 5).kind).toBe('interrupt');
  });

  test('stay with the key that is selected when the report changes', () => {
    const state = after(seen(), 'jj');
    const turned = { ...freeTier, keys: freeTier.keys.toReversed() };
    expect(withReport(state, turned, URL, NOW).selected).toBe(state.selected);
    expect(withReport(state, { ...freeTier, keys: freeTier.keys.slice(0, 1) }, URL, NOW).selected).toBe(
      'gemini-3c4d5e6f70',
    );
  });

  test('are read from what terminals send', () => {
    expect(keyPresses('a\u001b[A\u001bOB\u001b[5~\u001b[1;5C\u001bé\u0003')).toEqual([
      { kind: 'text', text: 'a' },
      { kind: 'up' },
      { kind: 'down' },
      { kind: 'page-up' },
      { kind: 'escape' },
      { kind: 'text', text: 'é' },
      { kind: 'interrupt' },
    ]);
  });

  test('have pages', () => expect(pageOf({ columns: 80, rows: 24 })).toBe(12));
});

describe('painting', () => {
  test('writes only the lines that differ, and clears nothing before', () => {
    const before = shown(seen(many), 100, 50);
    const changed = { ...many, keys: many.keys.map((one, i) => (i === 3 ? { ...one, in_flight: 1 } : one)) };
    const bytes = paintLines(before, shown(seen(changed), 100, 50));
    expect(bytes.match(/\u001b\[\d+;1H/g)).toHaveLength(1);
    expect(bytes).not.toContain('\u001b[2J');
    expect(paintLines(before, before)).toBe('');
  });

  test('clears once when nobody knows what is there', () => {
    expect(paintLines(null, ['a']).match(/\u001b\[2J/g)).toHaveLength(1);
  });
});
