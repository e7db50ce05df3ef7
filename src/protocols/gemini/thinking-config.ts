import { booleanOr, isObject, numberOr } from '../../shared/json-shape.ts';
import type { EncodeContext } from '../codec.ts';
import type { JsonRecord, ReasoningLevel, ReasoningWish } from '../ir.ts';
import { type Amount, budgetOfLevel, fittedAmount, LEVELS, nearestLevel } from '../reasoning.ts';
import { isThirdGeneration } from './model-family.ts';
import { field } from './wire-field.ts';

/** `thinkingConfig`, both ways. Budgets and levels exclude each other: both together are a 400. */

/** The levels there are a name for. */
const NAMED: readonly ReasoningLevel[] = ['minimal', 'low', 'medium', 'high'];

export function decodeThinking(config: unknown): ReasoningWish | null {
  if (!isObject(config)) return null;
  const amount = decodeAmount(config);
  const isShown = booleanOr(field(config, 'includeThoughts'));
  return amount === null && isShown === null ? null : { amount, isShown };
}

function decodeAmount(config: JsonRecord): Amount | null {
  const written = field(config, 'thinkingLevel');
  const name = typeof written === 'string' ? written.toLowerCase() : '';
  const level = LEVELS.find((known) => known === name);
  if (level) return { kind: 'level', level };
  const tokens = numberOr(field(config, 'thinkingBudget'));
  if (tokens === null) return null;
  if (tokens === 0) return { kind: 'off' };
  return tokens < 0 ? { kind: 'dynamic' } : { kind: 'budget', tokens };
}

/** Null: nothing may be said, or there is nothing to say. */
export function encodeThinking(
  wish: ReasoningWish,
  { reasoning, model }: Pick<EncodeContext, 'reasoning' | 'model'>,
): JsonRecord | null {
  if (reasoning.kind === 'none') return null;
  const amount = wish.amount && fittedAmount(wish.amount, reasoning);
  const takesLevels =
    reasoning.kind === 'unknown'
      ? isThirdGeneration(model)
      : reasoning.kind === 'levels' || reasoning.kind === 'adaptive';
  const isOff = amount?.kind === 'off';
  const isShown = isOff ? null : (wish.isShown ?? (amount ? true : null));
  const config = {
    ...(amount && amountFields(amount, takesLevels)),
    ...(isShown !== null && { includeThoughts: isShown }),
  };
  return Object.keys(config).length > 0 ? config : null;
}

function amountFields(amount: Amount, takesLevels: boolean): JsonRecord {
  switch (amount.kind) {
    case 'level':
      return takesLevels
        ? { thinkingLevel: (nearestLevel(amount.level, NAMED) ?? 'high').toUpperCase() }
        : { thinkingBudget: budgetOfLevel(amount.level) };
    case 'budget':
      return { thinkingBudget: amount.tokens };
    case 'off':
      return { thinkingBudget: 0 };
    // Where levels are taken, silence leaves it to the model.
    case 'dynamic':
      return takesLevels ? {} : { thinkingBudget: -1 };
  }
}
