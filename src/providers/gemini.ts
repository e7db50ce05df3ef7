import { compatible } from './compatible.ts';
import { namesDailyQuota, readError } from './error-body.ts';
import { forbidden, rateLimited } from './failure-from.ts';
import { fixToolCalls } from './gemini-tool-calls.ts';
import { isObject } from './json-shape.ts';
import { modelRows, readRows } from './model-list.ts';
import { effortOf } from './reasoning-effort.ts';
import { readWaitHint, untilMidnight } from './wait-hint.ts';

// Level names that a family refuses, and the nearest it takes. `xhigh` and `max` are other vendors' words.
const EFFORTS: readonly (readonly [RegExp, Readonly<Record<string, string>>])[] = [
  [/gemini-3-pro/, { minimal: 'low', medium: 'high', xhigh: 'high', max: 'high' }],
  [/gemini-3\.\d-pro/, { minimal: 'low', xhigh: 'high', max: 'high' }],
  [/./, { xhigh: 'high', max: 'high' }],
];

/** https://ai.google.dev/gemini-api/docs/rate-limits: requests per day are counted anew at midnight Pacific time. */
const MIDNIGHT_IN = 'America/Los_Angeles';

/** Google's OpenAI-compatible endpoint. */
export const gemini = compatible({
  id: 'gemini',
  title: 'Google Gemini',
  baseUrl: 'https://generativelanguage.googleapis.com/v1beta/openai',
  keyEnv: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
  key: 'required',
  tier: 3,
  midnightIn: MIDNIGHT_IN,
  keyUrl: 'https://aistudio.google.com/apikey',
  // Unknown names are answered with 400; so is `n` in a stream.
  bodyRules: (context) => ({
    drop: ['logit_bias', 'seed', 'user', 'store', 'metadata', 'service_tier', ...(context.isStream ? ['n'] : [])],
  }),
  editFields: (index, context) => {
    const effort = effortOf(index);
    if (effort === null) return undefined;
    const extra = index.get('extra_body');
    // The two ways to ask for thinking exclude each other; the one in Google's own words is kept.
    if (isObject(extra) && isObject(extra.google) && extra.google.thinking_config !== undefined) {
      return { remove: ['reasoning_effort'], changes: ['reasoning_effort removed'] };
    }
    const names = EFFORTS.find(([models]) => models.test(context.model))?.[1] ?? {};
    const level = Object.hasOwn(names, effort) ? names[effort] : undefined;
    return level === undefined
      ? undefined
      : { set: { reasoning_effort: level }, changes: [`reasoning_effort ${effort} → ${level}`] };
  },
  replyMarks: ['"tool_calls"'],
  adaptReply: (reply) => fixToolCalls()(reply),
  adaptEvents: fixToolCalls,
  classify: (reply) => {
    const error = readError(reply);
    if (error.status === 400 && /location is not supported/i.test(error.text)) return forbidden(error, 'model');
    if (error.status !== 429) return undefined;
    const isDaily = namesDailyQuota(error);
    // "limit: 0" is a plan without this model, not an allowance that is used up; 0.5 and 10 are limits.
    const isPermanent = /limit:\s*0(?!\d|\.\d)/.test(error.text);
    // The hint beside a daily violation is often only seconds. It is passed on as it is: whoever keeps the block asks
    // again then, and knows from `isQuota` to wait for midnight if that fails.
    const wait = readWaitHint(reply, error) ?? (isDaily ? untilMidnight(reply.now, MIDNIGHT_IN) : null);
    return isDaily || isPermanent ? rateLimited(error, wait, { isPermanent }) : undefined;
  },
  readModels: (page) => ({
    models: readRows(modelRows(page)).map((model) => ({ ...model, id: model.id.replace(/^models\//, '') })),
  }),
});
