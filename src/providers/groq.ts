import { isObject } from '../shared/json-shape.ts';
import { compatible } from './compatible.ts';
import { endpointsAt } from './endpoints.ts';
import { OPENAI_ONLY, withoutThoughts } from './openai-only.ts';
import type { JsonObject } from './provider.ts';
import { requestLargerThanMinute } from './request-too-large.ts';

/** Groq also reports usage inside `x_groq`; in streams at times only there. */
function liftUsage(body: JsonObject): boolean {
  if (isObject(body.usage) || !isObject(body.x_groq) || !isObject(body.x_groq.usage)) return false;
  body.usage = body.x_groq.usage;
  return true;
}

export const groq = compatible(
  {
    id: 'groq',
    title: 'Groq',
    baseUrl: 'https://api.groq.com/openai/v1',
    keyEnv: ['GROQ_API_KEY'],
    key: 'required',
    endpoints: endpointsAt('speech', 'transcriptions', 'translations'),
    tier: 2,
    keyUrl: 'https://console.groq.com/keys',
    // Each of these is answered with 400; `n` is only accepted as 1, which is the default.
    bodyRules: { drop: ['logprobs', 'logit_bias', 'top_logprobs', 'n', ...OPENAI_ONLY] },
    replyMarks: ['"x_groq"'],
    adaptReply: liftUsage,
    adaptEvents: () => liftUsage,
    // Requests are counted per day here, tokens per minute.
    rateHeaders: { requestsPerDay: 'x-ratelimit-*-requests', tokensPerMinute: 'x-ratelimit-*-tokens' },
    classify: requestLargerThanMinute,
  },
  [
    withoutThoughts,
    {
      marks: ['"name"'],
      apply: (message) => {
        if (!Object.hasOwn(message, 'name')) return undefined;
        delete message.name;
        return 'messages[].name removed';
      },
    },
  ],
);
