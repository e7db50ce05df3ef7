import type { Clock } from '../shared/clock.ts';
import type { Log } from './log.ts';
import type { RequestRecord } from './request-record.ts';
import type { Traces } from './traces.ts';

/** So many requests are kept until what sends them is loaded. */
const MAX_EARLY = 1000;
/** A collector that does not answer holds up the end no longer. */
const CLOSE_MS = 2_000;

export type LazyTracesOptions = { readonly version: string; readonly clock: Clock; readonly log: Log };

type Sending = { readonly url: string; traces: Traces | null; early: RequestRecord[]; readonly loaded: Promise<void> };

/** Spans for a collector, when there is one. What makes them is loaded only then. */
export class LazyTraces {
  readonly #options: LazyTracesOptions;
  #sending: Sending | null = null;
  #isTroubled = false;

  constructor(options: LazyTracesOptions) {
    this.#options = options;
  }

  /** Null: nobody wants them. */
  configure(url: string | null): void {
    if (url === (this.#sending?.url ?? null)) return;
    void this.close();
    if (url === null) return;
    const loading = import('./traces.ts').then(({ Traces: Loaded }) => {
      const { version } = this.#options;
      sending.traces = new Loaded({ url, version, onTrouble: (reason) => this.#tell(url, reason) });
      for (const record of sending.early) sending.traces.finished(record);
      sending.early = [];
    });
    const sending: Sending = { url, traces: null, early: [], loaded: loading };
    this.#sending = sending;
  }

  finished(record: RequestRecord): void {
    const sending = this.#sending;
    if (!sending) return;
    if (sending.traces) sending.traces.finished(record);
    else if (sending.early.length < MAX_EARLY) sending.early.push(record);
  }

  /** Sends what waits, if that can be done in a moment. */
  async close(): Promise<void> {
    const sending = this.#sending;
    this.#sending = null;
    if (!sending) return;
    const done = new AbortController();
    const sent = sending.loaded.then(() => sending.traces?.close()).catch(() => undefined);
    await Promise.race([sent, this.#options.clock.sleep(CLOSE_MS, done.signal)]);
    done.abort();
  }

  #tell(url: string, reason: string | null): void {
    if (this.#isTroubled === (reason !== null)) return;
    this.#isTroubled = reason !== null;
    const { log } = this.#options;
    if (reason === null) log.info('traces are sent again', { to: url });
    else log.warn('traces cannot be sent', { to: url, reason });
  }
}
