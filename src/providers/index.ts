import { anthropic } from './anthropic.ts';
import { antigravity } from './antigravity.ts';
import { azure } from './azure.ts';
import { keyOwner, packagedVendors } from './catalog.ts';
import { cerebras } from './cerebras.ts';
import { chutes } from './chutes.ts';
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import { cohere } from './cohere.ts';
import { copilot } from './copilot.ts';
import { deepseek } from './deepseek.ts';
import { g4f } from './g4f.ts';
import { geminiCli } from './gemini-cli.ts';
import { gemini } from './gemini.ts';
import { groq } from './groq.ts';
import { huggingface } from './huggingface.ts';
import { iflow } from './iflow.ts';
import { kimi } from './kimi.ts';
import { lmStudio } from './lm-studio.ts';
import { mistral } from './mistral.ts';
import { moonshot } from './moonshot.ts';
import { nvidia } from './nvidia.ts';
import { ollama } from './ollama.ts';
import { openai } from './openai.ts';
import { openrouter } from './openrouter.ts';
import { normalizeProviderId } from './provider-id.ts';
import type { Provider } from './provider.ts';
import { qwenCode } from './qwen-code.ts';
import { xai } from './xai.ts';

export { ownProvider } from './own-server.ts';
export { normalizeProviderId } from './provider-id.ts';

/** Vendors with an entry of their own, in the order in which a person would look for them. A new one is a file and a line. */
export const ownEntries: readonly Provider[] = [
  openai,
  anthropic,
  azure,
  gemini,
  openrouter,
  groq,
  mistral,
  nvidia,
  chutes,
  deepseek,
  cerebras,
  huggingface,
  moonshot,
  ollama,
  lmStudio,
  qwenCode,
  iflow,
  cohere,
  g4f,
  xai,
  codex,
  geminiCli,
  kimi,
  antigravity,
  claude,
  copilot,
];

const named = (provider: Provider) =>
  [provider.id, ...(provider.names ?? [])].map((name) => [normalizeProviderId(name), provider] as const);

const byName = new Map<string, Provider>(ownEntries.flatMap(named));

/** Every vendor known by name: those with entries of their own, then the long tail by its names. */
export const providers: readonly Provider[] = [...ownEntries, ...packagedVendors((name) => byName.has(name))];

for (const [name, provider] of providers.slice(ownEntries.length).flatMap(named)) {
  if (!byName.has(name)) byName.set(name, provider);
}

/** Every name under which a vendor is known, second names too. */
export const providerNames: readonly string[] = [...byName.keys()];

/** By id or second name, however it is written; undefined for a name nobody here knows. */
export const findProvider = (name: string): Provider | undefined => byName.get(normalizeProviderId(name));

const owners = new Map<string, Provider | undefined>();

/** Is a key in this variable taken for this vendor's where the config names neither it nor another that shares the name? */
export function ownsKeyVariable(provider: Provider, variable: string): boolean {
  if (!owners.has(variable)) owners.set(variable, keyOwner(variable, providers));
  return owners.get(variable) === provider;
}
