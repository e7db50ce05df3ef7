import type { ForeignFields, JsonRecord } from '../ir.ts';

/** What this protocol's own client said of a part or a tool that has no neutral form. */
export const ownFields = (foreign: ForeignFields | null | undefined): JsonRecord =>
  foreign?.protocol === 'anthropic-messages' ? foreign.fields : {};
