import type { ReasoningLevel } from '../protocols/ir.ts';
import type { ReasoningTraits } from '../protocols/reasoning.ts';
import type { ModelFacts } from './model-facts.ts';

/**
 * How much thinking a model takes, and in which terms, by the name of its family: the same model takes the same thing
 * whoever serves it. Which field says so is the wire format's affair.
 */

const NONE = { kind: 'none' } as const;
const UNKNOWN = { kind: 'unknown' } as const;

const levels = (...taken: readonly ReasoningLevel[]): ReasoningTraits => ({
  kind: 'levels',
  levels: taken,
  allowsOff: false,
});
const levelsOrOff = (...taken: readonly ReasoningLevel[]): ReasoningTraits => ({
  kind: 'levels',
  levels: taken,
  allowsOff: true,
});
const adaptive = (alsoBudget: boolean, ...taken: readonly ReasoningLevel[]): ReasoningTraits => ({
  kind: 'adaptive',
  levels: taken,
  alsoBudget,
});
const budget = (
  min: number,
  max: number,
  allows: { readonly zero: boolean; readonly dynamic: boolean },
): ReasoningTraits => ({
  kind: 'budget',
  min,
  max,
  allowsZero: allows.zero,
  allowsDynamic: allows.dynamic,
});

/** The first that fits. A name begins where a vendor's prefix ends; `.` and `-` between digits are the same. */
const FAMILIES: readonly (readonly [name: RegExp, traits: ReasoningTraits])[] = [
  // Google
  [/^gemini-(?:2\.5|3(?:\.\d)?)-.*(?:tts|native-audio|live)/, NONE],
  [/^gemini-2\.5-flash-image/, NONE],
  [/^gemini-2\.5-pro/, budget(128, 32_768, { zero: false, dynamic: true })],
  [/^gemini-(?:2\.5-)?flash-lite/, budget(512, 24_576, { zero: true, dynamic: true })],
  [/^gemini-2\.5-flash/, budget(0, 24_576, { zero: true, dynamic: true })],
  [/^gemini-3-pro/, levels('low', 'high')],
  [/^gemini-3\.\d-pro/, levels('low', 'medium', 'high')],
  [/^gemini-3\.1-flash-(?:lite|image)/, levels('minimal', 'high')],
  [/^gemini-3(?:\.\d)?-flash/, levels('minimal', 'low', 'medium', 'high')],
  [/^gemini-[12]\.\d|^gemma-[123]/, NONE],

  // Anthropic
  [/^claude-(?:[12]\b|instant|3-(?:haiku|sonnet|opus)|3\.5)/, NONE],
  [/^claude-(?:[a-z]+-4\.6|4\.6-[a-z]+)/, adaptive(true, 'low', 'medium', 'high', 'max')],
  [
    /^claude-(?:[a-z]+-(?:4\.[7-9]|[5-9])|(?:4\.[7-9]|[5-9](?:\.\d)?)-[a-z]+)/,
    adaptive(false, 'low', 'medium', 'high', 'xhigh', 'max'),
  ],
  [/^claude-(?:3\.7|[a-z]+-4|4)/, budget(1024, 128_000, { zero: true, dynamic: false })],

  // OpenAI
  [/^gpt-5(?:\.\d)?-chat|^chatgpt-|^gpt-[34]/, NONE],
  [/^gpt-5-pro/, levels('high')],
  [/^gpt-5-codex/, levels('low', 'medium', 'high')],
  [/^gpt-5(?!\.)/, levels('minimal', 'low', 'medium', 'high')],
  [/^gpt-5\.1/, levelsOrOff('low', 'medium', 'high')],
  [/^gpt-5\.[2-9]-pro/, levels('medium', 'high', 'xhigh')],
  [/^gpt-5\.[2-5]/, levelsOrOff('low', 'medium', 'high', 'xhigh')],
  [/^gpt-(?:5\.[6-9]|[6-9])/, levelsOrOff('low', 'medium', 'high', 'xhigh', 'max')],
  [/^gpt-oss/, levels('low', 'medium', 'high')],
  [/^o1-(?:mini|preview)/, NONE],
  [/^o[134](?:-|$)/, levels('low', 'medium', 'high')],

  // xAI
  [/^grok.*non-reasoning/, NONE],
  [/^grok-3-mini/, levels('low', 'high')],
  [/^grok-[123](?!\d)/, NONE],
  [/^grok-4\.[345](?!\d)/, levelsOrOff('low', 'medium', 'high')],
  [/^grok-4\.[6-9](?!\d)/, levelsOrOff('low', 'medium', 'high', 'xhigh')],
  [/^grok-4/, levels('low', 'medium', 'high')],

  // Others. GLM, MiniMax and Qwen know only on and off, each in a field of its own: their vendors' entries say how.
  [/^kimi-k2-(?:instruct|0\d{3})/, NONE],
  [/^kimi-k2/, levelsOrOff('low', 'high')],
  [/^kimi-k3/, levelsOrOff('low', 'high', 'max')],
  [/^deepseek-v4/, levelsOrOff('high', 'max')],
  [/^mistral-(?:small|medium)/, levelsOrOff('high')],
  [/^(?:meta-)?llama-|^command-r|^mi[xs]tral-(?:7b|8x|nemo|large)|^codestral|^pixtral/, NONE],
];

/** `facts`: what is known of the model otherwise; it can say that there is no thinking, and not how much of it. */
export function reasoningTraits(model: string, facts: Pick<ModelFacts, 'reasons'> | null): ReasoningTraits {
  const name = familyName(model);
  const family = FAMILIES.find(([pattern]) => pattern.test(name));
  if (family) return family[1];
  return facts?.reasons === false ? NONE : UNKNOWN;
}

/** `openrouter`'s `anthropic/claude-opus-4.6:free`, Bedrock's `us.anthropic.claude-opus-4-6-v1:0`: `claude-opus-4.6…`. */
function familyName(model: string): string {
  const last = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  return last
    .replace(/^(?:[a-z]+\.)+(?=[a-z]+-)/, '')
    .replace(/:[a-z-]+$/, '')
    .replace(/(?<=[a-z]-\d|^\d)-(?=\d(?:-|:|$|@))/, '.')
    .replace(/^(?:deepseek-ai|moonshotai|openai|google|anthropic)[-_]/, '');
}
