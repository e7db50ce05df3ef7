import type { Provider } from '../providers/provider.ts';

/** The vendor that `serve --demo` adds. Its base URL is the loopback address its upstream is given at start. */
export const demoProvider: Provider = {
  id: 'demo',
  title: 'Demo (inside this process)',
  protocol: 'openai-chat',
  baseUrl: null,
  keyEnv: [],
  key: 'required',
  isLocal: true,
  isExplicitOnly: true,
  // It takes no part in fallbacks: nobody wants a demo's answer instead of a model's.
  tier: null,
};
