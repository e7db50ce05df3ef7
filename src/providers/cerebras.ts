import { compatible } from './compatible.ts';
import { endpointsAt } from './endpoints.ts';
import { OPENAI_ONLY, withoutThoughts } from './openai-only.ts';

export const cerebras = compatible(
  {
    id: 'cerebras',
    title: 'Cerebras',
    baseUrl: 'https://api.cerebras.ai/v1',
    keyEnv: ['CEREBRAS_API_KEY'],
    key: 'required',
    endpoints: endpointsAt('completions'),
    tier: 2,
    keyUrl: 'https://cloud.cerebras.ai',
    rateHeaders: {
      requestsPerMinute: 'x-ratelimit-*-requests-minute',
      tokensPerMinute: 'x-ratelimit-*-tokens-minute',
      requestsPerDay: 'x-ratelimit-*-requests-day',
      tokensPerDay: 'x-ratelimit-*-tokens-day',
    },
    // Each of these is answered with 400.
    bodyRules: {
      drop: [
        'frequency_penalty',
        'presence_penalty',
        'logit_bias',
        'logprobs',
        'top_logprobs',
        'parallel_tool_calls',
        'service_tier',
        ...OPENAI_ONLY,
      ],
    },
  },
  [withoutThoughts],
);
