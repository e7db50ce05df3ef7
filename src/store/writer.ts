import type { Clock } from '../shared/clock.ts';
import type { LoggedRequest } from '../observe/request-record.ts';
import { reasonOf } from '../shared/reason-of.ts';
import { PendingUsage, type UsageRow } from './usage-table.ts';

/** Takes what is to be kept. Nothing here throws, and nothing is written before the caller's own work goes on. */
export type StoreWriter = {
  usage(row: UsageRow): void;
  request(row: LoggedRequest): void;
  /** The last one of each provider is kept. Plain JSON. */
  snapshot(provider: string, value: unknown): void;
  /** Writes now what waits. True when nothing waits any more. */
  flush(): boolean;
  /** How many rows wait to be written. */
  readonly waiting: number;
};

export type Batch = {
  readonly usage: PendingUsage;
  readonly requests: readonly LoggedRequest[];
  /** Provider → JSON. */
  readonly snapshots: ReadonlyMap<string, string>;
};

export type WriterOptions = {
  readonly clock: Clock;
  /** Writes all of it, or throws and has written nothing. */
  readonly write: (batch: Batch) => void;
  /** Deletes a little of what is too old; true when there may be more. Null: nothing ever is. */
  readonly expire: (() => boolean) | null;
  /** Asked before a write, at most once a second: the snapshots of what has changed, by provider. */
  readonly collect: () => Iterable<readonly [provider: string, value: unknown]>;
  /** For people, and seldom: once when writing fails, once when rows are lost, once when all is well again. */
  readonly onTrouble: (message: string) => void;
  /** What went wrong, for a person. */
  readonly explain: (error: unknown) => string;
};

/** No more than one write in this time, and nothing waits longer for one. */
const WRITE_MS = 1000;
/** After a quiet time a row is written soon, but not in the middle of the request it belongs to. */
const SOON_MS = 100;
/** So many requests are not kept waiting. */
const FULL_BATCH = 500;
/** While nothing can be written, requests are kept up to here. Use is added up and needs no bound. */
const MAX_REQUESTS = 5000;
const FIRST_BACK_OFF_MS = 1000;
const MAX_BACK_OFF_MS = 60_000;
const FIRST_EXPIRY_MS = 10_000;
const EXPIRY_MS = 3_600_000;
/** Between two small deletions: requests come in between. */
const NEXT_EXPIRY_MS = 50;

export class QueuedWriter implements StoreWriter {
  readonly #options: WriterOptions;
  /** Read by queries too: what waits counts as if it were written. */
  readonly pending = new PendingUsage();
  #requests: LoggedRequest[] = [];
  readonly #snapshots = new Map<string, string>();
  #lostRequests = 0;
  #failures = 0;
  #hasToldLoss = false;
  #lastWriteAt = Number.NEGATIVE_INFINITY;
  #lastCollectAt = Number.NEGATIVE_INFINITY;
  #timer: { readonly at: number; readonly cancel: () => void } | null = null;
  #cancelExpiry: (() => void) | null = null;
  #isClosed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    if (options.expire) this.#scheduleExpiry(FIRST_EXPIRY_MS);
  }

  usage(row: UsageRow): void {
    if (this.#isClosed) return;
    this.pending.add(row);
    this.#schedule();
  }

  request(row: LoggedRequest): void {
    if (this.#isClosed) return;
    this.#requests.push(row);
    if (this.#requests.length > MAX_REQUESTS) this.#drop();
    this.#schedule();
  }

  snapshot(provider: string, value: unknown): void {
    if (this.#isClosed) return;
    this.#keep(() => [[provider, value]]);
    this.#schedule();
  }

  get waiting(): number {
    return this.pending.size + this.#requests.length + this.#snapshots.size;
  }

  flush(): boolean {
    if (this.#isClosed) return this.#isEmpty();
    this.#lastCollectAt = Number.NEGATIVE_INFINITY;
    this.#write();
    return this.#isEmpty();
  }

  /** Writes what waits, and takes nothing more. */
  close(): void {
    if (this.#isClosed) return;
    const isSaved = this.flush();
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#cancelExpiry?.();
    if (isSaved) return;
    const requests = this.#requests.length + this.#lostRequests;
    this.#options.onTrouble(`the database could not be written to the end: ${requests} requests are not in the log`);
  }

  #isEmpty(): boolean {
    return this.pending.size === 0 && this.#requests.length === 0 && this.#snapshots.size === 0;
  }

  #schedule(): void {
    const { clock } = this.#options;
    const now = clock.now();
    // A failing database is not asked more often because more waits for it.
    if (this.#failures > 0 && this.#timer) return;
    const isFull = this.#failures === 0 && this.#requests.length >= FULL_BATCH;
    const delay = isFull ? 0 : Math.min(Math.max(this.#lastWriteAt + WRITE_MS - now, SOON_MS), WRITE_MS);
    this.#arm(this.#failures > 0 ? this.#backOffMs() : delay);
  }

  /** One timer, for the earliest of the times that were wished. */
  #arm(delay: number): void {
    const { clock } = this.#options;
    const at = clock.now() + delay;
    if (this.#timer && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const cancel = clock.schedule(delay, () => {
      this.#timer = null;
      this.#write();
    });
    this.#timer = { at, cancel };
  }

  #write(): void {
    const { clock, write, onTrouble, explain } = this.#options;
    this.#collect();
    if (this.#isEmpty()) return;
    this.#lastWriteAt = clock.now();
    try {
      write({ usage: this.pending, requests: this.#requests, snapshots: this.#snapshots });
    } catch (error) {
      if (this.#failures === 0) {
        onTrouble(`${explain(error)}: usage and the request log are kept in memory and written later`);
      }
      this.#failures++;
      this.#timer?.cancel();
      this.#timer = null;
      this.#arm(this.#backOffMs());
      return;
    }
    this.pending.clear();
    this.#requests = [];
    this.#snapshots.clear();
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#failures === 0) return;
    const lost = this.#lostRequests === 0 ? '' : `; ${this.#lostRequests} requests are missing in the log`;
    this.#failures = 0;
    this.#lostRequests = 0;
    this.#hasToldLoss = false;
    onTrouble(`the database is written again${lost}`);
  }

  #collect(): void {
    const { clock, collect } = this.#options;
    const now = clock.now();
    if (now - this.#lastCollectAt < WRITE_MS && now >= this.#lastCollectAt) return;
    this.#lastCollectAt = now;
    this.#keep(collect);
  }

  /** Made text at once: what the pool changes afterwards belongs to the next one. */
  #keep(snapshots: WriterOptions['collect']): void {
    try {
      for (const [provider, value] of snapshots()) this.#snapshots.set(provider, JSON.stringify(value) ?? 'null');
    } catch (error) {
      const reason = reasonOf(error);
      this.#options.onTrouble(`the state of a pool cannot be saved: ${reason}`);
    }
  }

  #backOffMs(): number {
    return Math.min(FIRST_BACK_OFF_MS * 2 ** (this.#failures - 1), MAX_BACK_OFF_MS);
  }

  #drop(): void {
    // Several at once: taking one from the front of a long list moves all the others.
    const count = FULL_BATCH;
    this.#requests.splice(0, count);
    this.#lostRequests += count;
    if (this.#hasToldLoss) return;
    this.#hasToldLoss = true;
    this.#options.onTrouble(
      `${MAX_REQUESTS} requests wait for the database: the oldest are left out of the log; their usage is kept`,
    );
  }

  #scheduleExpiry(ms: number): void {
    this.#cancelExpiry = this.#options.clock.schedule(ms, () => {
      this.#scheduleExpiry(this.#expire() ? NEXT_EXPIRY_MS : EXPIRY_MS);
    });
  }

  #expire(): boolean {
    try {
      return this.#options.expire?.() ?? false;
    } catch {
      // What cannot be written is told by the next write; what is old stays for another hour.
      return false;
    }
  }
}
