import type { ChatRequest, Usage } from '../../src/protocols/ir.ts';

/** A request that says nothing but `hi`. */
export const plainRequest: ChatRequest = {
  model: 'm',
  isStream: false,
  wantsUsage: true,
  instructions: [],
  turns: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  toolChoice: null,
  allowsParallelCalls: null,
  output: null,
  reasoning: null,
  maxOutputTokens: null,
  stop: [],
  temperature: null,
  topP: null,
  topK: null,
  seed: null,
  presencePenalty: null,
  frequencyPenalty: null,
  choices: 1,
  logprobs: null,
  modalities: [],
  verbosity: null,
  user: null,
  cacheKey: null,
  serviceTier: null,
  metadata: null,
  foreign: null,
};

/** What most protocols can tell: a part of the input came from a cache, a part of the output is thoughts. */
export const plainUsage: Usage = {
  inputTokens: 10,
  outputTokens: 5,
  cachedTokens: 4,
  cacheWriteTokens: null,
  reasoningTokens: 2,
  audioInputTokens: null,
  audioOutputTokens: null,
  costUsd: null,
};
