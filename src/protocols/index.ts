import { anthropicMessages } from './anthropic-messages/index.ts';
import type { Codec, ProtocolId } from './codec.ts';
import { gemini } from './gemini/index.ts';
import { openAiChat } from './openai-chat/index.ts';
import { openAiResponses } from './openai-responses/index.ts';

/** Every wire format, one line each. */
export const codecs: readonly Codec[] = [openAiChat, openAiResponses, anthropicMessages, gemini];

const byId = new Map<ProtocolId, Codec>(codecs.map((codec) => [codec.id, codec]));

export function codecOf(id: ProtocolId): Codec {
  const codec = byId.get(id);
  if (!codec) throw new Error(`there is no codec for ${id}`);
  return codec;
}
