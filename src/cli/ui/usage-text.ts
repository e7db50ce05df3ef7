import type { UsageEntry, UsageGroup, UsageReport, UsageTotals } from '../../gateway/operations.ts';
import { printable } from '../../shared/printable.ts';
import { counted, compact, dollars } from './amounts.ts';
import type { Paint } from './colour.ts';
import { flow } from './flow.ts';
import type { Glyphs } from './glyphs.ts';
import { table } from './table.ts';

export type UsageView = {
  readonly paint: Paint;
  readonly glyphs: Glyphs;
  readonly maxColumns: number | null;
};

const HEADS: Readonly<Record<UsageGroup, string>> = {
  provider: 'PROVIDER',
  model: 'MODEL',
  key: 'KEY',
  client: 'CLIENT',
  day: 'DAY',
};

/** Totals for people: a table, or where that does not fit a paragraph for each row. A number is never cut. */
export function usageText(report: UsageReport, view: UsageView): string {
  const named = report.rows.map((row) => ({ name: nameOf(row, report.by), row }));
  const all = named.length === 1 ? named : [...named, { name: 'total', row: report.total }];
  const numbers = aligned([
    ['REQUESTS', 'FAILED', 'INPUT', 'CACHED', 'OUTPUT', 'REASONING', 'COST'],
    ...all.map(({ row }) => numbersOf(row, view.glyphs)),
  ]);
  const [head = [], ...rows] = numbers;
  const text = table(
    [HEADS[report.by], ...head],
    rows.map((row, i) => [all[i]?.name ?? '', ...row]),
    { maxColumns: null, styleHead: view.paint.dim },
  );
  const { maxColumns } = view;
  if (maxColumns === null || text.split('\n').every((line) => Bun.stringWidth(line) <= maxColumns)) return text;
  return all
    .map(({ name, row }) =>
      flow(piecesOf(row, view), {
        maxColumns,
        separator: view.glyphs.separator,
        lead: `${view.paint.bold(name)}: `,
        indent: '  ',
      }),
    )
    .join('');
}

function nameOf({ name, label }: UsageEntry, by: UsageGroup): string {
  if (name === null) return by === 'client' ? '(no client key)' : '';
  return label === null ? printable(name) : `${printable(name)} (${printable(label)})`;
}

function numbersOf(totals: UsageTotals, glyphs: Glyphs): readonly string[] {
  return [
    totals.requests.toLocaleString('en-US'),
    totals.failures.toLocaleString('en-US'),
    compact(totals.input_tokens),
    compact(totals.cached_tokens),
    compact(totals.output_tokens),
    compact(totals.reasoning_tokens),
    dollars(totals.cost_usd, glyphs.unknown),
  ];
}

function piecesOf(totals: UsageTotals, { glyphs }: UsageView): readonly string[] {
  return [
    counted(totals.requests, 'request'),
    totals.failures > 0 ? `${totals.failures.toLocaleString('en-US')} failed` : '',
    `${compact(totals.input_tokens)} tokens in`,
    `${compact(totals.output_tokens)} out`,
    `cost ${dollars(totals.cost_usd, glyphs.unknown)}`,
  ];
}

/** Numbers stand under each other by their last digit. */
function aligned(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => Bun.stringWidth(row[i] ?? ''))));
  return rows.map((row) =>
    row.map((text, i) => ' '.repeat(Math.max(0, (widths[i] ?? 0) - Bun.stringWidth(text))) + text),
  );
}
