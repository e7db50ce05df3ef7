import { remembered } from '../shared/remembered.ts';

const MAX_KNOWN = 2000;

/**
 * Lower case, `-` as `_`: how ids and second names are compared. Apart from the registry, which loads every vendor. Asked
 * several times in every request, of few names.
 */
export const normalizeProviderId = remembered(MAX_KNOWN, (name: string) =>
  name.trim().toLowerCase().replaceAll('-', '_'),
);
