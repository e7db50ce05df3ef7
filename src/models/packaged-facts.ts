import packagedPath from './packaged-models.json' with { type: 'file' };
import { catalogueNames } from './catalogue-names.ts';
import { bareName, type ModelFacts, normalisedNames } from './model-facts.ts';
import type { ModelPrice, Rate } from './model-price.ts';

/** What is known of models without asking anybody: a snapshot that `scripts/generate-models.ts` writes. */
export interface PackagedFacts {
  /** Where the snapshot is from. */
  readonly source: { readonly name: string; readonly version: string };
  find(provider: string, model: string): FoundFacts | null;
}

/** `isExact`: under this very name; else under the name without its date, and then without a price. */
export type FoundFacts = { readonly facts: ModelFacts; readonly isExact: boolean };

/** `[context, max output, marks, input, output, cache read, cache write, steps]`; the script says more. */
type Row = readonly [
  context?: number | null,
  maxOutput?: number | null,
  marks?: string,
  input?: number,
  output?: number,
  cacheRead?: number | null,
  cacheWrite?: number | null,
  steps?: readonly Step[],
];
type Step = readonly [
  above: number,
  input: number,
  output: number,
  cacheRead: number | null,
  cacheWrite: number | null,
];

type Snapshot = {
  readonly source: { readonly name: string; readonly version: string };
  readonly providers: Readonly<Record<string, Readonly<Record<string, Row>>>>;
};

/** Read when it is first needed: a command that asks for no model never opens it. */
export async function loadPackagedFacts(): Promise<PackagedFacts> {
  // `type: 'file'` makes this import the file's place, in the binary too; for the compiler it is the file's content.
  const path = packagedPath as unknown as string;
  const { source, providers }: Snapshot = JSON.parse(await Bun.file(path).text());
  const known = new Map<string, FoundFacts | null>();

  function look(provider: string, model: string): FoundFacts | null {
    const name = catalogueNames(provider).facts;
    const models = Object.hasOwn(providers, name) ? providers[name] : undefined;
    if (!models) return null;
    const bare = bareName(model);
    const own = rowOf(models, bare);
    if (own) return { facts: factsOf(own), isExact: true };
    for (const other of normalisedNames(bare)) {
      const row = rowOf(models, other);
      // A dated edition may cost more or less than the name without the date does today.
      if (row) return { facts: withoutPrice(factsOf(row)), isExact: false };
    }
    return null;
  }

  return {
    source,
    // Asked several times for each request.
    find(provider, model) {
      const key = `${provider}/${model}`;
      const cached = known.get(key);
      if (cached !== undefined) return cached;
      const found = look(provider, model);
      if (known.size < MAX_KNOWN) known.set(key, found);
      return found;
    },
  };
}

/** Clients choose names; a map of them must not grow for ever. */
const MAX_KNOWN = 10_000;

const withoutPrice = ({ price: _, ...facts }: ModelFacts): ModelFacts => facts;

const rowOf = (models: Readonly<Record<string, Row>>, id: string): Row | undefined =>
  Object.hasOwn(models, id) ? models[id] : undefined;

function factsOf(row: Row): ModelFacts {
  const [context, maxOutput, marks = ''] = row;
  const has = (mark: string) => marks.includes(mark);
  const price = priceOf(row);
  return {
    ...(context && { contextLength: context }),
    ...(maxOutput && { maxOutputTokens: maxOutput }),
    inputModalities: has('i') ? ['text', 'image'] : ['text'],
    outputModalities: has('g') ? ['image'] : ['text'],
    takesTools: has('t'),
    reasons: has('r'),
    ...(price && { price }),
  };
}

function priceOf([, , , input, output, cacheRead, cacheWrite, steps = []]: Row): ModelPrice | null {
  if (input === undefined || output === undefined) return null;
  return {
    input: rate(input, steps, 1),
    output: rate(output, steps, 2),
    ...(cacheRead && { cacheRead: rate(cacheRead, steps, 3) }),
    ...(cacheWrite && { cacheWrite: rate(cacheWrite, steps, 4) }),
  };
}

function rate(base: number, steps: readonly Step[], at: 1 | 2 | 3 | 4): Rate {
  if (steps.length === 0) return base;
  return { base, steps: steps.map((step) => ({ above: step[0], usd: step[at] ?? base })) };
}
