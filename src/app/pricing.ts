import type { Config } from '../config/schema.ts';
import type { PriceOverride } from '../models/catalogue.ts';
import type { ModelPrice, RateName } from '../models/model-price.ts';
import type { Provider } from '../providers/provider.ts';
import { namePattern } from '../shared/wildcard.ts';

/** What the config says of prices, in the words of the catalogue. */

type WrittenPrice = Config['pricing']['overrides'][string];

const RATES = {
  input: 'input',
  output: 'output',
  cache_read: 'cacheRead',
  cache_write: 'cacheWrite',
  reasoning: 'reasoning',
  audio_input: 'audioInput',
  audio_output: 'audioOutput',
} as const satisfies Readonly<Record<keyof WrittenPrice, RateName>>;

export function priceOverrides(written: Config['pricing']['overrides']): readonly PriceOverride[] {
  return Object.entries(written).map(([pattern, price]) => ({ pattern: namePattern(pattern), price: priceOf(price) }));
}

function priceOf(written: WrittenPrice): ModelPrice {
  return Object.fromEntries(
    Object.entries(RATES).flatMap(([field, name]) => {
      // The keys of `RATES` are the fields of a price.
      const usd = written[field as keyof WrittenPrice];
      return usd === null ? [] : [[name, usd]];
    }),
  );
}

/** Somebody who sends bills: no server of the user's own, on this machine or elsewhere, and no demo. */
export const isVendor = (provider: Provider | undefined): boolean =>
  provider !== undefined && !provider.isLocal && !provider.isExplicitOnly;
