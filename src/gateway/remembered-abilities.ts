import type { Clock } from '../shared/clock.ts';
import type { ProviderRuntime } from './gateway.ts';
import type { Abilities } from './needs.ts';

/** What is known of a model changes with its provider's list, and with public data some times a day. */
const KEPT_MS = 60_000;
/** Of the models that are asked for, which are few; clients write what they like. */
const MAX_KEPT = 5_000;

type Kept = { readonly abilities: Abilities | null; readonly list: object; readonly at: number };

/**
 * Putting together what is known of a model takes longer than all the rest of a plan, which asks for it at every request.
 * `list`: what the provider lists now, the same object as long as nothing has changed.
 */
export function rememberedAbilities(sources: {
  readonly find: (runtime: ProviderRuntime, model: string) => Abilities | null;
  readonly list: (runtime: ProviderRuntime) => object;
  /** False: what is found now is not all that will be known in a moment. */
  readonly isWhole: () => boolean;
  readonly clock: Pick<Clock, 'now'>;
}): (runtime: ProviderRuntime, model: string) => Abilities | null {
  const kept = new Map<string, Kept>();
  return (runtime, model) => {
    const key = `${runtime.id}/${model}`;
    const known = kept.get(key);
    const list = sources.list(runtime);
    const now = sources.clock.now();
    if (known && known.list === list && now - known.at < KEPT_MS) return known.abilities;
    const abilities = sources.find(runtime, model);
    if (!sources.isWhole()) return abilities;
    if (kept.size >= MAX_KEPT) kept.clear();
    kept.set(key, { abilities, list, at: now });
    return abilities;
  };
}
