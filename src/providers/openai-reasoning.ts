import type { JsonIndex } from '../shared/json-bytes.ts';
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

/** What older clients say and models that think refuse: how the answer is sampled, and the old name of its limit. */
export function editForReasoning(index: JsonIndex, { model, protocol }: AdaptContext): FieldEdit | undefined {
  if (protocol !== 'openai-chat' || !REASONING.test(model)) return undefined;
  const remove: string[] = [];
  const changes: string[] = [];
  const set: Record<string, unknown> = {};
  const limit = index.get('max_tokens');
  if (typeof limit === 'number') {
    remove.push('max_tokens');
    if (index.has('max_completion_tokens')) changes.push('max_tokens removed');
    else {
      set.max_completion_tokens = limit;
      changes.push('max_tokens → max_completion_tokens');
    }
  }
  const isThinking = !(MAY_NOT_THINK.test(model) && effortOf(index) === 'none');
  for (const [name, standard] of isThinking ? Object.entries(STANDARD) : []) {
    const value = index.get(name);
    if (value === undefined || value === null || value === standard) continue;
    remove.push(name);
    changes.push(`${name} removed`);
  }
  return changes.length > 0 ? { set, remove, changes } : undefined;
}
