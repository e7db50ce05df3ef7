/** Lower case, `-` as `_`: how ids and second names are compared. Apart from the registry, which loads every vendor. */
export const normalizeProviderId = (name: string): string => name.trim().toLowerCase().replaceAll('-', '_');
