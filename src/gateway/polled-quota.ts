import type { PolledQuota } from '../pool/polled-quota.ts';
import type { QuotaReading } from '../providers/quota-poll.ts';

/** What a provider tells of a quota, in the pool's words. `askedAt`: what happened since then it does not know. */
export function polledQuota(told: { readonly askedAt: number; readonly reading: QuotaReading }): PolledQuota {
  return {
    askedAt: told.askedAt,
    windows: told.reading.windows.map(({ scope, ...window }) => ({
      ...window,
      scope: scope.kind === 'key' ? 'key' : `${scope.kind}:${scope.name}`,
    })),
  };
}
