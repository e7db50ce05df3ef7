import type { KeyTest } from '../../gateway/operations.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { Context } from '../context.ts';
import { chooseKey } from '../key-choice.ts';
import { withOperations } from '../operations.ts';
import type { Paint } from '../ui/colour.ts';
import { elapsed } from '../ui/human-time.ts';
import { plainText } from '../ui/plain-text.ts';
import { table } from '../ui/table.ts';

/** Asks the providers, and fails when one key is not accepted. */
export async function testKeys(context: Context, written: readonly string[]): Promise<void> {
  const { output, globals } = context;
  const results = await withOperations(context, { isDemo: false, isKept: false }, async (operations) => {
    const keys = await operations.keys();
    const wanted = written.length === 0 ? keys : written.map((id) => chooseKey(id, keys));
    return await inTurns(wanted, async ({ id }) => (await operations.test(id)) ?? vanished(id));
  });
  if (globals.json) await output.json(results);
  else if (results.length === 0) output.note('no keys yet: rotator keys add PROVIDER');
  else await output.data(testTable(results, output.maxColumns, output.paint));
  refuseFailed(results);
}

/** Several at a time, for a test waits for a vendor; not all at once, for a vendor counts calls. */
async function inTurns<Item, Result>(items: readonly Item[], use: (item: Item) => Promise<Result>): Promise<Result[]> {
  const AT_ONCE = 8;
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE)
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(use))));
  return results;
}

const vanished = (id: string): KeyTest => ({
  id,
  ok: false,
  status: null,
  result: 'unknown',
  message: 'the key was removed meanwhile',
  ms: 0,
});

export function testTable(results: readonly KeyTest[], maxColumns: number | null, paint: Paint): string {
  const rows = results.map((result) => [
    result.id,
    result.ok ? paint.green(result.result) : paint.red(result.result),
    result.status === null ? '-' : String(result.status),
    elapsed(result.ms),
    result.ok ? '' : plainText(result.message),
  ]);
  return table(['ID', 'RESULT', 'STATUS', 'TIME', 'MESSAGE'], rows, {
    maxColumns,
    styleHead: paint.dim,
    dropFirst: ['STATUS', 'TIME'],
  });
}

export function refuseFailed(results: readonly KeyTest[]): void {
  const failed = results.filter((result) => !result.ok);
  const [first] = failed;
  if (!first) return;
  const rejected = failed.filter((result) => ['key-rejected', 'forbidden', 'signed-out'].includes(result.result));
  const what = rejected.length > 0 ? 'rejected' : 'not working';
  const named = rejected[0] ?? first;
  const count = (rejected.length || failed.length) - 1;
  throw new CliError(
    rejected.length > 0 ? ExitCode.rejected : ExitCode.failed,
    rejected.length > 0 ? 'key_rejected' : 'key_test_failed',
    `${named.id}${count > 0 ? ` and ${count} more` : ''} ${count > 0 ? 'are' : 'is'} ${what}: ${named.message}`,
  );
}
