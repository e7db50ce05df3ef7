import type { Entry, Result } from '../../config/env-import/plan.ts';
import type { ImportReport } from '../../oauth/accounts/import-accounts.ts';
import type { Paint } from './colour.ts';
import { plainText } from './plain-text.ts';

export type ImportView = {
  readonly config: string;
  readonly created: boolean;
  readonly changed: boolean;
  readonly entries: readonly (Omit<Entry, 'result'> & {
    readonly result: Exclude<Result, { kind: 'account' | 'part' }>;
  })[];
  readonly accounts: ImportReport;
  readonly notes: readonly string[];
};

type Row = readonly [what: string, becomes: string];

/** The report for a person: what came over, what means something else now, what stayed, what has no place and why. */
export function importText(view: ImportView, paint: Paint): string {
  const { config, created, changed, entries, accounts, notes } = view;
  const rowsOf = (kind: Result['kind']): Row[] =>
    entries
      .filter(({ result }) => result.kind === kind)
      .map(({ result, ...where }) => [nameOf(where, entries[0]?.file), becomes(result)]);
  const sections: readonly (readonly [title: string, rows: readonly Row[]])[] = [
    ['imported', rowsOf('imported')],
    ['translated with a change', rowsOf('translated')],
    [`other than in ${config}, which stays as it is`, rowsOf('kept')],
    ['not carried', rowsOf('not-carried')],
    ['accounts', accountRows(accounts)],
  ];
  const end = created ? `wrote ${config}` : changed ? `added to ${config}` : `nothing to add to ${config}`;
  const blocks = sections
    .filter(([, rows]) => rows.length > 0)
    .map(([title, rows]) => [paint.bold(`${title}:`), ...aligned(rows)].join('\n'));
  return `${[...blocks, ...(notes.length > 0 ? [notes.map((note) => `note: ${note}`).join('\n')] : []), end].map((block) => `${block}\n`).join('\n')}`;
}

/** A variable of the file that was named needs no more than its name. */
function nameOf({ name, file, line }: Omit<Entry, 'result'>, named: string | undefined): string {
  if (line === null) return name === file ? name : `${file}: ${name}`;
  return file === named ? name : `${file}:${line}: ${name}`;
}

function becomes(result: ImportView['entries'][number]['result']): string {
  switch (result.kind) {
    case 'imported':
      return `${result.to}${result.isThere ? ' (said already)' : ''}`;
    case 'translated':
      return `${result.to} (${result.change})`;
    case 'kept':
      return result.at;
    default:
      return result.reason;
  }
}

const accountRows = ({ imported, skipped }: ImportReport): Row[] => [
  ...imported.map(
    ({ path, account, action, isShared }): Row => [
      path,
      `${action} ${account.id}${isShared ? '; the tool it came from has the same refresh token, which works once' : ''}`,
    ],
  ),
  ...skipped.map(({ path, reason }): Row => [path, reason]),
];

function aligned(rows: readonly Row[]): readonly string[] {
  const plain = rows.map(([what, says]) => [plainText(what), plainText(says)] as const);
  const width = Math.min(48, Math.max(...plain.map(([what]) => Bun.stringWidth(what))));
  return plain.map(([what, says]) => `  ${what}${' '.repeat(Math.max(0, width - Bun.stringWidth(what)))}  ${says}`);
}
