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

/** What came beside it, where it came from here; of another protocol's, word that it is lost. */
export function ownFields(foreign: ForeignFields | undefined, warnings: Set<string>): JsonRecord {
  if (!foreign) return {};
  if (foreign.protocol === 'openai-responses') return foreign.fields;
  for (const name of Object.keys(foreign.fields)) warnings.add(`${name} removed`);
  return {};
}
