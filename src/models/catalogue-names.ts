/**
 * What the sources of packaged and public data call a provider, where it is not its id here with `-` for `_`. Only
 * these names are looked up: a guess by the look of a name would charge somebody else's price.
 */

export type CatalogueName = {
  /** In the price package. Null: its requests are not paid by the token, or nobody has their prices. */
  readonly prices?: string | null;
  /** In the packaged model facts. */
  readonly facts?: string;
  /** In models.dev. */
  readonly modelsDev?: string;
};

const NAMES: Readonly<Record<string, CatalogueName>> = {
  gemini: { prices: 'google', facts: 'google', modelsDev: 'google' },
  vertex: { prices: 'google', facts: 'google-vertex', modelsDev: 'google-vertex' },
  'google-vertex': { prices: 'google' },
  moonshot: { prices: 'moonshotai', facts: 'moonshotai', modelsDev: 'moonshotai' },
  xai: { prices: 'x-ai' },
  together: { modelsDev: 'togetherai' },
  togetherai: { prices: 'together', facts: 'together' },
  fireworks: { modelsDev: 'fireworks-ai' },
  'fireworks-ai': { prices: 'fireworks', facts: 'fireworks' },
  bedrock: { prices: 'aws', facts: 'amazon-bedrock', modelsDev: 'amazon-bedrock' },
  'amazon-bedrock': { prices: 'aws' },
  'cloudflare-workers-ai': { prices: 'cloudflare' },
  voyage: { prices: 'voyageai' },
  'novita-ai': { prices: 'novita' },
  zhipuai: { facts: 'zai' },
  vercel: { facts: 'vercel-ai-gateway' },
  // Accounts with a subscription: their models are known, and no token of theirs has a price.
  'gemini-cli': { prices: null, facts: 'google', modelsDev: 'google' },
  antigravity: { prices: null, facts: 'google', modelsDev: 'google' },
  codex: { prices: null, facts: 'openai-codex', modelsDev: 'openai' },
  copilot: { prices: null, facts: 'github-copilot', modelsDev: 'github-copilot' },
  'github-copilot': { prices: null },
  'openai-codex': { prices: null, modelsDev: 'openai' },
  'kimi-coding': { prices: null },
  kimi: { prices: null, facts: 'kimi-coding' },
  claude: { prices: null, facts: 'anthropic', modelsDev: 'anthropic' },
  'qwen-code': { prices: null },
  iflow: { prices: null, modelsDev: 'iflowcn' },
};

export function catalogueNames(provider: string): {
  readonly prices: string | null;
  readonly facts: string;
  readonly modelsDev: string;
} {
  const id = provider.toLowerCase().replaceAll('_', '-');
  const named = Object.hasOwn(NAMES, id) ? NAMES[id] : undefined;
  return {
    prices: named?.prices === undefined ? id : named.prices,
    facts: named?.facts ?? id,
    modelsDev: named?.modelsDev ?? id,
  };
}
