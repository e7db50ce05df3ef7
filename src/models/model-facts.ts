import type { ModelPrice } from './model-price.ts';

/** What is known of a model. A field that is absent is not known; `false` is a statement. */
export type ModelFacts = {
  /** Tokens of prompt and answer together. */
  readonly contextLength?: number;
  readonly maxOutputTokens?: number;
  /** `text`, `image`, `audio`, `video`, `file`. */
  readonly inputModalities?: readonly string[];
  readonly outputModalities?: readonly string[];
  readonly takesTools?: boolean;
  readonly reasons?: boolean;
  readonly hasStructuredOutput?: boolean;
  readonly takesTemperature?: boolean;
  /** Request fields the provider names. */
  readonly parameters?: readonly string[];
  readonly price?: ModelPrice;
  readonly description?: string;
  readonly family?: string;
  readonly tokenizer?: string;
  readonly knowledgeCutoff?: string;
  readonly releaseDate?: string;
  readonly hasOpenWeights?: boolean;
  /** `alpha`, `beta`, `deprecated`; absent: in service. */
  readonly status?: string;
  readonly huggingFaceId?: string;
};

/**
 * Who says so. `provider`: its own model list. `public`: a public catalogue, read at run time. `packaged`: what ships
 * with the program; `packaged-normalised`: the same, found under the name without its date or version.
 */
export type FactsSource = 'provider' | 'public' | 'packaged' | 'packaged-normalised';

export type SourcedFacts = ModelFacts & {
  /** Of the first who knew anything. */
  readonly source: FactsSource;
  /** All who contributed, the first wins. */
  readonly sources: readonly FactsSource[];
};

export type FactsLayer = { readonly source: FactsSource; readonly facts: ModelFacts | null };

/** Field by field, the first layer that knows it; null when no layer knows anything. */
export function mergedFacts(layers: readonly FactsLayer[]): SourcedFacts | null {
  const known = layers.flatMap(({ source, facts }) =>
    facts !== null && Object.keys(facts).length > 0 ? [{ source, facts }] : [],
  );
  const [first] = known;
  if (!first) return null;
  const facts: ModelFacts = Object.assign({}, ...known.map((layer) => layer.facts).reverse());
  return { ...facts, source: first.source, sources: [...new Set(known.map(({ source }) => source))] };
}

/** Names under which a model may be listed: itself, then without date or version, in both ways to write a point. */
export function normalisedNames(model: string): readonly string[] {
  const bare = withoutEdition(model);
  const names = [bare, bare.replace(/(?<=\d)-(?=\d{1,2}(?:$|-))/g, '.'), bare.replace(/(?<=\d)\.(?=\d)/g, '-')];
  return [...new Set(names)].filter((name) => name !== model && name !== '');
}

/** `models/` is Google's way to write a name, and says nothing. */
export const bareName = (model: string) => model.trim().replace(/^models\//, '');

function withoutEdition(model: string): string {
  return bareName(model)
    .toLowerCase()
    .replace(/[-@](?:20\d{6}|20\d\d-\d\d-\d\d)$/, '')
    .replace(/-latest$/, '');
}
