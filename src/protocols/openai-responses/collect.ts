import { framesOf } from '../frames-of.ts';
import { streamReader } from './stream-reader.ts';

/** The whole answer of a stream: its last event carries it. Null when the stream is no whole answer. */
export function collect(stream: Uint8Array): Uint8Array | null {
  const reader = streamReader();
  for (const frame of framesOf(new TextDecoder().decode(stream))) {
    const { error, isEnd } = reader.push(frame);
    if (error !== undefined) return null;
    if (isEnd) break;
  }
  const final = reader.progress?.final;
  return final ? new TextEncoder().encode(JSON.stringify(final)) : null;
}
