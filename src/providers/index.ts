import { anthropic } from './anthropic.ts';
import { cerebras } from './cerebras.ts';
import { chutes } from './chutes.ts';
import { cohere } from './cohere.ts';
import { deepseek } from './deepseek.ts';
import { gemini } from './gemini.ts';
import { groq } from './groq.ts';
import { huggingface } from './huggingface.ts';
import { iflow } from './iflow.ts';
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

export { ownProvider } from './own-server.ts';
export { normalizeProviderId } from './provider-id.ts';

/** Every vendor known by name, in the order in which a person would look for them. A new vendor is a file and a line. */
export const providers: readonly Provider[] = [
  openai,
  anthropic,
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
];

const byName = new Map<string, Provider>(
  providers.flatMap((provider) => [provider.id, ...(provider.names ?? [])].map((name) => [name, provider] as const)),
);

/** Every name under which a vendor is known, second names too. */
export const providerNames: readonly string[] = [...byName.keys()];

/** By id or second name, however it is written; undefined for a name nobody here knows. */
export const findProvider = (name: string): Provider | undefined => byName.get(normalizeProviderId(name));
