import type { ProtocolId } from '../protocol-id.ts';

/** The name of this format. A provider has the same one, and that is another thing. */
const OWN: ProtocolId = 'gemini';

/** Came from this format: only then does it mean anything here. */
export const isOwn = (value: { readonly protocol: ProtocolId }): boolean => value.protocol === OWN;
