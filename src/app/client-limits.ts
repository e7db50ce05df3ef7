import type { Config } from '../config/schema.ts';
import type { PastUse } from '../gateway/client-budgets.ts';
import type { ClientLimits } from '../gateway/client-limits.ts';
import type { Log } from '../observe/log.ts';
import { reasonOf } from '../shared/reason-of.ts';
import type { Store } from '../store/database.ts';

/** What the config and the database say of client keys' limits, in the words of those who keep them. */

type WrittenLimits = Exclude<Config['server']['client_keys'], 'none' | null>[number]['limits'];

/** Null where nothing is limited. */
export function clientLimits({ rpm, tpm, rpd, usd_per_day, usd_per_month }: WrittenLimits): ClientLimits | null {
  const limits = {
    requestsPerMinute: rpm,
    tokensPerMinute: tpm,
    requestsPerDay: rpd,
    usdPerDay: usd_per_day,
    usdPerMonth: usd_per_month,
  };
  return Object.values(limits).every((limit) => limit === null) ? null : limits;
}

/** Of the use table; it counts upstream calls by the hour, so this is no less than what the client asked for. */
export function pastUse(store: Pick<Store, 'usage'>, log: Log, client: string, since: number): PastUse {
  try {
    const { rows } = store.usage.totals({ by: 'client', since, timezone: 'UTC' });
    const row = rows.find(({ name }) => name === client);
    return { requests: row?.requests ?? 0, usd: row?.costUsd ?? 0 };
  } catch (error) {
    const reason = reasonOf(error);
    log.error(`what the client key "${client}" has used cannot be read (${reason}): its limits begin anew`);
    return { requests: 0, usd: 0 };
  }
}
