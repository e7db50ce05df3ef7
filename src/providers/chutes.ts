import { compatible } from './compatible.ts';
import { readError } from './error-body.ts';
import { overloaded, rateLimited } from './failure-from.ts';
import { readWaitHint, untilMidnight } from './wait-hint.ts';

export const chutes = compatible({
  id: 'chutes',
  title: 'Chutes',
  baseUrl: 'https://llm.chutes.ai/v1',
  keyEnv: ['CHUTES_API_KEY'],
  key: 'required',
  tier: 5,
  keyUrl: 'https://chutes.ai/app/api',
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
