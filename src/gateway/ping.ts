import { isProblem } from '../protocols/codec.ts';
import { codecOf } from '../protocols/index.ts';
import { ChatJob, type ChatTools } from './job.ts';

const encoder = new TextEncoder();

/** The smallest request that proves that a model answers. */
export function pingBody(model: string, isStream: boolean): Uint8Array {
  const body = { model, messages: [{ role: 'user', content: 'ping' }], max_tokens: 1, stream: isStream };
  return encoder.encode(JSON.stringify(body));
}

/** The same, as work for the loop. */
export function pingJob(model: string, isStream: boolean, tools: ChatTools): ChatJob {
  const codec = codecOf('openai-chat');
  const envelope = codec.readRequest(pingBody(model, isStream), null);
  if (isProblem(envelope)) throw new Error(`the ping is no request: ${envelope.message}`);
  return new ChatJob({ codec, requestId: 'ping', client: { id: '' }, showsRoute: false }, envelope, null, tools);
}
