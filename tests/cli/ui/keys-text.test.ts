import { expect, test } from 'bun:test';
import { paint } from '../../../src/cli/ui/colour.ts';
import { keysText } from '../../../src/cli/ui/keys-text.ts';
import { freeTier, NOW } from '../support/reports.ts';

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
