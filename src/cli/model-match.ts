import type { ModelView } from '../gateway/operations.ts';
import { matchesAny, namePattern } from '../shared/wildcard.ts';

/** A plain word means any part of the name; wildcards mean the whole of it, with or without the provider. */
export function isMeant(pattern: string, model: Pick<ModelView, 'id' | 'provider'>): boolean {
  if (!/[*?[]/.test(pattern)) return model.id.toLowerCase().includes(pattern.toLowerCase());
  const bare = model.provider === null ? model.id : model.id.slice(model.provider.length + 1);
  return matchesAny([namePattern(pattern)], model.id, bare);
}
