import type { Provider } from './provider.ts';
import { requestLargerThanMinute } from './request-too-large.ts';

/** The protocol's own author: nothing to adapt. */
export const openai = {
  id: 'openai',
  title: 'OpenAI',
  protocol: 'openai-chat',
  baseUrl: 'https://api.openai.com/v1',
  keyEnv: ['OPENAI_API_KEY'],
  key: 'required',
  tier: 1,
  keyUrl: 'https://platform.openai.com/api-keys',
  classify: requestLargerThanMinute,
} satisfies Provider;
