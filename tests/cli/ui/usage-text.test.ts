import { describe, expect, test } from 'bun:test';
import { paint } from '../../../src/cli/ui/colour.ts';
import { glyphs } from '../../../src/cli/ui/glyphs.ts';
import { usageText } from '../../../src/cli/ui/usage-text.ts';
import type { UsageReport } from '../../../src/gateway/operations.ts';
import { used } from '../support/reports.ts';

const view = { paint: paint(false), glyphs: glyphs({}), maxColumns: null };
const report: UsageReport = {
  by: 'key',
  since: '2026-01-01T00:00:00.000Z',
  rows: [
    { name: 'gemini-1a2b3c4d5e', label: 'work', ...used(1204, 12, 1_234_567), cost_usd: 1.5 },
    { name: 'groq-77aa01b2c3', label: null, ...used(3) },
  ],
  total: { ...used(1207, 12, 1_234_567), cost_usd: 1.5 },
};

describe('usage for people', () => {
  test('is a table with its total', () => {
    expect(usageText(report, view)).toBe(`\
KEY                       REQUESTS  FAILED  INPUT  CACHED  OUTPUT  REASONING   COST
gemini-1a2b3c4d5e (work)     1,204      12   1.2M       0    123k          0  $1.50
groq-77aa01b2c3                  3       0      0       0       0          0      –
total                        1,207      12   1.2M       0    123k          0  $1.50
`);
  });

  test('needs no total for a single row', () => {
    const text = usageText({ ...report, rows: report.rows.slice(0, 1) }, view);
    expect(text).not.toContain('total');
  });

  test('becomes paragraphs where a table does not fit, with every number whole', () => {
    const text = usageText(report, { ...view, maxColumns: 40 });
    expect(text).toBe(`\
gemini-1a2b3c4d5e (work): 1,204 requests
  12 failed · 1.2M tokens in · 123k out
  cost $1.50
groq-77aa01b2c3: 3 requests
  0 tokens in · 0 out · cost –
total: 1,207 requests · 12 failed
  1.2M tokens in · 123k out · cost $1.50
`);
  });

  test('gives the anonymous client a name, and none the power over a terminal', () => {
    const rows = [
      { name: null, label: null, ...used(1) },
      { name: '\u001b[2J', label: null, ...used(1) },
    ];
    const text = usageText({ ...report, by: 'client', rows }, view);
    expect(text).toContain('(no client key)');
    expect(text).not.toContain('\u001b');
  });
});
