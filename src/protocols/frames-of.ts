import type { SseFrame } from '../shared/sse.ts';

/** The frames of a stream that is here as a whole. */
export function* framesOf(text: string): Generator<SseFrame> {
  for (const block of text.split(/\r\n\r\n|\n\n|\r\r/)) {
    const fields = block.split(/\r\n|\n|\r/);
    const values = (name: string) =>
      fields
        .filter((field) => field.startsWith(`${name}:`))
        .map((field) => field.slice(name.length + 1).replace(/^ /, ''));
    const data = values('data');
    yield {
      bytes: new Uint8Array(0),
      event: values('event')[0] ?? null,
      data: data.length > 0 ? data.join('\n') : null,
    };
  }
}
