import parse from 'parse-prometheus-text-format';

export type Sample = { readonly value: number } & { readonly [label: string]: string | number };

/** What Prometheus would read of a page, through a parser that is not ours. */
export class Page {
  readonly #families: ReadonlyMap<string, ReturnType<typeof parse>[number]>;
  readonly #samples: ReadonlyMap<string, readonly Sample[]>;

  constructor(text: string) {
    this.#families = new Map(parse(text).map((family) => [family.name, family]));
    // The parser takes all series of a histogram for one; without its type each line is a sample with its labels.
    const plain = parse(text.replace(/^# TYPE \S+ histogram$/gm, ''));
    const samples = Map.groupBy(
      plain.flatMap(({ name, metrics }) => metrics.map((metric) => ({ name, metric }))),
      ({ name }) => name,
    );
    this.#samples = new Map(
      [...samples].map(([name, found]) => [
        name,
        found.map(({ metric }): Sample => ({ ...metric.labels, value: Number(metric.value) })),
      ]),
    );
  }

  typeOf(name: string): string | undefined {
    return this.#families.get(name)?.type;
  }

  /** `name` as it stands on the line: a histogram's ends in `_bucket`, `_sum` or `_count`. */
  samples(name: string): readonly Sample[] {
    return this.#samples.get(name) ?? [];
  }
}
