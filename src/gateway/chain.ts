/**
 * The fallback order of providers. `tiers`: provider → its place, 1 first; one that is not in it neither falls back nor
 * is a fallback. `available`: those with at least one credential, however they fare now.
 *
 * The requested one first, then every other of its own or a lower tier, by tier and name; never one of a better tier:
 * who asked for something cheap is not sent somewhere dear. A requested one that is not available is left out, and all
 * that have a tier stand in for it. Never cut: how many are tried is for the loop to say.
 */
export function chain(
  requested: string,
  available: Iterable<string>,
  tiers: ReadonlyMap<string, number>,
): readonly string[] {
  const asked = requested.toLowerCase();
  const names = new Set([...available].map((name) => name.toLowerCase()));
  const own = tiers.get(asked);
  const isAvailable = names.has(asked);
  if (isAvailable && own === undefined) return [asked];
  const least = isAvailable && own !== undefined ? own : Number.NEGATIVE_INFINITY;
  const others = [...names].flatMap((name) => {
    const tier = tiers.get(name);
    return name === asked || tier === undefined || tier < least ? [] : [{ name, tier }];
  });
  others.sort((a, b) => a.tier - b.tier || (a.name < b.name ? -1 : 1));
  return [...(isAvailable ? [asked] : []), ...others.map(({ name }) => name)];
}
