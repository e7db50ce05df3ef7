import type { ClientEntry } from '../client-entries.ts';
import { compact } from './amounts.ts';
import type { Paint } from './colour.ts';
import { plainText } from './plain-text.ts';
import { table } from './table.ts';

const HEAD = ['NAME', 'ID', 'SOURCE', 'LIMITS', 'MODELS'];
const DROP_FIRST = ['SOURCE', 'ID'];

export function clientsText(
  clients: readonly ClientEntry[],
  { paint, maxColumns }: { readonly paint: Paint; readonly maxColumns: number | null },
): string {
  const rows = clients.map(({ name, id, source, limits, models }) => [
    plainText(name),
    id,
    source,
    limitsText(limits),
    models.length === 0 ? 'all' : plainText(models.join(' ')),
  ]);
  return table(HEAD, rows, { maxColumns, styleHead: paint.dim, dropFirst: DROP_FIRST });
}

/** `60 rpm, 200k tpm, $5 a day`. */
export function limitsText({ rpm, tpm, rpd, usd_per_day, usd_per_month }: ClientEntry['limits']): string {
  const parts = [
    rpm === null ? '' : `${compact(rpm)} rpm`,
    tpm === null ? '' : `${compact(tpm)} tpm`,
    rpd === null ? '' : `${compact(rpd)} rpd`,
    usd_per_day === null ? '' : `$${usd_per_day} a day`,
    usd_per_month === null ? '' : `$${usd_per_month} a month`,
  ];
  return parts.filter((part) => part !== '').join(', ') || 'none';
}
