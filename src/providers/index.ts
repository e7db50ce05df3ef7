import type { ProtocolId } from '../protocols/codec.ts';
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
import { ownServer } from './own-server.ts';
import type { Provider } from './provider.ts';
import { qwenCode } from './qwen-code.ts';

/** Every vendor known by name, in the order in which a person would look for them. A new vendor is a file and a line. */
export const providers: readonly Provider[] = [
  openai,
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
  gemini,
];

const byName = new Map<string, Provider>(
  providers.flatMap((provider) => [provider.id, ...(provider.names ?? [])].map((name) => [name, provider] as const)),
);

/** Lower case, `-` as `_`: how ids and second names are compared. */
export const normalizeProviderId = (name: string): string => name.trim().toLowerCase().replaceAll('-', '_');

/** By id or second name, however it is written; undefined for a name nobody here knows. */
export const findProvider = (name: string): Provider | undefined => byName.get(normalizeProviderId(name));

/** A server of the user's own, which speaks `protocol`; `id` as the user writes it. */
export const ownProvider = (id: string, protocol: ProtocolId): Provider => ownServer(id, protocol);
