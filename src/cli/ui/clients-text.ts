import type { WindowReport } from '../../gateway/operations.ts';
import type { ClientEntry } from '../client-entries.ts';
import { amount, compact, percent } from './amounts.ts';
import { flow } from './flow.ts';
import { duration } from './human-time.ts';
import { plainText } from './plain-text.ts';
import { leftStyle, type StatusView, windowText } from './status-text.ts';
import { table } from './table.ts';

export type ClientsView = Omit<StatusView, 'url'>;

const HEAD = ['NAME', 'ID', 'SOURCE', 'LIMITS', 'MODELS'];
const HEAD_WITH_USE = ['NAME', 'ID', 'SOURCE', 'LIMIT', 'LEFT', 'FULL IN', 'MODELS'];
const WHOLE = ['ID', 'LIMIT', 'LEFT', 'FULL IN'];
const DROP_FIRST = ['SOURCE', 'ID'];
/** Narrower than this, a table has no room for limits beside the name. */
const LEAST_TABLE = 60;

/**
 * A table, or on a narrow terminal a paragraph for each client. Where a server has said how much of the limits is used,
 * each of them has a line of its own.
 */
export function clientsText(clients: readonly ClientEntry[], view: ClientsView): string {
  const { paint, maxColumns } = view;
  if (maxColumns !== null && maxColumns < LEAST_TABLE) return clients.map((one) => paragraph(one, view)).join('');
  const options = { maxColumns, styleHead: paint.dim, dropFirst: DROP_FIRST, whole: WHOLE };
  if (clients.every(({ windows }) => (windows ?? []).length === 0)) {
    const rows = clients.map((one) => [
      plainText(one.name),
      one.id,
      one.source,
      limitsText(one.limits),
      modelsText(one),
    ]);
    return table(HEAD, rows, options);
  }
  return table(
    HEAD_WITH_USE,
    clients.flatMap((one) => rowsOf(one, view)),
    options,
  );
}

function rowsOf(client: ClientEntry, view: ClientsView): readonly (readonly string[])[] {
  const { windows, limits } = client;
  const about = [plainText(client.name), client.id, client.source];
  const models = modelsText(client);
  const known = (windows ?? []).map((window) => [
    limitText(window.name, window.limit ?? 0),
    ...leftCells(window, view),
  ]);
  const cells = known.length > 0 ? known : limitTexts(limits).map((text) => [text, view.glyphs.unknown, '']);
  const [first = ['none', '', ''], ...others] = cells;
  return [[...about, ...first, models], ...others.map((each) => ['', '', '', ...each, ''])];
}

function leftCells(window: WindowReport, { paint, now }: ClientsView): readonly [left: string, fullIn: string] {
  const { unit, reset_at: resetAt } = window;
  const [limit, remaining] = [window.limit ?? 0, window.remaining ?? 0];
  const text = leftStyle(remaining, limit, paint)(`${amount(remaining, unit)} (${percent(remaining, limit)})`);
  const wait = resetAt === null ? 0 : Date.parse(resetAt) - now;
  return [text, wait > 0 ? duration(wait) : ''];
}

function paragraph(client: ClientEntry, view: ClientsView): string {
  const { windows, limits } = client;
  const left = (windows ?? []).map((window) => windowText(window, view));
  const pieces = left.length > 0 ? left : [`limits: ${limitsText(limits)}`];
  const options = { maxColumns: view.maxColumns, separator: view.glyphs.separator, indent: '  ' };
  return (
    flow(pieces, { ...options, lead: `${plainText(client.name)}: ` }) +
    flow([modelsText(client)], { ...options, lead: '  models: ' })
  );
}

const modelsText = ({ models }: ClientEntry) => (models.length === 0 ? 'all' : plainText(models.join(' ')));

/** `60 rpm, 200k tpm, $5 a day`. */
function limitsText(limits: ClientEntry['limits']): string {
  return limitTexts(limits).join(', ') || 'none';
}

function limitTexts(limits: ClientEntry['limits']): readonly string[] {
  return Object.entries(limits).flatMap(([name, limit]) => (limit === null ? [] : [limitText(name, limit)]));
}

function limitText(name: string, limit: number): string {
  if (name === 'usd_per_day') return `$${limit} a day`;
  return name === 'usd_per_month' ? `$${limit} a month` : `${compact(limit)} ${name}`;
}
