import type { Clock } from '../shared/clock.ts';
import { deadlinesOf, type Timed } from './deadlines.ts';
import { IdleTimer } from './idle-timer.ts';
import type { Timeouts } from './gateway.ts';
import { type StopCause, Stopped } from './stopped.ts';

export type LeashLimits = {
  readonly timeouts: Timeouts;
  readonly isStream: boolean;
  /** Milliseconds since the epoch; in force until `commit`. */
  readonly deadline: number;
};

/** What ends one upstream call from our side: the client's going, the deadline, a timeout. */
export class Leash implements Timed {
  dueAt = Number.POSITIVE_INFINITY;
  readonly #abort = new AbortController();
  /** Of the call. */
  readonly signal: AbortSignal = this.#abort.signal;
  readonly #client: AbortSignal;
  readonly #idleMs: number;
  readonly #clock: Clock;
  /** Of what comes piece by piece. Told of every chunk; fires first for the first byte, later for a pause. */
  #silence: IdleTimer | null;
  readonly #isTotalNearer: boolean;
  #hasEvents = false;

  constructor(client: AbortSignal, { timeouts, isStream, deadline }: LeashLimits, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.#idleMs = timeouts.idleMs;
    if (client.aborted) this.handleEvent();
    // An object with `handleEvent` is a listener, too, and one less to be made.
    else client.addEventListener('abort', this);
    const leftMs = deadline - clock.now();
    // A whole reply has one limit, the nearer of the two; a stream is watched for silence besides its deadline.
    this.#silence = isStream
      ? new IdleTimer(clock, timeouts.firstByteMs, () => this.#stop(this.#hasEvents ? 'idle' : 'first-byte'))
      : null;
    this.#isTotalNearer = !isStream && timeouts.totalMs < leftMs;
    deadlinesOf(clock).set(this, this.#isTotalNearer ? timeouts.totalMs : leftMs);
  }

  /** The client is gone. */
  handleEvent(): void {
    this.#stop('client-gone');
  }

  /** The time is over. */
  onDue(): void {
    this.#stop(this.#isTotalNearer ? 'total' : 'deadline');
  }

  /** Why the call was ended from our side; null when it was not. */
  get cause(): StopCause | null {
    const { reason, aborted } = this.signal;
    return aborted && reason instanceof Stopped ? reason.stopCause : null;
  }

  /** Something came: the time for the first byte is over, or the time of silence starts anew. */
  touch(): void {
    if (this.#hasEvents) this.#silence?.touch();
    else {
      this.#hasEvents = true;
      this.#silence?.restart(this.#idleMs);
    }
  }

  /** The client takes its time to read: that is not the upstream's silence. */
  hold(): void {
    this.#silence?.hold();
  }

  unhold(): void {
    this.#silence?.release();
  }

  /** The answer begins: the deadline no longer holds, and only silence ends what comes piece by piece. */
  commit(): void {
    deadlinesOf(this.#clock).clear(this);
    this.#silence ??= new IdleTimer(this.#clock, this.#idleMs, () => this.#stop('idle'));
    this.#hasEvents = true;
  }

  /** Ends timers and listeners; aborts the call unless it is over by itself. */
  release(isOver: boolean): void {
    this.#silence?.stop();
    deadlinesOf(this.#clock).clear(this);
    this.#client.removeEventListener('abort', this);
    if (!isOver) this.#stop('client-gone');
  }

  #stop(cause: StopCause): void {
    this.#abort.abort(new Stopped(cause));
  }
}
