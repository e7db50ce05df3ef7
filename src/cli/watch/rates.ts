import type { StatusReport } from '../../gateway/operations.ts';

/** What was counted until a moment, in milliseconds since the epoch. */
export type Sample = { readonly at: number; readonly requests: ReadonlyMap<string, number>; readonly total: number };

const WINDOW_MS = 60_000;
/** From less nothing can be said of a minute. */
const LEAST_MS = 5_000;

export function sampleOf(report: StatusReport, at: number): Sample {
  const requests = new Map(report.providers.map(({ id, today }) => [id, today.requests]));
  return { at, requests, total: report.today.requests };
}

/** With the new sample, and the oldest one that a minute needs. A count that went down has begun anew: the day, or the server. */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last && sample.total < last.total) return [sample];
  const oldest = samples.findLastIndex(({ at }) => at <= sample.at - WINDOW_MS);
  return [...samples.slice(Math.max(0, oldest)), sample];
}

/** Requests per minute; null: it was not watched long enough. `provider` null: of all. */
export function perMinute(samples: readonly Sample[], provider: string | null): number | null {
  const [first] = samples;
  const last = samples.at(-1);
  if (!first || !last || last.at - first.at < LEAST_MS) return null;
  const count = (sample: Sample) => (provider === null ? sample.total : (sample.requests.get(provider) ?? 0));
  return Math.max(0, ((count(last) - count(first)) / (last.at - first.at)) * WINDOW_MS);
}
