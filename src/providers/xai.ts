import { compatible } from './compatible.ts';

/** xAI by key, and with accounts of Grok; it serves the latter to the clients on its list. */
export const xai = compatible({
  id: 'xai',
  names: ['x_ai'],
  title: 'xAI (Grok)',
  baseUrl: 'https://api.x.ai/v1',
  keyEnv: ['XAI_API_KEY'],
  key: 'required',
  tier: null,
  keyUrl: 'https://console.x.ai',
  accounts: {},
});
