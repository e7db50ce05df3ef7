import { Counter, Gauge, type Metric, Registry } from 'prom-client';
import { LabelBound } from './label-bound.ts';
import type { RequestRecord } from './request-record.ts';
import { CounterTally, type Distribution, HistogramTally } from './tallies.ts';

/** How things stand at the moment of a scrape. */
export type EngineState = {
  readonly credentials: readonly { readonly provider: string; readonly state: string; readonly count: number }[];
  readonly blocks: readonly { readonly provider: string; readonly kind: string; readonly count: number }[];
  readonly pools: readonly { readonly provider: string; readonly inFlight: number; readonly waiting: number }[];
  /** Rows that wait for the database. */
  readonly storeQueue: number;
};

export type MetricsOptions = {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Is it in the provider's list, or in the user's? Names beyond those are made up by clients. */
  readonly isListed: (target: string) => boolean;
};

/** Of any whole request: a local model's first word to a long answer of a slow one. */
const DURATION_BUCKETS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const SHORT_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1, 10, 60];
const TOKEN_BUCKETS = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];
/** Where a request has no target, client or provider. */
const NONE = 'none';
const GEN_AI = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model'] as const;

type Count = { value: number };
type TokenPlaces = { readonly sum: Count; readonly spread: Distribution };

/** Where requests of one kind are counted. Null: nothing was counted there yet, and a page shows no zeros. */
type Places = {
  readonly target: string;
  readonly genAi: readonly string[];
  readonly requests: Count;
  readonly clientRequests: Count;
  readonly queue: Distribution;
  readonly overhead: Distribution;
  readonly duration: Distribution;
  served: Count | null;
  input: TokenPlaces | null;
  output: TokenPlaces | null;
};

/**
 * What `/metrics` tells. What OpenTelemetry's conventions for generative AI name has their name, with the unit that
 * Prometheus wants behind it; what is rotator's own begins with `rotator_`.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #targets: LabelBound;
  readonly #places = new Map<string, Places>();
  #last: { readonly record: RequestRecord; readonly places: Places } | null = null;
  readonly #options: MetricsOptions;

  readonly #requests = this.#counter('rotator_requests_total', 'Requests of clients that are over.', [
    'target',
    'outcome',
  ]);
  readonly #clientRequests = this.#counter('rotator_client_requests_total', 'The same by client key.', [
    'client',
    'outcome',
  ]);
  readonly #clientCost = this.#counter('rotator_client_cost_usd_total', 'US dollars, where a price is known.', [
    'client',
  ]);
  readonly #attempts = this.#counter('rotator_attempts_total', 'Upstream calls; failure is none for one that served.', [
    'target',
    'failure',
  ]);
  readonly #fallbacks = this.#counter('rotator_fallbacks_total', 'Steps from one target to the next.', [
    'from',
    'to',
    'reason',
  ]);
  readonly #tokens = this.#counter('rotator_tokens_total', 'Tokens; cached is a part of input, reasoning of output.', [
    'target',
    'type',
  ]);
  readonly #cost = this.#counter('rotator_cost_usd_total', 'US dollars, where a price is known.', ['target']);
  readonly #queue = this.#histogram('rotator_queue_seconds', 'Waiting for a credential.', ['provider'], SHORT_BUCKETS);
  readonly #overhead = this.#histogram(
    'rotator_overhead_seconds',
    'Time that was rotator’s own until the answer began.',
    [],
    SHORT_BUCKETS,
  );
  readonly #firstChunk = this.#histogram(
    'gen_ai_client_operation_time_to_first_chunk_seconds',
    'From the arrival of a request to the first byte of its streamed answer.',
    GEN_AI,
    DURATION_BUCKETS,
  );
  readonly #duration = this.#histogram(
    'gen_ai_client_operation_duration_seconds',
    'From the arrival of a request to the end of its answer.',
    [...GEN_AI, 'error_type'],
    DURATION_BUCKETS,
  );
  readonly #tokenUsage = this.#histogram(
    'gen_ai_client_token_usage',
    'Tokens of one request.',
    [...GEN_AI, 'gen_ai_token_type'],
    TOKEN_BUCKETS,
  );
  readonly #credentials = this.#gauge('rotator_credentials', 'Credentials by state.', ['provider', 'state']);
  readonly #blocks = this.#gauge('rotator_blocks', 'Blocks in force by kind.', ['provider', 'kind']);
  readonly #inFlight = this.#gauge('rotator_in_flight', 'Upstream calls that run now.', ['provider']);
  readonly #waiting = this.#gauge('rotator_waiting', 'Requests that wait for a credential now.', ['provider']);
  readonly #storeQueue = this.#gauge('rotator_store_queue', 'Rows that wait for the database.', []);
  readonly #memory = this.#gauge('process_resident_memory_bytes', 'Resident memory.', []);
  readonly #cpu = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time, of user and system.',
    registers: [this.#registry],
  });
  readonly #start = this.#gauge('process_start_time_seconds', 'When the server started, since the epoch.', []);

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#targets = new LabelBound(options.isListed);
    this.#gauge('rotator_build_info', 'Always 1.', ['version']).set({ version: options.version }, 1);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  finished(record: RequestRecord): void {
    const places = this.#placesOf(record);
    places.requests.value++;
    places.clientRequests.value++;
    for (const { target, failure } of record.attempts) {
      if (failure === null && target === record.target) {
        places.served ??= this.#attempts.at([places.target, NONE]);
        places.served.value++;
      } else this.#attempts.add([this.#targets.label(target), failure ?? NONE]);
    }
    for (const { from, to, reason } of record.fallbacks)
      this.#fallbacks.add([this.#targets.label(from), this.#targets.label(to), reason]);
    this.#queue.put(places.queue, record.queueMs / 1000);
    this.#overhead.put(places.overhead, record.overheadMs / 1000);
    this.#duration.put(places.duration, record.totalMs / 1000);
    const { target, genAi } = places;
    if (record.firstByteMs !== null) this.#firstChunk.add(genAi, record.firstByteMs / 1000);
    if (record.inputTokens !== null) {
      places.input ??= this.#tokenPlaces(places, 'input');
      places.input.sum.value += record.inputTokens;
      this.#tokenUsage.put(places.input.spread, record.inputTokens);
    }
    if (record.outputTokens !== null) {
      places.output ??= this.#tokenPlaces(places, 'output');
      places.output.sum.value += record.outputTokens;
      this.#tokenUsage.put(places.output.spread, record.outputTokens);
    }
    if (record.cachedTokens !== null) this.#tokens.add([target, 'cached'], record.cachedTokens);
    if (record.reasoningTokens !== null) this.#tokens.add([target, 'reasoning'], record.reasoningTokens);
    if (record.costUsd === null) return;
    this.#cost.add([target], record.costUsd);
    this.#clientCost.add([record.client ?? NONE], record.costUsd);
  }

  #tokenPlaces({ target, genAi }: Places, type: 'input' | 'output'): TokenPlaces {
    return { sum: this.#tokens.at([target, type]), spread: this.#tokenUsage.at([...genAi, type]) };
  }

  /** Most requests are like the one before: all the places it is counted at are known then. */
  #placesOf(record: RequestRecord): Places {
    const last = this.#last;
    if (last && isAlike(record, last.record)) return last.places;
    const places = this.#findPlaces(record);
    this.#last = { record, places };
    return places;
  }

  #findPlaces(record: RequestRecord): Places {
    const name = record.target;
    const target = name === null ? NONE : this.#targets.label(name);
    const outcome = record.failure ?? 'ok';
    const client = record.client ?? NONE;
    const key = `${target}\0${outcome}\0${client}\0${record.operation}`;
    const known = this.#places.get(key);
    if (known) return known;
    const provider = name === null ? NONE : name.slice(0, name.indexOf('/'));
    const model = target === NONE ? NONE : target.slice(target.indexOf('/') + 1);
    const genAi = [record.operation, provider, model];
    const places: Places = {
      target,
      genAi,
      requests: this.#requests.at([target, outcome]),
      clientRequests: this.#clientRequests.at([client, outcome]),
      queue: this.#queue.at([provider]),
      overhead: this.#overhead.at([]),
      duration: this.#duration.at([...genAi, record.failure ?? '']),
      served: null,
      input: null,
      output: null,
    };
    this.#places.set(key, places);
    return places;
  }

  /** The text format of Prometheus. */
  scrape(state: EngineState): Promise<string> {
    for (const gauge of [this.#credentials, this.#blocks, this.#inFlight, this.#waiting]) gauge.reset();
    for (const { count, ...labels } of state.credentials) this.#credentials.set(labels, count);
    for (const { count, ...labels } of state.blocks) this.#blocks.set(labels, count);
    for (const { provider, inFlight, waiting } of state.pools) {
      this.#inFlight.set({ provider }, inFlight);
      this.#waiting.set({ provider }, waiting);
    }
    this.#storeQueue.set(state.storeQueue);
    this.#memory.set(process.memoryUsage.rss());
    const { user, system } = process.cpuUsage();
    this.#cpu.reset();
    this.#cpu.inc((user + system) / 1e6);
    this.#start.set(this.#options.startedAt / 1000);
    return this.#registry.metrics();
  }

  #counter(name: string, help: string, labels: readonly string[]): CounterTally {
    return this.#registered(new CounterTally({ name, help, labels }), name);
  }

  #gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Gauge<Label> {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, labels: readonly string[], bounds: readonly number[]): HistogramTally {
    return this.#registered(new HistogramTally({ name, help, labels }, bounds), name);
  }

  #registered<Tally extends CounterTally | HistogramTally>(tally: Tally, name: string): Tally {
    // The registry asks a metric for its name and for what `get` gives, and for nothing else; the tests read its page.
    this.#registry.registerMetric({ name, get: () => tally.get() } as unknown as Metric);
    return tally;
  }
}

/** Counted at the same places. */
const isAlike = (one: RequestRecord, other: RequestRecord) =>
  one.target === other.target &&
  one.failure === other.failure &&
  one.client === other.client &&
  one.operation === other.operation;
