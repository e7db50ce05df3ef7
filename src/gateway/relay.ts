import type { Usage } from '../protocols/codec.ts';
import type { Failure } from '../providers/failure.ts';
import type { Clock } from '../shared/clock.ts';
import type { CommittedStream } from './attempt.ts';
import { IdleTimer } from './idle-timer.ts';
import type { StreamStep } from './upstream-stream.ts';

/** Where a streamed answer is written. Whole frames only, so that a heartbeat between two writes is between frames. */
export type Outlet = {
  /** A promise when the client has no room for more; resolved once it has. Throws or rejects when it is gone. */
  write(bytes: Uint8Array | string): Promise<void> | undefined;
};

export type RelayOptions = {
  readonly clock: Clock;
  /** 0: none. */
  readonly heartbeatMs: number;
  /** Asked anew each time; empty: none can be sent now. */
  readonly heartbeat: () => string;
  /** The client cancelled the body. */
  readonly onCancel: () => void;
};

/**
 * A response body that `produce` writes. While nothing is written for `heartbeatMs`, a heartbeat is. Never errors: how an
 * answer ended is said in its protocol, by its frames.
 */
export function relayBody(
  options: RelayOptions,
  produce: (outlet: Outlet) => Promise<void>,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    // Bun's direct mode: no queue between the upstream's chunks and the socket. Back-pressure is the awaited write.
    type: 'direct',
    async pull(controller: ReadableStreamDirectController): Promise<void> {
      let isWriting = false;
      let isOpen = true;
      const beat = () => {
        if (!isOpen) return;
        quiet?.restart(options.heartbeatMs);
        const heartbeat = options.heartbeat();
        if (isWriting || heartbeat === '') return;
        try {
          void Promise.resolve(controller.write(encoder.encode(heartbeat))).catch(options.onCancel);
          void controller.flush();
        } catch {
          options.onCancel();
        }
      };
      const waitFor = async (written: Promise<number>) => {
        isWriting = true;
        try {
          await written;
          void controller.flush();
        } finally {
          isWriting = false;
        }
      };
      const quiet = options.heartbeatMs > 0 ? new IdleTimer(options.clock, options.heartbeatMs, beat) : null;
      try {
        await produce({
          write(bytes) {
            quiet?.touch();
            const written = controller.write(typeof bytes === 'string' ? encoder.encode(bytes) : bytes);
            // A promise means that the socket is full: waiting for it is the whole back-pressure.
            if (typeof written !== 'number') return waitFor(written);
            void controller.flush();
            return undefined;
          },
        });
      } finally {
        isOpen = false;
        quiet?.stop();
        try {
          controller.close();
        } catch {
          // The client has closed it already.
        }
      }
    },
    cancel(): void {
      options.onCancel();
    },
  });
}

export type RelayEnd = { readonly failure: Failure | null; readonly usage: Usage | null };

/** Writes a committed stream to its end. Resolves with how it ended; never rejects. */
export async function relayStream(committed: CommittedStream, outlet: Outlet, target: string): Promise<RelayEnd> {
  const { stream } = committed;
  const ended = (failure: Failure | null): RelayEnd => {
    committed.close(failure === null);
    return { failure, usage: stream.usage };
  };
  try {
    let blocked = writeAll(committed.held, committed, outlet);
    if (blocked) await blocked;
    let step: StreamStep = committed.step;
    for (;;) {
      blocked = writeAll(step.bytes, committed, outlet);
      if (blocked) await blocked;
      if (step.kind === 'complete') return ended(null);
      if (step.kind === 'broken') return ended(brokenStream(`${target}: ${step.reason}`));
      if (step.kind === 'error') return ended(committed.classify(step.error));
      try {
        step = await stream.next();
      } catch (error) {
        const next = afterError(error, committed);
        if ('failure' in next) return ended(next.failure);
        step = next;
      }
      committed.leash.touch();
    }
  } catch {
    return ended({ kind: 'client-gone', status: null, message: 'the client went away' });
  }
}

/** A response body of what comes in no frames. It breaks off where the upstream does; `onEnd` is told once or more. */
export function relayBytes(
  committed: CommittedStream,
  target: string,
  onEnd: (failure: Failure | null) => void,
): ReadableStream<Uint8Array> {
  let first: StreamStep | null = committed.step;
  return new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      committed.leash.unhold();
      const step = first ?? (await nextStep(committed));
      first = null;
      committed.leash.hold();
      const failure = endOf(step, target);
      if (failure) {
        onEnd(failure);
        // The status line has left with a promise: a clean end would be a lie.
        controller.error(new Error(failure.message));
        return;
      }
      for (const piece of 'failure' in step ? [] : step.bytes) controller.enqueue(piece);
      if ('failure' in step || step.kind !== 'complete') return;
      onEnd(null);
      controller.close();
    },
    cancel(): void {
      onEnd({ kind: 'client-gone', status: null, message: 'the client went away' });
    },
  });
}

function endOf(step: StreamStep | { readonly failure: Failure }, target: string): Failure | null {
  if ('failure' in step) return step.failure;
  return step.kind === 'broken' || step.kind === 'error' ? brokenStream(`${target}: the answer broke off`) : null;
}

/** A promise only when the client has no room: most pieces are one, and nobody has to be waited for. */
function writeAll(
  pieces: readonly Uint8Array[],
  committed: CommittedStream,
  outlet: Outlet,
  from = 0,
): Promise<void> | undefined {
  for (let i = from; i < pieces.length; i++) {
    const piece = pieces[i];
    const blocked = piece && outlet.write(piece);
    if (blocked) return waitAndWrite(blocked, pieces, committed, outlet, i + 1);
  }
  return undefined;
}

async function waitAndWrite(
  blocked: Promise<void>,
  pieces: readonly Uint8Array[],
  committed: CommittedStream,
  outlet: Outlet,
  from: number,
): Promise<void> {
  // A client that reads slowly is not an upstream that is silent.
  committed.leash.hold();
  await blocked;
  committed.leash.unhold();
  await writeAll(pieces, committed, outlet, from);
}

async function nextStep(committed: CommittedStream) {
  try {
    const step = await committed.stream.next();
    committed.leash.touch();
    return step;
  } catch (error) {
    return afterError(error, committed);
  }
}

/** What a read error means past the commit point. */
function afterError(error: unknown, committed: CommittedStream): StreamStep | { readonly failure: Failure } {
  const failure = committed.failureOf(error);
  // Every finish reason has been seen: what does not come any more is only the end mark.
  const whole = failure.kind === 'client-gone' ? null : committed.stream.wholeEnd();
  if (whole) return whole;
  // A dead connection is a broken stream: part of the answer is with the client.
  return { failure: failure.kind === 'lost' ? brokenStream(failure.message) : failure };
}

function brokenStream(message: string): Failure {
  return { kind: 'stream-broken', status: 200, isCommitted: true, message };
}
