import { type NamePattern, namePattern } from '../shared/wildcard.ts';

/** A name of the user's own that stands for targets. */
export type Alias = {
  /** As written: for a wildcard alias its pattern. */
  readonly name: string;
  /** In the order in which they are written. */
  readonly targets: readonly AliasTarget[];
  readonly strategy: 'order' | 'cheapest' | 'fastest';
  /** After “context too long”: the next target with a larger window, or the end. */
  readonly onContext: 'next' | 'stop';
};

/** Both as the user wrote them. */
export type AliasTarget = { readonly provider: string; readonly model: string };

export type Aliases = {
  readonly all: readonly Alias[];
  /** The alias of this very name. */
  exact(name: string): Alias | null;
  /** The first whose pattern fits. */
  wildcard(name: string): Alias | null;
  /** What other targets some alias names beside this one: the user holds them for one another's equals. */
  beside(target: AliasTarget, isSameProvider: (a: string, b: string) => boolean): readonly AliasTarget[];
};

export type WrittenAlias = {
  readonly targets: readonly string[];
  readonly strategy: Alias['strategy'];
  readonly on_context: Alias['onContext'];
};

export const isPattern = (name: string): boolean => /[*?[]/.test(name);

export function aliasesOf(written: Readonly<Record<string, WrittenAlias>>): Aliases {
  const all = Object.entries(written).map(
    ([name, { targets, strategy, on_context: onContext }]): Alias => ({
      name,
      targets: targets.map(targetOf),
      strategy,
      onContext,
    }),
  );
  const byName = new Map(all.filter(({ name }) => !isPattern(name)).map((alias) => [alias.name, alias]));
  const patterns: { readonly pattern: NamePattern; readonly alias: Alias }[] = all
    .filter(({ name }) => isPattern(name))
    .map((alias) => ({ pattern: namePattern(alias.name), alias }));
  return {
    all,
    exact: (name) => byName.get(name) ?? null,
    wildcard: (name) => patterns.find(({ pattern }) => pattern.matches(name))?.alias ?? null,
    beside: (target, isSameProvider) =>
      all
        .filter(({ targets }) =>
          targets.some(({ provider, model }) => model === target.model && isSameProvider(provider, target.provider)),
        )
        .flatMap(({ targets }) => targets),
  };
}

/** The provider stands before the first slash; a model may hold more of them. */
function targetOf(written: string): AliasTarget {
  const slash = written.indexOf('/');
  return { provider: written.slice(0, slash), model: written.slice(slash + 1) };
}
