import { matchesAny, type NamePattern } from '../shared/wildcard.ts';

/** Which models share blocks, windows and caps. */

export type QuotaGroup = { readonly name: string; readonly models: readonly NamePattern[] };

/** Clients can make up model names without end; what was forgotten is matched again. */
const MAX_KNOWN = 1024;

export class QuotaGroups {
  readonly #provider: string;
  readonly #groups: readonly QuotaGroup[];
  readonly #known = new Map<string, string | null>();

  /** `provider`: its id, for patterns written as `provider/model`. */
  constructor(provider: string, groups: readonly QuotaGroup[]) {
    this.#provider = provider;
    this.#groups = groups;
  }

  /** The first group in the config's order with a pattern that matches; null when the model stands alone. */
  groupOf(model: string): string | null {
    if (this.#groups.length === 0) return null;
    const known = this.#known.get(model);
    if (known !== undefined) return known;
    const qualified = `${this.#provider}/${model}`;
    const group = this.#groups.find(({ models }) => matchesAny(models, model, qualified))?.name ?? null;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(model, group);
    return group;
  }
}
