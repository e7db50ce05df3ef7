import type { JsonIndex } from '../shared/json-bytes.ts';
import { isObject, textOr } from '../shared/json-shape.ts';
import { together } from './field-edits.ts';
import type { AdaptContext, FieldEdit } from './provider.ts';
import { effortOf } from './reasoning-effort.ts';

/** OpenAI's models that think; those called "chat" answer at once. */
const REASONING = /^(?:o[1-9]|gpt-5)(?!.*chat)/i;
/** These think only where they are told to, and answer like any other where they are not. */
const MAY_NOT_THINK = /^gpt-5\.\d/i;

/** Each is refused with 400 unless it says what holds anyway. */
const STANDARD: Readonly<Record<string, unknown>> = {
  temperature: 1,
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  logprobs: false,
  top_logprobs: undefined,
  logit_bias: undefined,
};

/** In Responses the other fields do not exist; whether log probabilities are told is a matter of the model there. */
const STANDARD_OF_RESPONSES: Readonly<Record<string, unknown>> = { temperature: 1, top_p: 1 };

/** What older clients say and models that think refuse: how the answer is sampled, and the old name of its limit. */
export function editForReasoning(index: JsonIndex, { model, protocol }: AdaptContext): FieldEdit | undefined {
  if (!REASONING.test(model)) return undefined;
  if (protocol === 'openai-responses') return withoutSampling(index, model, STANDARD_OF_RESPONSES);
  if (protocol !== 'openai-chat') return undefined;
  const sampling = withoutSampling(index, model, STANDARD);
  const limit = index.get('max_tokens');
  if (typeof limit !== 'number') return sampling;
  const isKnown = index.has('max_completion_tokens');
  return together(
    {
      set: isKnown ? {} : { max_completion_tokens: limit },
      remove: ['max_tokens'],
      changes: [isKnown ? 'max_tokens removed' : 'max_tokens → max_completion_tokens'],
    },
    sampling,
  );
}

function withoutSampling(
  index: JsonIndex,
  model: string,
  standard: Readonly<Record<string, unknown>>,
): FieldEdit | undefined {
  const remove: string[] = [];
  const changes: string[] = [];
  const isThinking = !(MAY_NOT_THINK.test(model) && wishOf(index) === 'none');
  for (const [name, usual] of isThinking ? Object.entries(standard) : []) {
    const value = index.get(name);
    if (value === undefined || value === null || value === usual) continue;
    remove.push(name);
    changes.push(`${name} removed`);
  }
  return changes.length > 0 ? { remove, changes } : undefined;
}

/** Responses has the effort inside of `reasoning`. */
function wishOf(index: JsonIndex): string | null {
  const reasoning = index.get('reasoning');
  return isObject(reasoning) ? textOr(reasoning.effort) : effortOf(index);
}
