import type { StreamRewriter } from '../providers/provider.ts';
import type { SseFrame } from '../shared/sse.ts';
import { SseFramer } from '../transport/sse.ts';

/** Answers out of what an account's service puts around them. */

type Unwrap = (bytes: Uint8Array) => Uint8Array;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function unwrapFrame(frame: SseFrame, unwrap: Unwrap): SseFrame {
  if (frame.data === null || frame.data === '') return frame;
  const bytes = encoder.encode(frame.data);
  const inner = unwrap(bytes);
  if (inner === bytes) return frame;
  // Some services lay their JSON out over several lines; outside of texts a line break is white space.
  const data = decoder.decode(inner).replace(/[\r\n]+/g, ' ');
  const name = frame.event === null ? '' : `event: ${frame.event}\n`;
  return { ...frame, data, bytes: encoder.encode(`${name}data: ${data}\n\n`) };
}

export function unwrapStream(stream: Uint8Array, unwrap: Unwrap): Uint8Array {
  return Buffer.concat(new SseFramer().push(stream).map((frame) => unwrapFrame(frame, unwrap).bytes));
}

export const unwrapper = (unwrap: Unwrap): StreamRewriter => ({
  push: (frame) => [unwrapFrame(frame, unwrap)],
  end: () => [],
});
