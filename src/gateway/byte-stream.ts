import type { StreamStep, UpstreamStream } from './upstream-stream.ts';

/** What relaying needs of an answer that comes piece by piece. */
export type AnswerStream = Pick<
  UpstreamStream,
  'next' | 'usage' | 'progress' | 'isAdapted' | 'contentFrames' | 'wholeEnd'
>;

type Source = {
  read(): Promise<{ done: false; value: Uint8Array } | { done: true; value?: unknown }>;
};

/** An answer that is nobody's frames: sound, a picture, a transcript. It is whole when its connection says so. */
export class ByteStream implements AnswerStream {
  readonly usage = null;
  readonly progress = null;
  readonly isAdapted = false;
  readonly contentFrames = 0;
  readonly #source: Source;

  constructor(body: ReadableStream<Uint8Array>) {
    this.#source = body.getReader();
  }

  /** Rejects when the connection dies or the attempt is aborted. */
  async next(): Promise<StreamStep> {
    for (;;) {
      const chunk = await this.#source.read();
      if (chunk.done) return { kind: 'complete', bytes: [], isContent: false };
      if (chunk.value.length > 0) return { kind: 'frames', bytes: [chunk.value], isContent: true };
    }
  }

  wholeEnd(): null {
    return null;
  }
}
