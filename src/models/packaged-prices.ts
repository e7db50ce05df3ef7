import type { MatchLogic, ModelPrice as PackagedRates, TieredPrices } from '@pydantic/genai-prices';
import { catalogueNames } from './catalogue-names.ts';
import { bareName } from './model-facts.ts';
import { isTokenPrice, type ModelPrice, type Rate, type RateName } from './model-price.ts';

/**
 * The prices that ship with the program. The package finds a model by patterns that also fit names which its authors
 * did not think of; here a name counts only when it is theirs, or theirs with a date, a version or a place.
 */
export interface PackagedPrices {
  /** `at`: milliseconds since the epoch; some prices begin on a day or hold for hours. */
  find(provider: string, model: string, at: number): PackagedPrice | null;
}

export type PackagedPrice = {
  readonly price: ModelPrice;
  /** `exact`: the very name. `normalised`: the name without its date, version or place. */
  readonly match: 'exact' | 'normalised';
};

/** Loading takes some milliseconds and is done once, by the first who asks. */
export async function loadPackagedPrices(): Promise<PackagedPrices> {
  const { calcPrice, findProvider } = await import('@pydantic/genai-prices');
  // Most prices do not change with the time; those are looked up once.
  const known = new Map<string, PackagedPrice | null>();

  function look(provider: string, model: string, at: number): { found: PackagedPrice | null; isSteady: boolean } {
    const unknown = { found: null, isSteady: true };
    // The package would also take a provider whose name merely contains one it knows.
    if (findProvider({ providerId: provider })?.id !== provider) return unknown;
    try {
      const result = calcPrice({ input_tokens: 0 }, model, { providerId: provider, timestamp: new Date(at) });
      const match = result && matchOf(result.model.id, result.model.match, model);
      if (!match) return unknown;
      const price = fromPackage(result.model_price);
      const isSteady = !Array.isArray(result.model.prices);
      return { found: isTokenPrice(price) ? { price, match } : null, isSteady };
    } catch {
      // It throws for data that it does not understand itself.
      return unknown;
    }
  }

  return {
    find(provider, model, at) {
      const name = catalogueNames(provider).prices;
      if (name === null) return null;
      const asked = bareName(model).toLowerCase();
      const key = `${name}/${asked}`;
      const cached = known.get(key);
      if (cached !== undefined) return cached;
      const { found, isSteady } = look(name, asked, at);
      if (isSteady && known.size < MAX_KNOWN) known.set(key, found);
      return found;
    },
  };
}

/** Clients choose names; a map of them must not grow for ever. */
const MAX_KNOWN = 10_000;

const PRICE_KEYS: Readonly<Record<RateName, string>> = {
  input: 'input_mtok',
  output: 'output_mtok',
  cacheRead: 'cache_read_mtok',
  cacheWrite: 'cache_write_mtok',
  cacheWrite1h: 'cache_write_1h_mtok',
  reasoning: 'output_reasoning_mtok',
  audioInput: 'input_audio_mtok',
  audioOutput: 'output_audio_mtok',
  audioCacheRead: 'cache_audio_read_mtok',
};

function fromPackage(rates: PackagedRates): ModelPrice {
  const price = Object.fromEntries(
    Object.entries(PRICE_KEYS).flatMap(([name, key]) => {
      const rate = rates[key];
      return rate === undefined ? [] : [[name, rateOf(rate)]];
    }),
  );
  const { requests_kcount: perThousand } = rates;
  return { ...price, ...(typeof perThousand === 'number' && { perRequest: perThousand / 1000 }) };
}

function rateOf(rate: number | TieredPrices): Rate {
  if (typeof rate === 'number') return rate;
  const steps = rate.tiers.map(({ start, price }) => ({ above: start, usd: price }));
  return { base: rate.base, steps: steps.sort((a, b) => a.above - b.above) };
}

/** How a name fits the package's rule; null: it fits the rule, and is another model's name all the same. */
export function matchOf(id: string, rule: MatchLogic, name: string): PackagedPrice['match'] | null {
  const texts = textsOf(rule).map((text) => text.toLowerCase());
  if (id.toLowerCase() === name || equalsOf(rule).some((text) => text.toLowerCase() === name)) return 'exact';
  return [id.toLowerCase(), ...texts].some((text) => isSameBut(text, name)) ? 'normalised' : null;
}

/** `vendor/`, `us.anthropic.` and `models/` before a name say where it is served. */
const PLACE = /^(?:[a-z0-9-]+[./])*$/;
/** A date, a build, a channel. A single number would be another version: `-5` after `claude-opus-5`. */
const EDITION =
  /^(?:[-@:](?:20\d{6}|20\d\d-\d\d-\d\d|\d\d-20\d\d|(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])|\d{3,4}|v\d(?::\d)?|latest|preview|exp|experimental|default))*$/;

function isSameBut(text: string, name: string): boolean {
  const start = name.indexOf(text);
  if (start < 0 || text === '') return false;
  // The rule may end in the sign that begins the date.
  const end = start + text.replace(/[-@:]$/, '').length;
  return PLACE.test(name.slice(0, start)) && EDITION.test(name.slice(end));
}

function textsOf(rule: MatchLogic): readonly string[] {
  if ('or' in rule) return rule.or.flatMap(textsOf);
  if ('and' in rule) return rule.and.flatMap(textsOf);
  if ('equals' in rule) return [rule.equals];
  if ('starts_with' in rule) return [rule.starts_with];
  if ('ends_with' in rule) return [rule.ends_with];
  return 'contains' in rule ? [rule.contains] : [];
}

function equalsOf(rule: MatchLogic): readonly string[] {
  if ('or' in rule) return rule.or.flatMap(equalsOf);
  return 'equals' in rule ? [rule.equals] : [];
}
