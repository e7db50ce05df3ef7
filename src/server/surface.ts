import type { Codec, ProtocolId } from '../protocols/codec.ts';
import { codecOf } from '../protocols/index.ts';

/**
 * The protocol whose words a path's errors are written in. Everything that is no other protocol's surface, admin and
 * unknown paths included, speaks OpenAI's.
 */
export function surfaceOf(path: string, headers: Headers): Codec {
  return codecOf(protocolOf(path, headers));
}

function protocolOf(path: string, headers: Headers): ProtocolId {
  if (/^\/v1\/messages(\/|$)/.test(path)) return 'anthropic-messages';
  if (/^\/v1beta(\/|$)/.test(path) || /^\/v1\/models\/.+:[A-Za-z]+$/.test(path)) return 'gemini';
  if (/^\/v1\/responses(\/|$)/.test(path)) return 'openai-responses';
  // One path, two protocols: Anthropic's clients say who they are.
  if (/^\/v1\/models(\/|$)/.test(path) && headers.has('anthropic-version')) return 'anthropic-messages';
  return 'openai-chat';
}
