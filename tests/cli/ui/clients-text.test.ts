import { describe, expect, test } from 'bun:test';
import type { ClientEntry } from '../../../src/cli/client-entries.ts';
import { type ClientsView, clientsText } from '../../../src/cli/ui/clients-text.ts';
import { paint } from '../../../src/cli/ui/colour.ts';
import { glyphs } from '../../../src/cli/ui/glyphs.ts';
import { limitedClients, NOW } from '../support/reports.ts';

const view: ClientsView = { paint: paint(false), glyphs: glyphs({}), maxColumns: null, now: NOW };
const NONE = { rpm: null, tpm: null, rpd: null, usd_per_day: null, usd_per_month: null };

const client = (name: string, more: Partial<ClientEntry> = {}): ClientEntry => ({
  name,
  id: '0123456789abcdef',
  source: 'config',
  models: [],
  limits: NONE,
  windows: [],
  ...more,
});

const known = [
  client('laptop', { limits: { ...NONE, rpm: 60, usd_per_day: 5 }, windows: limitedClients[0]?.windows ?? [] }),
  client('ci', { limits: { ...NONE, rpm: 1 }, windows: limitedClients[1]?.windows ?? [], models: ['groq/*', 'fast'] }),
  client('new', { limits: { ...NONE, tpm: 200_000, usd_per_month: 2.5 }, windows: null }),
  client('free'),
];
const unknown = known.map((one) => ({ ...one, windows: one.windows?.length === 0 ? [] : null }));

describe('client keys', () => {
  test('have a line for each limit, with what is left of it and when all of it is there again', () => {
    expect(clientsText(known, view)).toBe(`\
NAME    ID                SOURCE  LIMIT         LEFT         FULL IN  MODELS
laptop  0123456789abcdef  config  60 rpm        57 (95 %)    41 s     all
                                  $5 a day      $0.8 (16 %)  9 h
ci      0123456789abcdef  config  1 rpm         0 (0 %)      41 s     groq/* fast
new     0123456789abcdef  config  200k tpm      –                     all
                                  $2.5 a month  –
free    0123456789abcdef  config  none                                all
`);
  });

  test('have their limits in one cell where nobody says what is left', () => {
    expect(clientsText(unknown, view)).toBe(`\
NAME    ID                SOURCE  LIMITS                  MODELS
laptop  0123456789abcdef  config  60 rpm, $5 a day        all
ci      0123456789abcdef  config  1 rpm                   groq/* fast
new     0123456789abcdef  config  200k tpm, $2.5 a month  all
free    0123456789abcdef  config  none                    all
`);
  });

  test('lose columns before it is cut what is left', () => {
    expect(clientsText(known, { ...view, maxColumns: 66 })).toBe(`\
NAME    LIMIT         LEFT         FULL IN  MODELS
laptop  60 rpm        57 (95 %)    41 s     all
        $5 a day      $0.8 (16 %)  9 h
ci      1 rpm         0 (0 %)      41 s     groq/* fast
new     200k tpm      –                     all
        $2.5 a month  –
free    none                                all
`);
  });

  test.each([20, 40, 59, 60, 80])('fit %d columns', (maxColumns) => {
    for (const clients of [known, unknown]) {
      const text = clientsText(clients, { ...view, maxColumns });
      for (const line of text.split('\n')) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(maxColumns);
      for (const { name } of clients) expect(text).toContain(name);
    }
  });

  test('are paragraphs on a narrow terminal', () => {
    expect(clientsText(known, { ...view, maxColumns: 50 })).toBe(`\
laptop: rpm 57 of 60 left (95 %), full in 41 s
  usd_per_day $0.8 of $5.00 left (16 %), full in
  9 h
  models: all
ci: rpm 0 of 1 left (0 %), full in 41 s
  models: groq/* fast
new: limits: 200k tpm, $2.5 a month
  models: all
free: limits: none
  models: all
`);
  });

  test('are in the colours of what is left', () => {
    const coloured = clientsText(known, { ...view, paint: paint(true) });
    expect(coloured).toContain(paint(true).red('0 (0 %)'));
    expect(coloured).toContain(paint(true).yellow('$0.8 (16 %)'));
    expect(Bun.stripANSI(coloured)).toBe(clientsText(known, view));
  });
});
