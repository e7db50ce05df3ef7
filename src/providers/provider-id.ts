const normalized = new Map<string, string>();
const MAX_KNOWN = 2000;

/**
 * Lower case, `-` as `_`: how ids and second names are compared. Apart from the registry, which loads every vendor. Asked
 * several times in every request, of few names.
 */
export function normalizeProviderId(name: string): string {
  const known = normalized.get(name);
  if (known !== undefined) return known;
  if (normalized.size >= MAX_KNOWN) normalized.clear();
  const id = name.trim().toLowerCase().replaceAll('-', '_');
  normalized.set(name, id);
  return id;
}
