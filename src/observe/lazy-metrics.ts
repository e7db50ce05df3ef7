import type { EngineState, Metrics, MetricsOptions } from './metrics.ts';
import type { RequestRecord } from './request-record.ts';

/** More requests than this before anybody has asked: then they are counted all the same. */
const MAX_EARLY = 1000;

/** The client of Prometheus takes a moment to load, which no command and no first request should wait for. */
export class LazyMetrics {
  readonly #options: MetricsOptions;
  #early: RequestRecord[] = [];
  #metrics: Metrics | null = null;
  #loading: Promise<Metrics> | null = null;

  constructor(options: MetricsOptions) {
    this.#options = options;
  }

  finished(record: RequestRecord): void {
    if (this.#metrics) return this.#metrics.finished(record);
    this.#early.push(record);
    if (this.#early.length === MAX_EARLY) void this.load();
  }

  load(): Promise<Metrics> {
    this.#loading ??= import('./metrics.ts').then(({ Metrics: Loaded }) => {
      const metrics = new Loaded(this.#options);
      for (const record of this.#early) metrics.finished(record);
      this.#early = [];
      this.#metrics = metrics;
      return metrics;
    });
    return this.#loading;
  }

  async scrape(state: EngineState): Promise<{ readonly text: string; readonly contentType: string }> {
    const metrics = await this.load();
    return { text: await metrics.scrape(state), contentType: metrics.contentType };
  }
}
