/**
 * Counters and histograms that cost a request next to nothing: one look into a map for each. A metrics library looks
 * at label objects again and again, which took a fifth of a request's time; it writes the page, and these give it what
 * to write. Label values come in the order of the names.
 */

/** One metric as the library's registry writes it. */
export type WrittenMetric = {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly {
    readonly value: number;
    readonly labels: Readonly<Record<string, string>>;
    readonly metricName?: string;
  }[];
};

type Described = { readonly name: string; readonly help: string; readonly labels: readonly string[] };

/** What one set of label values has been counted to. */
type Row<Count> = { readonly labels: Readonly<Record<string, string>>; readonly count: Count };

class Rows<Count> {
  readonly #rows = new Map<string, Row<Count>>();
  readonly #names: readonly string[];
  readonly #fresh: () => Count;

  constructor(names: readonly string[], fresh: () => Count) {
    this.#names = names;
    this.#fresh = fresh;
  }

  at(values: readonly string[]): Count {
    const key = values.length === 1 ? (values[0] ?? '') : values.join('\0');
    const known = this.#rows.get(key);
    if (known) return known.count;
    const labels = Object.fromEntries(this.#names.map((name, i) => [name, values[i] ?? '']));
    const row = { labels, count: this.#fresh() };
    this.#rows.set(key, row);
    return row.count;
  }

  all(): Iterable<Row<Count>> {
    return this.#rows.values();
  }
}

export class CounterTally {
  readonly #described: Described;
  readonly #rows: Rows<{ value: number }>;

  constructor(described: Described) {
    this.#described = described;
    this.#rows = new Rows(described.labels, () => ({ value: 0 }));
  }

  add(values: readonly string[], amount = 1): void {
    this.#rows.at(values).value += amount;
  }

  /** The place of one set of label values, for those who count there again and again. */
  at(values: readonly string[]): { value: number } {
    return this.#rows.at(values);
  }

  get(): WrittenMetric {
    const { name, help } = this.#described;
    const values = [...this.#rows.all()].map(({ labels, count }) => ({ labels, value: count.value }));
    return { name, help, type: 'counter', aggregator: 'sum', values };
  }
}

export type Distribution = { readonly perBucket: number[]; sum: number; count: number };

export class HistogramTally {
  readonly #described: Described;
  readonly #bounds: readonly number[];
  readonly #rows: Rows<Distribution>;

  /** `bounds`: upper ends of the buckets, rising; one without end is added. */
  constructor(described: Described, bounds: readonly number[]) {
    this.#described = described;
    this.#bounds = bounds;
    this.#rows = new Rows(described.labels, () => ({ perBucket: bounds.map(() => 0), sum: 0, count: 0 }));
  }

  add(values: readonly string[], measured: number): void {
    this.put(this.#rows.at(values), measured);
  }

  /** The place of one set of label values, for `put`. */
  at(values: readonly string[]): Distribution {
    return this.#rows.at(values);
  }

  put(row: Distribution, measured: number): void {
    row.count++;
    row.sum += measured;
    const bounds = this.#bounds;
    for (let i = 0; i < bounds.length; i++) {
      if (measured > (bounds[i] ?? 0)) continue;
      row.perBucket[i] = (row.perBucket[i] ?? 0) + 1;
      return;
    }
  }

  get(): WrittenMetric {
    const { name, help } = this.#described;
    const values = [...this.#rows.all()].flatMap(({ labels, count: { perBucket, sum, count } }) => {
      let below = 0;
      const buckets = this.#bounds.map((bound, i) => {
        below += perBucket[i] ?? 0;
        return { metricName: `${name}_bucket`, labels: { le: String(bound), ...labels }, value: below };
      });
      return [
        ...buckets,
        { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count },
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }
}
