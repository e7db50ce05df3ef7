import { countOr, isObject, objectsIn } from '../shared/json-shape.ts';
import { geminiEmbeddings } from './embeddings.ts';
import { namesDailyQuota, readError } from './error-body.ts';
import { forbidden, rateLimited } from './failure-from.ts';
import { readRows } from './model-list.ts';
import type { Provider } from './provider.ts';
import { readWaitHint, untilMidnight } from './wait-hint.ts';

/** https://ai.google.dev/gemini-api/docs/rate-limits: requests per day are counted anew at midnight Pacific time. */
const MIDNIGHT_IN = 'America/Los_Angeles';
const PAGE = '/models?pageSize=1000';

/** Google's own protocol, with keys of AI Studio. */
export const gemini = {
  id: 'gemini',
  names: ['google'],
  title: 'Google Gemini',
  protocol: 'gemini',
  baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
  keyEnv: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
  key: 'required',
  tier: 3,
  midnightIn: MIDNIGHT_IN,
  keyUrl: 'https://aistudio.google.com/apikey',
  paths: { models: PAGE },
  // In a query it would stand in the logs of everything on the way.
  authorize: (headers, key) => headers.set('x-goog-api-key', key.reveal()),
  counting: {
    path: '/models/{model}:countTokens',
    body: (request, model) => ({ generateContentRequest: { ...request, model: `models/${model}` } }),
    read: (reply) => countOr(reply.totalTokens),
  },
  embeddings: geminiEmbeddings,
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
  readModels: (page) => {
    const body = isObject(page) ? page : {};
    const models = readRows(objectsIn(body.models)).map((model) => ({
      ...model,
      id: model.id.replace(/^models\//, ''),
    }));
    const token = body.nextPageToken;
    return {
      models,
      ...(typeof token === 'string' && token !== '' && { next: `${PAGE}&pageToken=${encodeURIComponent(token)}` }),
    };
  },
} satisfies Provider;
