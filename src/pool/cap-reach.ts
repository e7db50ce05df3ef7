import { matchesAny } from '../shared/wildcard.ts';
import type { Cap } from './cap.ts';
import type { QuotaGroup } from './quota-groups.ts';

/**
 * Which models a cap counts. The models of a quota group draw on one allowance at the vendor, so a cap that names one of
 * them, or the group, is a cap of them all.
 */
export class CapReach {
  readonly #provider: string;
  readonly #groups: readonly QuotaGroup[];
  readonly #caps: readonly Cap[];
  readonly #scopes = new Map<Cap, string>();

  /** `provider`: its id, for patterns written as `provider/model`. */
  constructor(provider: string, groups: readonly QuotaGroup[], caps: readonly Cap[]) {
    this.#provider = provider;
    this.#groups = groups;
    this.#caps = caps;
  }

  /** The caps that count requests for a model of this quota group. */
  capsOf(model: string, group: string | null): readonly Cap[] {
    if (this.#caps.length === 0) return this.#caps;
    return this.#caps.filter((cap) => this.covers(cap, model, group));
  }

  covers(cap: Cap, model: string, group: string | null): boolean {
    if (cap.models.length === 0 || matchesAny(cap.models, model, `${this.#provider}/${model}`)) return true;
    const found = group === null ? undefined : this.#groups.find(({ name }) => name === group);
    return found !== undefined && this.#namesGroup(cap, found);
  }

  /** The same for what limits are learned on: `key`, `group:NAME` or `model:NAME`. */
  coversScope(cap: Cap, scope: string): boolean {
    if (scope === 'key' || cap.models.length === 0) return true;
    const name = scope.slice(scope.indexOf(':') + 1);
    if (scope.startsWith('model:')) return this.covers(cap, name, null);
    const group = this.#groups.find((one) => one.name === name);
    return group !== undefined && this.#namesGroup(cap, group);
  }

  /** As blocks name it: `key`, `group:NAME`, `model:NAME`, or the patterns as `models:a,b*`. */
  scopeOf(cap: Cap): string {
    const known = this.#scopes.get(cap);
    if (known !== undefined) return known;
    const scope = this.#nameOf(cap);
    this.#scopes.set(cap, scope);
    return scope;
  }

  #nameOf({ models }: Cap): string {
    const [first] = models;
    if (first === undefined) return 'key';
    const group = this.#groups.find((one) =>
      models.every((pattern) => this.#namesGroup({ models: [pattern] }, one) && !isWild(pattern.source)),
    );
    if (group) return `group:${group.name}`;
    const names = models.map(({ source }) => this.#bare(source));
    return models.length === 1 && !isWild(first.source) ? `model:${names[0]}` : `models:${names.join(',')}`;
  }

  #namesGroup({ models }: Pick<Cap, 'models'>, group: QuotaGroup): boolean {
    return models.some(({ source, matches }) => {
      if (source === group.name) return true;
      const name = this.#bare(source);
      return group.models.some((member) => {
        const bare = this.#bare(member.source);
        return (
          matches(bare) ||
          matches(`${this.#provider}/${bare}`) ||
          matchesAny([member], name, `${this.#provider}/${name}`)
        );
      });
    });
  }

  #bare(name: string): string {
    const prefix = `${this.#provider}/`;
    return name.toLowerCase().startsWith(prefix.toLowerCase()) ? name.slice(prefix.length) : name;
  }
}

const isWild = (name: string) => /[*?[]/.test(name);
