import { addCounts, NOTHING_USED, type UsageCounts } from '../observe/usage-counts.ts';
import { usageTotals } from './history.ts';
import type { BlockView, CapReport, GroupReport, WindowReport } from './operations.ts';

type Known = {
  readonly windows: readonly WindowReport[];
  readonly blocks: readonly BlockView[];
  readonly caps: readonly CapReport[];
};

/**
 * One credential's affairs, sorted by the quota groups and models that they are of. What is of the whole credential, and a
 * cap over models that are no group, belongs to none of them. `scopeOf`: where a model's affairs are kept.
 */
export function groupReports(
  { windows, blocks, caps }: Known,
  used: ReadonlyMap<string, UsageCounts>,
  scopeOf: (model: string) => string,
): readonly GroupReport[] {
  const models = Map.groupBy(used.keys(), scopeOf);
  const named = [...windows, ...blocks, ...caps].map(({ scope }) => scope);
  const isOne = (scope: string) => scope.startsWith('group:') || scope.startsWith('model:');
  return [...new Set([...named.filter(isOne), ...models.keys()])].sort().map((scope) => {
    const isOf = (one: { readonly scope: string }) => one.scope === scope;
    const names = models.get(scope) ?? [];
    return {
      scope,
      models: names.sort(),
      windows: windows.filter(isOf),
      blocks: blocks.filter(isOf),
      caps: caps.filter(isOf),
      today: usageTotals(names.flatMap((name) => used.get(name) ?? []).reduce(addCounts, NOTHING_USED)),
    };
  });
}
