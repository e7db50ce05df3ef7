import { countOr, isObject } from '../../shared/json-shape.ts';
import type { JsonRecord, ReasoningLevel, ReasoningWish } from '../ir.ts';
import { LEVELS } from '../reasoning.ts';

type ThinkingRead = {
  readonly reasoning: ReasoningWish | null;
  /** What the wish cannot say, for the way home: an effort without thinking, a budget beside an effort. */
  readonly foreign: { readonly thinking?: JsonRecord; readonly output_config?: JsonRecord };
};

/**
 * `thinking` says whether and within which bounds a model thinks, `output_config.effort` how hard it tries at all. The
 * neutral wish is one of them; where both are said and differ, the effort counts for other protocols, unless thinking is
 * off.
 */
export function readThinking(thinking: unknown, effort: unknown): ThinkingRead {
  const config = isObject(thinking) ? thinking : null;
  const level = LEVELS.find((one) => one === effort) ?? null;
  const isShown = config?.display === 'summarized' ? true : config?.display === 'omitted' ? false : null;
  const amount = amountOf(config, level);
  const reasoning = amount === null && isShown === null ? null : { amount, isShown };
  if (isWholly(config, level, effort)) return { reasoning, foreign: {} };
  return {
    reasoning,
    foreign: {
      ...(config && { thinking: config }),
      ...(effort !== undefined && effort !== null && { output_config: { effort } }),
    },
  };
}

/** Does the wish alone say all of it? */
function isWholly(config: JsonRecord | null, level: ReasoningLevel | null, effort: unknown): boolean {
  if (level === null && effort !== undefined && effort !== null) return false;
  switch (config?.type) {
    case 'adaptive':
      return true;
    case 'enabled':
      return level === null && countOr(config.budget_tokens) !== null;
    case 'disabled':
      return level === null;
    default:
      return config === null && level === null;
  }
}

function amountOf(config: JsonRecord | null, level: ReasoningLevel | null): ReasoningWish['amount'] {
  if (config?.type === 'disabled') return { kind: 'off' };
  if (level !== null) return { kind: 'level', level };
  if (config === null) return null;
  const tokens = countOr(config.budget_tokens);
  if (config.type === 'enabled' && tokens !== null) return { kind: 'budget', tokens };
  return { kind: 'dynamic' };
}
