import type { DirectoryModel } from './directory.ts';
import type { ModelFacts } from './model-facts.ts';

const indexes = new WeakMap<readonly DirectoryModel[], ReadonlyMap<string, DirectoryModel>>();

/** What a provider's own list says of a model; null when it does not name it. A list is indexed once. */
export function listedFacts(list: readonly DirectoryModel[], id: string): ModelFacts | null {
  let index = indexes.get(list);
  if (!index) {
    index = new Map(list.map((model) => [model.id, model]));
    indexes.set(list, index);
  }
  const model = index.get(id);
  if (!model) return null;
  const { contextLength, maxOutputTokens, facts } = model;
  return {
    ...facts,
    ...(contextLength !== undefined && { contextLength }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
  };
}
