import { isObject, textOr } from '../../shared/json-shape.ts';
import type { EncodeContext } from '../codec.ts';
import type { ChatRequest, JsonRecord, ReasoningLevel, Turn } from '../ir.ts';
import { type Amount, budgetOfLevel, fittedAmount } from '../reasoning.ts';
import { isClaudeSince } from './claude-version.ts';

/** The fields that rule each other: how much may be said, how much of it may be thought, and how freely. */
export type Bounds = {
  readonly maxTokens: number;
  /** The `thinking` field; null: none. */
  readonly thinking: JsonRecord | null;
  readonly effort: string | null;
  /** Null: the request says nothing of it, and the model's default holds. */
  readonly isThinking: boolean | null;
  readonly sampling: JsonRecord;
  readonly warnings: readonly string[];
};

/** What the vendor asks for where a client names no limit, and what other protocols do not ask for at all. */
const DEFAULT_MAX_TOKENS = 32_000;
const MIN_BUDGET = 1024;
/** Room for the answer behind the thoughts, where the limit is ours to choose. */
const ANSWER_TOKENS = 8192;

export function boundsOf(
  request: ChatRequest,
  turns: readonly Turn[],
  isForced: boolean,
  context: EncodeContext,
): Bounds {
  const warnings: string[] = [];
  const wish = wishOf(request, context);
  const { amount = null } = request.reasoning ?? {};
  if (context.reasoning.kind === 'none' && amount !== null && amount.kind !== 'off') {
    warnings.push('thinking removed: the model does not think');
  }
  const asked = limits(request.maxOutputTokens, wish.budget, context.maxOutputTokens);
  const obstacle = obstacleOf(wish, asked.budget, turns, isForced);
  if (obstacle) warnings.push(`thinking removed: ${obstacle}`);
  const {
    maxTokens,
    budget,
    warnings: lowered,
  } = obstacle ? limits(request.maxOutputTokens, null, context.maxOutputTokens) : asked;
  warnings.push(...lowered);
  const thinking = obstacle ? without(wish) : wish.thinking && withBudget(wish.thinking, budget);
  const isThinking = obstacle ? false : wish.isThinking;
  return {
    maxTokens,
    thinking,
    effort: wish.effort,
    isThinking,
    sampling: samplingOf(request, isThinking === true, context.model, warnings),
    warnings,
  };
}

type Wish = {
  readonly thinking: JsonRecord | null;
  readonly effort: string | null;
  readonly budget: number | null;
  readonly isThinking: boolean | null;
};

const NO_WISH: Wish = { thinking: null, effort: null, budget: null, isThinking: null };

function wishOf(request: ChatRequest, { reasoning: traits, model }: EncodeContext): Wish {
  if (traits.kind === 'none') return { ...NO_WISH, isThinking: false };
  const own = ownWish(request);
  if (own) return own;
  const { amount = null, isShown = null } = request.reasoning ?? {};
  const display = isShown === null ? {} : { display: isShown ? 'summarized' : 'omitted' };
  const fitted = amount && fittedAmount(amount, traits);
  if (!fitted) {
    // A model that decides for itself does so by being told what to show; others would have to be told how much.
    const thinks = isShown !== null && traits.kind === 'adaptive';
    return thinks ? { ...NO_WISH, thinking: { type: 'adaptive', ...display }, isThinking: true } : NO_WISH;
  }
  return written(fitted, display, traits.kind === 'unknown' && !isClaudeSince(model, 4, 6));
}

/** `isOldStyle`: a model nobody here knows, of whom more understand a budget than an effort. */
function written(amount: Amount, display: JsonRecord, isOldStyle: boolean): Wish {
  switch (amount.kind) {
    case 'off':
      return { ...NO_WISH, thinking: { type: 'disabled' }, isThinking: false };
    case 'dynamic':
      return { ...NO_WISH, thinking: { type: 'adaptive', ...display }, isThinking: true };
    case 'level': {
      if (isOldStyle) return written({ kind: 'budget', tokens: budgetOfLevel(amount.level) }, display, isOldStyle);
      return { ...written({ kind: 'dynamic' }, display, isOldStyle), effort: effortOf(amount.level) };
    }
    case 'budget': {
      if (amount.tokens <= 0) return written({ kind: 'off' }, display, isOldStyle);
      const budget = Math.max(MIN_BUDGET, amount.tokens);
      return {
        thinking: { type: 'enabled', budget_tokens: budget, ...display },
        effort: null,
        budget,
        isThinking: true,
      };
    }
  }
}

const effortOf = (level: ReasoningLevel): string => (level === 'minimal' ? 'low' : level);

/** What a client of this protocol said and the neutral wish could not hold. */
function ownWish({ foreign }: ChatRequest): Wish | null {
  if (foreign?.protocol !== 'anthropic-messages') return null;
  const { thinking, output_config: config } = foreign.fields;
  const effort = isObject(config) ? textOr(config.effort) : null;
  const own = isObject(thinking) ? thinking : null;
  if (effort === null && own === null) return null;
  const budget = typeof own?.budget_tokens === 'number' ? own.budget_tokens : null;
  return { thinking: own, effort, budget, isThinking: own && own.type !== 'disabled' };
}

/** The budget is a part of the limit; three quarters of it at most are thought. */
function limits(asked: number | null, budget: number | null, limit: number | null) {
  const warnings: string[] = [];
  const wanted = asked ?? Math.max(DEFAULT_MAX_TOKENS, budget === null ? 0 : budget + ANSWER_TOKENS);
  const maxTokens = limit === null ? wanted : Math.min(wanted, limit);
  if (asked !== null && maxTokens < asked) warnings.push(`max_tokens lowered to ${maxTokens}`);
  if (budget === null || budget < maxTokens) return { maxTokens, budget, warnings };
  const lowered = Math.floor((maxTokens * 3) / 4);
  return { maxTokens, budget: lowered, warnings: [...warnings, `thinking budget lowered to ${lowered}`] };
}

/** Why the vendor would refuse to think here. */
function obstacleOf(wish: Wish, budget: number | null, turns: readonly Turn[], isForced: boolean): string | null {
  if (!wish.isThinking) return null;
  if (isForced) return 'a tool call is forced';
  if (budget !== null && budget < MIN_BUDGET) return 'max_tokens leaves no room for it';
  const last = turns.at(-1);
  if (last?.role === 'assistant' && last.parts.at(-1)?.type === 'text') return 'the answer is begun in the request';
  if (wish.thinking?.type === 'enabled' && hasLostThoughts(turns)) return 'the thoughts before a tool call are lost';
  return null;
}

/** With a budget, a turn that called tools must be given back with what was thought before; adaptive models do not mind. */
function hasLostThoughts(turns: readonly Turn[]): boolean {
  const at = turns.findLastIndex(({ role }) => role === 'assistant');
  const turn = turns[at];
  if (turn?.role !== 'assistant' || turns[at + 1]?.role !== 'tool') return false;
  const [first] = turn.parts.filter(
    (part) => part.type !== 'reasoning' || part.signature?.protocol === 'anthropic-messages',
  );
  return first?.type !== 'reasoning' && first?.type !== 'redacted-reasoning';
}

/** Models that think unless told otherwise are told; the older ones do not think unasked. */
const without = ({ thinking }: Wish): JsonRecord | null => (thinking?.type === 'enabled' ? null : { type: 'disabled' });

const withBudget = (thinking: JsonRecord, budget: number | null): JsonRecord =>
  budget === null ? thinking : { ...thinking, budget_tokens: budget };

function samplingOf(request: ChatRequest, isThinking: boolean, model: string, warnings: string[]): JsonRecord {
  const { temperature: asked, topP, topK } = request;
  const temperature = asked === null ? null : Math.min(1, Math.max(0, asked));
  if (asked !== temperature) warnings.push(`temperature brought to ${temperature}`);
  const isFixed = isClaudeSince(model, 4, 7);
  const isBound = isThinking || isFixed;
  const keepsTemperature = temperature !== null && (!isBound || temperature === 1);
  const keepsBoth = !isClaudeSince(model, 4, 1);
  const keepsTopP = topP !== null && (!isBound || topP >= (isFixed ? 0.99 : 0.95)) && (keepsBoth || !keepsTemperature);
  const keepsTopK = topK !== null && !isBound;
  const removed = (name: string) => warnings.push(`${name} removed`);
  if (temperature !== null && !keepsTemperature) removed('temperature');
  if (topP !== null && !keepsTopP) removed('top_p');
  if (topK !== null && !keepsTopK) removed('top_k');
  return {
    ...(keepsTemperature && { temperature }),
    ...(keepsTopP && { top_p: topP }),
    ...(keepsTopK && { top_k: topK }),
  };
}
