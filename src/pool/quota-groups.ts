import { remembered } from '../shared/remembered.ts';
import { matchesAny, type NamePattern } from '../shared/wildcard.ts';

/** Which models share blocks, windows and caps. */

export type QuotaGroup = { readonly name: string; readonly models: readonly NamePattern[] };

/** Clients can make up model names without end; what was forgotten is matched again. */
const MAX_KNOWN = 1024;

export class QuotaGroups {
  readonly #groups: readonly QuotaGroup[];
  readonly #find: (model: string) => string | null;

  /** `provider`: its id, for patterns written as `provider/model`. */
  constructor(provider: string, groups: readonly QuotaGroup[]) {
    this.#groups = groups;
    const find = (model: string) => groups.find(({ models }) => matchesAny(models, model, `${provider}/${model}`));
    this.#find = remembered(MAX_KNOWN, (model: string) => find(model)?.name ?? null);
  }

  /** The first group in the config's order with a pattern that matches; null when the model stands alone. */
  groupOf(model: string): string | null {
    return this.#groups.length === 0 ? null : this.#find(model);
  }
}
