import type { RequestRecord } from './request-record.ts';

/** What is kept of one body; the rest is cut off, and said to be. */
const MAX_PART_BYTES = 2 * 1024 * 1024;

export type HeaderList = readonly (readonly [name: string, value: string])[];

/** A body as it went by. */
export class TranscriptPart {
  readonly #budget: TranscriptBudget;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  /** Bytes that went by and are not kept. */
  cut = 0;

  constructor(budget: TranscriptBudget) {
    this.#budget = budget;
  }

  add(piece: Uint8Array): void {
    const room = Math.min(MAX_PART_BYTES - this.#bytes, this.#budget.left);
    const kept = piece.length <= room ? piece : piece.subarray(0, Math.max(0, room));
    this.cut += piece.length - kept.length;
    if (kept.length === 0) return;
    // A copy: what is behind a piece of a stream may be written over, and is larger than the piece.
    this.#pieces.push(kept.slice());
    this.#bytes += kept.length;
    this.#budget.left -= kept.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  text(): string {
    return new TextDecoder().decode(Buffer.concat(this.#pieces));
  }

  /** Its memory is free for others. */
  release(): void {
    this.#budget.left += this.#bytes;
    this.#pieces = [];
    this.#bytes = 0;
  }
}

/** Bytes that all transcripts together may still hold in memory. */
export type TranscriptBudget = { left: number };

/** One upstream call. */
export type AttemptTranscript = {
  readonly method: string;
  /** Without its query, which can hold a key. */
  readonly url: string;
  readonly requestHeaders: HeaderList;
  readonly request: TranscriptPart;
  status: number | null;
  responseHeaders: HeaderList;
  readonly response: TranscriptPart;
  /** Why no answer came, or not the whole of one. */
  error: string | null;
};

/** Everything that one request says and is told. Only gathers; nothing here waits or throws. */
export class Transcript {
  readonly #budget: TranscriptBudget;
  readonly #onEnd: (transcript: Transcript) => void;
  readonly headers: HeaderList;
  readonly request: TranscriptPart;
  readonly response: TranscriptPart;
  readonly attempts: AttemptTranscript[] = [];
  /** Null while it runs. */
  record: RequestRecord | null = null;

  constructor(
    asked: { readonly headers: HeaderList; readonly body: Uint8Array },
    budget: TranscriptBudget,
    onEnd: (transcript: Transcript) => void,
  ) {
    this.#budget = budget;
    this.#onEnd = onEnd;
    this.headers = asked.headers;
    this.request = new TranscriptPart(budget);
    this.response = new TranscriptPart(budget);
    this.request.add(asked.body);
  }

  attempt(call: {
    readonly method: string;
    readonly url: string;
    readonly headers: HeaderList;
    readonly body: Uint8Array | null;
  }): AttemptTranscript {
    const attempt: AttemptTranscript = {
      method: call.method,
      url: call.url.replace(/[?#].*$/s, ''),
      requestHeaders: call.headers,
      request: new TranscriptPart(this.#budget),
      status: null,
      responseHeaders: [],
      response: new TranscriptPart(this.#budget),
      error: null,
    };
    if (call.body) attempt.request.add(call.body);
    this.attempts.push(attempt);
    return attempt;
  }

  /** A piece of what the client gets. */
  sent(piece: Uint8Array | string): void {
    this.response.add(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece);
  }

  /** The request is over. Its last words may still be on their way to the client. */
  end(record: RequestRecord): void {
    if (this.record) return;
    this.record = record;
    this.#onEnd(this);
  }

  release(): void {
    const parts = [
      this.request,
      this.response,
      ...this.attempts.flatMap(({ request, response }) => [request, response]),
    ];
    for (const part of parts) part.release();
  }
}
