import type { ForeignFields, JsonRecord } from '../ir.ts';

/** What an object of this protocol says besides its neutral meaning: kept beside it, and written again by this protocol. */
export function foreignBesides(
  value: JsonRecord,
  understood: ReadonlySet<string>,
): { readonly foreign?: ForeignFields } {
  const fields = Object.fromEntries(
    Object.entries(value).filter(([name, one]) => !understood.has(name) && one !== undefined && one !== null),
  );
  return Object.keys(fields).length > 0 ? { foreign: { protocol: 'openai-responses', fields } } : {};
}

export const ownFields = (foreign: ForeignFields | undefined): JsonRecord =>
  foreign?.protocol === 'openai-responses' ? foreign.fields : {};
