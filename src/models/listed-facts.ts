import type { DirectoryModel } from './directory.ts';
import type { ModelFacts } from './model-facts.ts';

const indexes = new WeakMap<readonly DirectoryModel[], ReadonlyMap<string, ModelFacts>>();

/** What a provider's own list says of a model; null when it does not name it. A list is indexed once. */
export function listedFacts(list: readonly DirectoryModel[], id: string): ModelFacts | null {
  let index = indexes.get(list);
  if (!index) {
    index = new Map(list.map((model) => [model.id, factsOf(model)]));
    indexes.set(list, index);
  }
  return index.get(id) ?? null;
}

const factsOf = ({ contextLength, maxOutputTokens, facts }: DirectoryModel): ModelFacts => ({
  ...facts,
  ...(contextLength !== undefined && { contextLength }),
  ...(maxOutputTokens !== undefined && { maxOutputTokens }),
});
