import { type CountJob, type CountReply, textCounter } from './token-encodings.ts';

// Counts beside the main thread: the tables take their time to load, and so does a long text.

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<CountJob>) => {
  let tokens: number | null = null;
  try {
    const count = await textCounter(data.encoding);
    tokens = data.texts.reduce((sum, text) => sum + count(text), 0);
  } catch {
    // Whoever asked has an estimate.
  }
  postMessage({ id: data.id, tokens } satisfies CountReply);
};
