import type { ProtocolId } from '../protocols/codec.ts';

/** What a server of the user's own may speak. Apart from the schema, whose library a help page need not load. */
export const ownProtocols = [
  'openai-chat',
  'openai-responses',
  'anthropic-messages',
  'gemini',
] as const satisfies readonly ProtocolId[];
