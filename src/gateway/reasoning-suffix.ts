import type { ReasoningWish } from '../protocols/ir.ts';
import { LEVELS } from '../protocols/reasoning.ts';

/** A model name without its suffix, and what that asks for. */
export type Suffixed = { readonly model: string; readonly reasoning: ReasoningWish };

const SUFFIX = /^(.+?)\s*\(([a-z]+|\d{1,7})\)$/;

/** `gpt-5(high)`, `gemini-2.5-pro(8192)`, `(none)`, `(auto)`; null for a name without such a suffix. */
export function splitSuffix(name: string): Suffixed | null {
  const found = SUFFIX.exec(name);
  const [, model, word] = found ?? [];
  if (model === undefined || word === undefined) return null;
  const amount = amountOf(word);
  return amount && { model, reasoning: { amount, isShown: null } };
}

function amountOf(word: string): ReasoningWish['amount'] {
  if (/^\d/.test(word)) {
    const tokens = Number(word);
    return tokens === 0 ? { kind: 'off' } : { kind: 'budget', tokens };
  }
  if (word === 'none') return { kind: 'off' };
  if (word === 'auto') return { kind: 'dynamic' };
  const level = LEVELS.find((known) => known === word);
  return level ? { kind: 'level', level } : null;
}
