import { identityKey, isSameModel, type ModelIdentity, modelIdentity, type PublisherTable } from './model-identity.ts';

/** The models of one provider that are the same as a model of another, in the order of its list. */
export interface Equivalents {
  /**
   * `listed`: what the other provider serves now. The names of `listed` that mean the asked model; the same date first,
   * then what has none. Lists are remembered by themselves, so that a list must not be changed once it was asked about.
   */
  find(
    asked: { readonly provider: string; readonly model: string },
    other: { readonly provider: string; readonly listed: readonly { readonly id: string }[] },
  ): readonly string[];
  isSame(
    a: { readonly provider: string; readonly model: string },
    b: { readonly provider: string; readonly model: string },
  ): boolean;
}

const MAX_KNOWN = 10_000;

type Entry = { readonly id: string; readonly identity: ModelIdentity };

export function createEquivalents(table: PublisherTable): Equivalents {
  const known = new Map<string, ModelIdentity | null>();
  const lists = new WeakMap<object, ReadonlyMap<string, readonly Entry[]>>();

  /** Of what is asked for, which is a few names again and again. */
  function identityOf(provider: string, model: string): ModelIdentity | null {
    const key = `${provider}/${model}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const identity = modelIdentity(provider, model, table);
    // Clients write what they like: their names must not fill the memory.
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(key, identity);
    return identity;
  }

  function byIdentity(provider: string, listed: readonly { readonly id: string }[]) {
    const before = lists.get(listed);
    if (before) return before;
    const made = new Map<string, Entry[]>();
    for (const { id } of listed) {
      const identity = modelIdentity(provider, id, table);
      if (!identity) continue;
      const key = identityKey(identity);
      const entries = made.get(key);
      if (entries) entries.push({ id, identity });
      else made.set(key, [{ id, identity }]);
    }
    lists.set(listed, made);
    return made;
  }

  return {
    find(asked, other) {
      const identity = identityOf(asked.provider, asked.model);
      if (!identity) {
        // A model that nobody here knows is, as far as anybody can tell, the one that is called the same elsewhere.
        return other.listed.flatMap(({ id }) =>
          id === asked.model && modelIdentity(other.provider, id, table) === null ? [id] : [],
        );
      }
      const same = byIdentity(other.provider, other.listed).get(identityKey(identity)) ?? [];
      const able = same.filter((entry) => isSameModel(identity, entry.identity));
      const rank = ({ id, identity: { date } }: Entry) =>
        // What is served for nothing comes last: it is limited most.
        (date === identity.date ? 0 : date === null ? 1 : 2) + (id.endsWith(':free') ? 10 : 0);
      return able.toSorted((a, b) => rank(a) - rank(b)).map(({ id }) => id);
    },
    isSame(a, b) {
      const one = modelIdentity(a.provider, a.model, table);
      const two = modelIdentity(b.provider, b.model, table);
      if (one === null || two === null) return one === two && a.model === b.model;
      return isSameModel(one, two);
    },
  };
}
