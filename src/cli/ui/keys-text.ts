import type { CredentialReport } from '../../gateway/operations.ts';
import { blocksText } from './block-text.ts';
import type { Paint } from './colour.ts';
import { flow } from './flow.ts';
import { plainText } from './plain-text.ts';
import { isSpent, rejectedText, shownState, spentText, stateStyle } from './status-text.ts';
import { table } from './table.ts';

export type KeysView = {
  readonly paint: Paint;
  readonly maxColumns: number | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

const HEAD = ['ID', 'PROVIDER', 'LABEL', 'KEY', 'SOURCE', 'STATE', 'REQUESTS', 'FAILED', 'BLOCKS'];
/** The id begins with the provider; the rest goes by how little one does about it. */
const DROP_FIRST = ['PROVIDER', 'SOURCE', 'FAILED', 'REQUESTS', 'KEY', 'LABEL'];
/** Narrower than this, a table has no room for a reason beside the id and the state. */
const LEAST_TABLE = 60;

/** A table, or on a narrow terminal a paragraph for each key: a cut reason does not say when the key is back. */
export function keysText(keys: readonly CredentialReport[], view: KeysView): string {
  const { paint, maxColumns, now } = view;
  const reasonOf = (key: CredentialReport) =>
    [
      rejectedText(key) ?? '',
      blocksText(key.blocks, now),
      ...key.windows.filter(isSpent).map((window) => spentText(window, now)),
    ]
      .filter((text) => text !== '')
      .join('; ');
  if (maxColumns !== null && maxColumns < LEAST_TABLE) {
    return keys
      .map((key) => {
        const { id, label } = key;
        const state = shownState(key);
        const name = label === null ? id : `${id} (${plainText(label)})`;
        const options = { maxColumns, separator: ' ', indent: '    ' };
        const text = reasonOf(key);
        return (
          flow([name], { ...options, lead: `${stateStyle(state, paint)(state.padEnd(8))} ` }) +
          (text === '' ? '' : flow([text], { ...options, lead: '    ' }))
        );
      })
      .join('');
  }
  const rows = keys.map((key) => [
    key.id,
    key.provider,
    plainText(key.label ?? ''),
    key.masked,
    key.source,
    stateStyle(shownState(key), paint)(shownState(key)),
    String(key.usage.requests),
    String(key.usage.failures),
    reasonOf(key),
  ]);
  return table(HEAD, rows, { maxColumns, styleHead: paint.dim, dropFirst: DROP_FIRST });
}
