import { isObject } from '../shared/json-shape.ts';
import { compatible } from './compatible.ts';
import { endpointsAt } from './endpoints.ts';
import { readError } from './error-body.ts';
import { overloaded, rateLimited } from './failure-from.ts';
import { vendorUrl } from './quota-poll.ts';
import { readWaitHint, untilMidnight } from './wait-hint.ts';

const BASE = 'https://llm.chutes.ai/v1';
const QUOTA_URL = 'https://api.chutes.ai/users/me/quota_usage/me';
const DAY_MS = 24 * 3_600_000;

export const chutes = compatible({
  id: 'chutes',
  title: 'Chutes',
  baseUrl: BASE,
  keyEnv: ['CHUTES_API_KEY'],
  key: 'required',
  endpoints: endpointsAt('completions'),
  tier: 5,
  keyUrl: 'https://chutes.ai/app/api',
  pollQuota: {
    request: ({ baseUrl }) => ({ method: 'GET', url: vendorUrl({ base: BASE, url: QUOTA_URL }, baseUrl) }),
    read: ({ json, now }) => {
      if (!isObject(json) || typeof json.quota !== 'number' || typeof json.used !== 'number') return null;
      // Some models cost a part of a request. An account without a subscription has a quota of 0 and pays as it goes:
      // that is no limit that is used up.
      const limit = json.quota > 0 ? json.quota : null;
      return {
        windows: [
          {
            scope: { kind: 'key' },
            name: 'day',
            unit: 'requests',
            lengthMs: DAY_MS,
            used: json.used,
            limit,
            remaining: limit === null ? null : Math.max(0, Number((limit - json.used).toFixed(6))),
            resetAt: now + untilMidnight(now, 'UTC').ms,
          },
        ],
      };
    },
  },
  classify: (reply) => {
    const error = readError(reply);
    if (error.status !== 429) return undefined;
    const wait = readWaitHint(reply, error);
    // 429 is also how a model without running instances answers, whatever the key.
    if (/no instances|capacity/i.test(error.text)) return overloaded(error, wait);
    // One pool of requests a day for all models of a key, renewed at 00:00 UTC.
    return /quota/i.test(error.text)
      ? rateLimited(error, wait ?? untilMidnight(reply.now, 'UTC'), { window: 'day', scope: 'credential' })
      : undefined;
  },
});
