import type { JsonIndex } from '../shared/json-bytes.ts';
import { isObject } from '../shared/json-shape.ts';
import { compatible } from './compatible.ts';
import { inputTypeEdit, textEmbeddings } from './embeddings.ts';
import { readError } from './error-body.ts';
import { modelMissing } from './failure-from.ts';
import { together } from './field-edits.ts';
import { editMessages, type MessageRule } from './message-rules.ts';
import { OPENAI_ONLY } from './openai-only.ts';
import type { FieldEdit } from './provider.ts';
import { deepseekEffort, effortOf, isOff } from './reasoning-effort.ts';

/** How a hosted model is told to think: by arguments of its chat template, or by a field that only knows "high". */
function thinkingArguments(model: string, effort: string): Readonly<Record<string, unknown>> | 'field' | null {
  if (/deepseek-v4-(?:pro|flash)/.test(model)) {
    return isOff(effort) ? { thinking: false } : { thinking: true, reasoning_effort: deepseekEffort(effort) };
  }
  if (/deepseek-v3\.[12]|kimi-k2/.test(model)) return { thinking: !isOff(effort) };
  return /mistral-(?:medium-3\.5|small-4)/.test(model) ? 'field' : null;
}

/** Gemma knows no system role: its host refuses one. */
function gemmaEdit(index: JsonIndex, model: string): FieldEdit | undefined {
  return /gemma/i.test(model) ? editMessages(index, [systemToUser]) : undefined;
}

const systemToUser: MessageRule = {
  marks: ['"system"', '"developer"'],
  apply: (message) => {
    if (message.role !== 'system' && message.role !== 'developer') return undefined;
    const change = `messages[].role ${message.role} → user`;
    message.role = 'user';
    return change;
  },
};

function thinkingEdit(index: JsonIndex, model: string): FieldEdit | undefined {
  const effort = effortOf(index);
  if (effort === null) return undefined;
  const thinking = thinkingArguments(model, effort);
  if (thinking === null) return undefined;
  if (thinking === 'field') {
    if (isOff(effort)) return { remove: ['reasoning_effort'], changes: ['reasoning_effort removed'] };
    if (effort === 'high') return undefined;
    return { set: { reasoning_effort: 'high' }, changes: [`reasoning_effort ${effort} → high`] };
  }
  const own = index.get('chat_template_kwargs');
  return {
    // The client's own arguments say more than an effort does.
    set: { chat_template_kwargs: { ...thinking, ...(isObject(own) && own) } },
    remove: ['reasoning_effort'],
    changes: ['reasoning_effort → chat_template_kwargs'],
  };
}

export const nvidia = compatible({
  id: 'nvidia',
  names: ['nvidia_nim'],
  title: 'NVIDIA NIM',
  baseUrl: 'https://integrate.api.nvidia.com/v1',
  keyEnv: ['NVIDIA_API_KEY', 'NVIDIA_NIM_API_KEY'],
  key: 'required',
  tier: 3,
  keyUrl: 'https://build.nvidia.com/settings/api-keys',
  // "Unsupported parameter(s)", 400.
  bodyRules: { drop: OPENAI_ONLY },
  editFields: (index, context) => together(gemmaEdit(index, context.model), thinkingEdit(index, context.model)),
  embeddings: {
    ...textEmbeddings,
    // Models that tell questions from texts refuse a request which does not say.
    edit: (index) =>
      index.has('input_type')
        ? inputTypeEdit(index, { document: 'passage', query: 'query' })
        : { set: { input_type: 'passage' }, changes: ['input_type set'] },
  },
  classify: (reply) => {
    const error = readError(reply);
    // A model is a "function" inside; one that the account may not call is as absent as one that is not there.
    return error.status === 404 && /^Function .{1,80}Not found/i.test(error.text) ? modelMissing(error) : undefined;
  },
});
