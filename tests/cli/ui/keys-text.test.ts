import { expect, test } from 'bun:test';
import { paint } from '../../../src/cli/ui/colour.ts';
import { keysText } from '../../../src/cli/ui/keys-text.ts';
import { freeTier, key, minute, NOW } from '../support/reports.ts';

const view = { paint: paint(false), maxColumns: null, now: NOW };

test('keys are a table, which loses columns before it cuts a reason', () => {
  const [head = '', ...rows] = keysText(freeTier.keys, view).split('\n');
  expect(head).toBe('ID                 PROVIDER  LABEL   KEY        SOURCE  STATE     REQUESTS  FAILED  BLOCKS');
  expect(rows[0]).toEndWith('blocked   0         0       quota, back in 3 h');
  expect(keysText(freeTier.keys, { ...view, maxColumns: 70 })).toContain('blocked   rate_limit, back in 41 s');
});

test('keys on a narrow terminal are paragraphs, and it still shows when each is back', () => {
  const text = keysText(freeTier.keys, { ...view, maxColumns: 40 });
  for (const line of text.split('\n')) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(40);
  expect(text).toStartWith(`\
blocked  gemini-3c4d5e6f70 (school)
    quota, back in 3 h
busy     gemini-1a2b3c4d5e (work)
`);
});

test('a key that has used up one of its limits says so, and when it has room again', () => {
  const ofModel = { ...minute(0, 9, 3_600_000), scope: 'model:m', name: 'rpd' as const };
  const keys = [
    key('a', { state: 'busy', windows: [minute(0), minute(5)] }),
    key('b', { state: 'busy', in_flight: 1, windows: [minute(5)] }),
    key('c', { windows: [ofModel] }),
    key('d', { rejections: 1 }),
  ];
  const [, ...rows] = keysText(keys, view).split('\n');
  expect(rows[0]).toEndWith('limited  0         0       rpm is used up, room in 41 s');
  expect(rows[1]).toMatch(/busy +0 +0 *$/);
  expect(rows[2]).toEndWith('ready    0         0       m: rpd is used up, room in 1 h');
  expect(rows[3]).toEndWith('rejected the last time');
  expect(keysText(keys, { ...view, maxColumns: 40 })).toStartWith(
    'limited  a\n    rpm is used up, room in 41 s\nbusy ',
  );
});
