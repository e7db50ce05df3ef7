import type { FrameFacts, StreamProgress, StreamReader, Usage } from '../protocols/codec.ts';
import type { AnswerReader } from '../protocols/plain-json.ts';
import { isEditable } from '../providers/editable-json.ts';
import type { JsonObject, StreamRewriter } from '../providers/provider.ts';
import type { Clock } from '../shared/clock.ts';
import type { SseFrame } from '../shared/sse.ts';
import { SseFramer } from '../transport/sse.ts';
import type { StreamTranslation, StreamWatch } from './lane.ts';

/** What the next piece of an upstream's stream brings. */
export type StreamStep = {
  /** What goes to the client before whatever `kind` says. */
  readonly bytes: readonly Uint8Array[];
  /** Something that a person or program would use is among the bytes. */
  readonly isContent: boolean;
} & (
  | { readonly kind: 'frames' }
  /** The answer is whole. `bytes` may hold an end mark that the vendor omitted. */
  | { readonly kind: 'complete' }
  /** The stream ended without being whole. */
  | { readonly kind: 'broken'; readonly reason: string }
  /** The upstream reports a failure inside its stream. */
  | { readonly kind: 'error'; readonly error: unknown }
);

export type StreamRules = {
  /** The upstream's protocol. */
  readonly codec: AnswerReader;
  /** Into the client's protocol; null where it is the same, and bytes pass as they are. */
  readonly translation: StreamTranslation | null;
  /** Looks at every frame that says something; changes nothing. */
  readonly watch: StreamWatch | null;
  /** Told of every frame's bytes, for what they carry that only the same credential takes back. */
  readonly note: ((bytes: Uint8Array) => void) | null;
  /** The usage frame was asked for by rotator, not by the client. */
  readonly dropsUsageFrame: boolean;
  /** For a vendor whose stream is not its protocol's own; null: it is. Everything else sees what comes out of it. */
  readonly rewrite: StreamRewriter | null;
  /** A provider's change of one frame's JSON, in place; true when it changed something. */
  readonly adapt: ((event: JsonObject) => boolean) | null;
  /** Aborts when rotator itself ends the upstream call. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
};

/** The part of a stream's reader that is used; the runtime's own type differs between its declarations. */
type ChunkSource = {
  read(): Promise<{ done: false; value: Uint8Array } | { done: true; value?: unknown }>;
  cancel(): Promise<void>;
};

// An image inside a stream comes as one line of some tens of megabytes.
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
// How long the tail behind an end mark is read, so that the connection can be used again.
const DRAIN_MS = 1000;

const encoder = new TextEncoder();

/**
 * An upstream's stream, read one network chunk at a time and taken apart into whole frames. What goes on is the
 * upstream's own bytes; only a dropped or adapted frame makes a difference.
 */
export class UpstreamStream {
  readonly #source: ChunkSource;
  readonly #framer = new SseFramer();
  readonly #rules: StreamRules;
  readonly #reader: StreamReader;
  #isAdapted = false;
  #contentFrames = 0;

  constructor(body: ReadableStream<Uint8Array>, rules: StreamRules) {
    this.#source = body.getReader();
    this.#rules = rules;
    this.#reader = rules.codec.streamReader();
  }

  get usage(): Usage | null {
    return this.#reader.usage;
  }

  /** How many frames with content have come: a measure of an answer that ends before its usage is told. */
  get contentFrames(): number {
    return this.#contentFrames;
  }

  get finishReason(): string | null {
    return this.#reader.finishReason;
  }

  /** How far the client's stream has come; null in protocols that do not count. */
  get progress(): StreamProgress | null {
    const { translation } = this.#rules;
    return translation ? translation.progress : (this.#reader.progress ?? null);
  }

  /** A frame was rewritten for the provider's sake. */
  get isAdapted(): boolean {
    return this.#isAdapted;
  }

  /** Rejects when the connection dies or the attempt is aborted. */
  async next(): Promise<StreamStep> {
    const out = new Output();
    let chunk: Awaited<ReturnType<ChunkSource['read']>>;
    try {
      chunk = await this.#source.read();
    } catch (error) {
      // Everything had been said: how the connection ended no longer matters.
      if (!this.#rules.signal.aborted) {
        const step = this.#read(this.#rules.rewrite?.end() ?? [], out);
        if (step) return step;
        if (this.#reader.end().state === 'complete') return this.#end(out);
      }
      throw error;
    }
    if (!chunk.done) {
      const step = this.#take(this.#framer.push(chunk.value), out);
      if (step) return step;
      if (this.#framer.pendingBytes <= MAX_FRAME_BYTES) return out.frames();
      return out.step({ kind: 'broken', reason: `a frame of the stream is larger than ${MAX_FRAME_BYTES >> 20} MB` });
    }
    // A last frame without its blank line: no event by the letter of the standard, but some vendors end that way.
    const rest = this.#framer.end();
    // Behind the last finish reason it is a cut-off end mark, and says nothing.
    if (rest.length > 0 && this.#reader.end().state === 'broken') {
      const last = new SseFramer().push(encoder.encode(`${new TextDecoder().decode(rest)}\n\n`));
      const step = this.#take(last, out);
      if (step) return step;
    }
    return this.#read(this.#rules.rewrite?.end() ?? [], out) ?? this.#end(out);
  }

  /** The step that ends an answer which is whole although its connection does not say so; null when it is not. */
  wholeEnd(): StreamStep | null {
    const out = new Output();
    this.#read(this.#rules.rewrite?.end() ?? [], out);
    return this.#reader.end().state === 'complete' ? this.#end(out) : null;
  }

  /** Stops reading. The upstream call itself is ended by its abort signal. */
  async cancel(): Promise<void> {
    await this.#source.cancel().catch(() => undefined);
  }

  /** The frame as it goes to the client: its own bytes, unless the provider's dialect or the client's protocol forbid it. */
  #outgoing(frame: SseFrame, facts: FrameFacts): Uint8Array {
    const { adapt, translation } = this.#rules;
    const isAdapted = adapt !== null && isEditable(facts.json) && adapt(facts.json);
    if (isAdapted) this.#isAdapted = true;
    if (translation) return encoder.encode(translation.push(frame, facts.json));
    if (!isAdapted) return frame.bytes;
    const name = frame.event === null ? '' : `event: ${frame.event}\n`;
    return encoder.encode(`${name}data: ${JSON.stringify(facts.json)}\n\n`);
  }

  #take(frames: readonly SseFrame[], out: Output): StreamStep | null {
    const { rewrite } = this.#rules;
    if (!rewrite) return this.#read(frames, out);
    for (const frame of frames) {
      const rewritten = rewrite.push(frame);
      if (rewritten.length !== 1 || rewritten[0] !== frame) this.#isAdapted = true;
      const step = this.#read(rewritten, out);
      if (step) return step;
    }
    return null;
  }

  /** Collects what goes on. A step only when one of the frames ends the stream. */
  #read(frames: readonly SseFrame[], out: Output): StreamStep | null {
    for (const frame of frames) {
      const facts = this.#reader.push(frame);
      if (facts.json !== undefined) {
        this.#rules.watch?.push(frame, facts.json);
        this.#rules.note?.(frame.bytes);
      }
      if (facts.error !== undefined) return out.step({ kind: 'error', error: facts.error });
      if (facts.isEnd) {
        // Nothing that follows the end mark belongs to the answer.
        void this.#drain();
        const end = this.#reader.end();
        if (end.state === 'broken') return out.step({ kind: 'broken', reason: end.reason });
        const { translation } = this.#rules;
        if (!translation) out.add(frame.bytes);
        // The end mark itself may carry the answer's usage and reason.
        else out.add(encoder.encode(translation.push(frame, facts.json) + translation.end()));
        return out.step({ kind: 'complete' });
      }
      if (facts.isContent) {
        out.isContent = true;
        this.#contentFrames++;
      }
      if (!(facts.isUsageOnly && this.#rules.dropsUsageFrame)) out.add(this.#outgoing(frame, facts));
    }
    return null;
  }

  #end(out: Output): StreamStep {
    const end = this.#reader.end();
    if (end.state === 'broken') return out.step({ kind: 'broken', reason: end.reason });
    const { translation, codec } = this.#rules;
    out.add(encoder.encode(translation ? translation.end() : codec.endFrame(this.#reader)));
    return out.step({ kind: 'complete' });
  }

  async #drain(): Promise<void> {
    const cancelTimer = this.#rules.clock.schedule(DRAIN_MS, () => void this.cancel());
    try {
      while (!(await this.#source.read()).done);
    } catch {
      // The answer is whole; how its connection ends no longer matters.
    } finally {
      cancelTimer();
    }
  }
}

/** How a stream ends. */
type EndKind =
  | { readonly kind: 'complete' }
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'error'; readonly error: unknown };

/** What one step passes on. Neighbouring views of one buffer are joined, so that a chunk of many frames is one write. */
class Output {
  readonly pieces: Uint8Array[] = [];
  isContent = false;

  step<Kind extends EndKind>(kind: Kind): Kind & { bytes: readonly Uint8Array[]; isContent: boolean } {
    return Object.assign(kind, { bytes: this.pieces, isContent: this.isContent });
  }

  /** The step of nearly every chunk. */
  frames(): StreamStep {
    return { kind: 'frames', bytes: this.pieces, isContent: this.isContent };
  }

  add(bytes: Uint8Array): void {
    const last = this.pieces.at(-1);
    if (last && last.buffer === bytes.buffer && last.byteOffset + last.byteLength === bytes.byteOffset) {
      this.pieces[this.pieces.length - 1] = new Uint8Array(
        last.buffer,
        last.byteOffset,
        last.byteLength + bytes.byteLength,
      );
    } else if (bytes.length > 0) this.pieces.push(bytes);
  }
}
