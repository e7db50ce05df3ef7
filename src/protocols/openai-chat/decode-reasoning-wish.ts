import { isObject, numberOr, textOr } from '../../shared/json-shape.ts';
import type { JsonRecord, ReasoningWish } from '../ir.ts';
import { LEVELS } from '../reasoning.ts';

type Amount = NonNullable<ReasoningWish['amount']>;

/** Fields that are read here whole. */
export const REASONING_FIELDS: readonly string[] = ['reasoning_effort', 'reasoning', 'thinking', 'include_reasoning'];

/**
 * How much to think, in the ways that clients say it: OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, Anthropic's
 * `thinking`, and Google's `extra_body.google.thinking_config`.
 */
export function decodeReasoningWish(body: JsonRecord): ReasoningWish | null {
  const reasoning = isObject(body.reasoning) ? body.reasoning : {};
  const thinking = isObject(body.thinking) ? body.thinking : {};
  const google = googleThinking(body.extra_body) ?? {};
  const amount =
    effort(body.reasoning_effort) ??
    effort(reasoning.effort) ??
    budget(reasoning.max_tokens) ??
    enabled(reasoning.enabled) ??
    thinkingAmount(thinking) ??
    effort(google.thinking_level) ??
    budget(google.thinking_budget);
  const isShown = firstBoolean(negated(reasoning.exclude), body.include_reasoning, google.include_thoughts);
  return amount === null && isShown === null ? null : { amount, isShown };
}

/** `google.thinking_config` of an `extra_body`. */
export function googleThinking(extraBody: unknown): JsonRecord | null {
  const google = isObject(extraBody) ? extraBody.google : null;
  const config = isObject(google) ? google.thinking_config : null;
  return isObject(config) ? config : null;
}

function effort(value: unknown): Amount | null {
  if (typeof value === 'number') return budget(value);
  const word = textOr(value)?.trim().toLowerCase() ?? '';
  if (/^-?\d+$/.test(word)) return budget(Number(word));
  const level = LEVELS.find((one) => one === word);
  if (level) return { kind: 'level', level };
  switch (word) {
    case 'none':
    case 'off':
    case 'disable':
    case 'disabled':
      return { kind: 'off' };
    case 'auto':
    case 'dynamic':
    case 'adaptive':
      return { kind: 'dynamic' };
    default:
      return null;
  }
}

function budget(value: unknown): Amount | null {
  const tokens = numberOr(value);
  if (tokens === null) return null;
  if (tokens < 0) return { kind: 'dynamic' };
  return tokens < 1 ? { kind: 'off' } : { kind: 'budget', tokens: Math.trunc(tokens) };
}

function enabled(value: unknown): Amount | null {
  if (typeof value !== 'boolean') return null;
  return value ? { kind: 'dynamic' } : { kind: 'off' };
}

function thinkingAmount(thinking: JsonRecord): Amount | null {
  switch (thinking.type) {
    case 'disabled':
      return { kind: 'off' };
    case 'enabled':
    case 'adaptive':
    case 'auto':
      return budget(thinking.budget_tokens) ?? effort(thinking.effort) ?? { kind: 'dynamic' };
    default:
      return null;
  }
}

const negated = (value: unknown): unknown => (typeof value === 'boolean' ? !value : null);

const firstBoolean = (...values: readonly unknown[]): boolean | null =>
  values.find((value) => typeof value === 'boolean') ?? null;
