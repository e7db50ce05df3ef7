import { expect, test } from 'bun:test';
import { paint } from '../../../src/cli/ui/colour.ts';
import { routeText } from '../../../src/cli/ui/route-text.ts';
import type { RouteCredential, RouteReport } from '../../../src/gateway/operations.ts';
import { block, NOW } from '../support/reports.ts';

const credential = (id: string, more: Partial<RouteCredential> = {}): RouteCredential => ({
  id,
  label: null,
  verdict: 'ready',
  why: 'as good as the chosen one',
  blocks: [],
  ...more,
});
const report: RouteReport = {
  model: 'gemini/gemini-2.5-pro',
  resolved: 'provider',
  would_serve: { target: 'gemini/gemini-2.5-pro', credential: 'gemini-1' },
  targets: [
    {
      target: 'gemini/gemini-2.5-pro',
      tier: 3,
      lane: 'passthrough',
      skipped: null,
      changes: [],
      credentials: [
        credential('gemini-1', { label: 'work', verdict: 'chosen', why: 'the only one ready' }),
        credential('gemini-2', { verdict: 'over_limit', why: 'rpd 5 of 5 used, room in 9 h' }),
        credential('gemini-3', {
          verdict: 'blocked',
          why: 'quota for 86 min (message)',
          blocks: [block('key', 41_000), block('model:gemini-2.5-pro', 5_160_000, 'quota')],
        }),
        credential('gemini-4', { verdict: 'blocked', why: 'billing', blocks: [block('key', null, 'billing')] }),
      ],
    },
  ],
  attempts: [],
};
const view = { paint: paint(false), maxColumns: null, now: NOW };

test('a route has its keys in columns, each with one reason and one time', () => {
  expect(routeText(report, view)).toBe(`\
✓ gemini/gemini-2.5-pro would be served by gemini/gemini-2.5-pro with gemini-1

1. gemini/gemini-2.5-pro (passthrough, tier 3)
   gemini-1 (work)  chosen      the only one ready
   gemini-2         over_limit  rpd 5 of 5 used, room in 9 h
   gemini-3         blocked     quota, back in 1 h 26 min (retry-after)
   gemini-4         blocked     billing, until it is tested or reset (retry-after)
`);
});

test.each([40, 60, 80])('a route fits %d columns', (maxColumns) => {
  const text = routeText(report, { ...view, maxColumns });
  for (const line of text.split('\n')) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(maxColumns);
  expect(text.split(/\s+/)).toEqual(routeText(report, view).split(/\s+/));
});
