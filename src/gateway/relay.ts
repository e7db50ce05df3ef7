import type { Usage } from '../protocols/codec.ts';
import type { Failure } from '../providers/failure.ts';
import type { Clock } from '../shared/clock.ts';
import type { CommittedStream } from './attempt.ts';
import { IdleTimer } from './idle-timer.ts';
import type { StreamStep } from './upstream-stream.ts';

/** Where a streamed answer is written. Whole frames only, so that a heartbeat between two writes is between frames. */
export type Outlet = {
  /** Resolves once the client has room for more; rejects when it is gone. */
  write(bytes: Uint8Array | string): Promise<void>;
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
      const quiet = options.heartbeatMs > 0 ? new IdleTimer(options.clock, options.heartbeatMs, beat) : null;
      try {
        await produce({
          async write(bytes) {
            quiet?.touch();
            isWriting = true;
            try {
              const written = controller.write(typeof bytes === 'string' ? encoder.encode(bytes) : bytes);
              // A promise means that the socket is full: waiting for it is the whole back-pressure.
              if (typeof written !== 'number') await written;
              void controller.flush();
            } finally {
              isWriting = false;
            }
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
    await writeAll(committed.held, committed, outlet);
    let step: StreamStep = committed.step;
    for (;;) {
      await writeAll(step.bytes, committed, outlet);
      if (step.kind === 'complete') return ended(null);
      if (step.kind === 'broken') return ended(brokenStream(`${target}: ${step.reason}`));
      if (step.kind === 'error') return ended(committed.classify(step.error));
      const next = await nextStep(committed);
      if ('failure' in next) return ended(next.failure);
      step = next;
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

/** A client that reads slowly is not an upstream that is silent. */
async function writeAll(pieces: readonly Uint8Array[], committed: CommittedStream, outlet: Outlet): Promise<void> {
  if (pieces.length === 0) return;
  committed.leash.hold();
  for (const piece of pieces) await outlet.write(piece);
  committed.leash.unhold();
}

async function nextStep(committed: CommittedStream) {
  try {
    const step = await committed.stream.next();
    committed.leash.touch();
    return step;
  } catch (error) {
    const failure = committed.failureOf(error);
    // Every finish reason has been seen: what does not come any more is only the end mark.
    const whole = failure.kind === 'client-gone' ? null : committed.stream.wholeEnd();
    if (whole) return whole;
    // Past the commit point a dead connection is a broken stream: part of the answer is with the client.
    return { failure: failure.kind === 'lost' ? brokenStream(failure.message) : failure };
  }
}

function brokenStream(message: string): Failure {
  return { kind: 'stream-broken', status: 200, isCommitted: true, message };
}
