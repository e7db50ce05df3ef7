import type { AccountFacts } from './account-hooks.ts';

/**
 * How a vendor is asked what is left of a credential's quota, and how its answer is read. Pure: who sends the request
 * adds the credential's authorization, and its own User-Agent.
 */
export type QuotaPoll = {
  request(context: QuotaContext): QuotaRequest;
  /** Null: not an answer to the question. */
  read(answer: QuotaAnswer): QuotaReading | null;
};

export type QuotaContext = {
  /** Where the provider's calls go: the vendor's own, or what the config puts in its place. Without a trailing slash. */
  readonly baseUrl: string;
  /** Null for a key. */
  readonly account: AccountFacts | null;
};

export type QuotaRequest = {
  /** Absolute. */
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  /** Of a POST. */
  readonly body?: Readonly<Record<string, unknown>>;
};

export type QuotaAnswer = {
  readonly json: unknown;
  readonly headers: Headers;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** All windows that the vendor knows. One with nothing remaining blocks its scope until its reset; all others free it. */
export type QuotaReading = { readonly windows: readonly QuotaWindow[] };

export type QuotaWindow = {
  /** What draws on it: everything the credential calls, one of the provider's `quotaGroups`, or one upstream model. */
  readonly scope: { readonly kind: 'key' } | { readonly kind: 'group' | 'model'; readonly name: string };
  /** In a word: `day`, `5h`, `week`. */
  readonly name: string;
  /** What is counted; `percent` where the vendor only tells shares: then the limit is 100. */
  readonly unit: 'requests' | 'tokens' | 'credits' | 'percent';
  /** Milliseconds; null: not known. */
  readonly lengthMs: number | null;
  readonly used: number | null;
  readonly limit: number | null;
  readonly remaining: number | null;
  /** Milliseconds since the epoch; null: not known. */
  readonly resetAt: number | null;
};

/**
 * An address of the vendor's that is not under its base URL. Where the config puts another server in the vendor's place
 * the question goes there too: a key is only shown to whom it is configured for.
 */
export function vendorUrl(own: { readonly base: string; readonly url: string }, baseUrl: string): string {
  if (baseUrl === own.base) return own.url;
  const { pathname, search } = new URL(own.url);
  return new URL(pathname + search, baseUrl).href;
}
