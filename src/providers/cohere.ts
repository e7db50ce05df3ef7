import { isObject, objectsIn } from '../shared/json-shape.ts';
import { COHERE_FIELDS, COHERE_NAMES, editForCohere, readCohereReply, rewriteCohereStream } from './cohere-chat.ts';
import { cohereEmbeddings } from './cohere-embeddings.ts';
import { compatible } from './compatible.ts';
import { readError } from './error-body.ts';
import { rateLimited } from './failure-from.ts';
import { readRows } from './model-list.ts';
import { readWaitHint } from './wait-hint.ts';

// Below the compatibility layer's address, under which other things may be asked for; chat and models are Cohere's own,
// which stand beside it on the same host.
const CHAT = '/../../v2/chat';
const MODELS = '/../../v1/models?page_size=1000&endpoint=chat';

export const cohere = compatible({
  id: 'cohere',
  title: 'Cohere',
  baseUrl: 'https://api.cohere.ai/compatibility/v1',
  keyEnv: ['COHERE_API_KEY', 'CO_API_KEY'],
  key: 'required',
  tier: 3,
  keyUrl: 'https://dashboard.cohere.com/api-keys',
  paths: { 'openai-chat': CHAT, models: MODELS },
  // The last event has the usage, unasked.
  streamUsage: false,
  bodyRules: { rename: COHERE_NAMES, allow: COHERE_FIELDS },
  editFields: editForCohere,
  replyMarks: ['"finish_reason"'],
  adaptReply: readCohereReply,
  rewriteStream: (context) => (context.protocol === 'openai-chat' ? rewriteCohereStream(context) : undefined),
  // On a trial key's successes; its refusals carry none.
  rateHeaders: { requestsPerMinute: 'x-trial-endpoint-call-*' },
  embeddings: cohereEmbeddings,
  endpoints: { rerank: '/../../v2/rerank' },
  classify: (reply) => {
    const error = readError(reply);
    // "You are using a Trial key, which is limited to 1000 API calls / month": the whole key, for the rest of the month.
    const isMonthly = error.status === 429 && /trial key/i.test(error.text) && /month/i.test(error.text);
    return isMonthly
      ? rateLimited(error, readWaitHint(reply, error), { isQuota: true, scope: 'credential' })
      : undefined;
  },
  readModels: (page) => {
    const rows = isObject(page) ? objectsIn(page.models) : [];
    const token = isObject(page) && typeof page.next_page_token === 'string' ? page.next_page_token : '';
    return {
      models: readRows(rows),
      ...(token !== '' && { next: `${MODELS}&page_token=${encodeURIComponent(token)}` }),
    };
  },
});
