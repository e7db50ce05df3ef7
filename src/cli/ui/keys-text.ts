import type { CredentialView } from '../../gateway/operations.ts';
import { blocksText } from './block-text.ts';
import type { Paint } from './colour.ts';
import { flow } from './flow.ts';
import { plainText } from './plain-text.ts';
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
export function keysText(keys: readonly CredentialView[], view: KeysView): string {
  const { paint, maxColumns, now } = view;
  const styles = { ready: paint.green, busy: paint.cyan, blocked: paint.yellow, disabled: paint.dim };
  if (maxColumns !== null && maxColumns < LEAST_TABLE) {
    return keys
      .map(({ id, label, state, blocks }) => {
        const name = label === null ? id : `${id} (${plainText(label)})`;
        const options = { maxColumns, separator: ' ', indent: '    ' };
        const text = blocksText(blocks, now);
        return (
          flow([name], { ...options, lead: `${styles[state](state.padEnd(8))} ` }) +
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
    styles[key.state](key.state),
    String(key.usage.requests),
    String(key.usage.failures),
    blocksText(key.blocks, now),
  ]);
  return table(HEAD, rows, { maxColumns, styleHead: paint.dim, dropFirst: DROP_FIRST });
}
