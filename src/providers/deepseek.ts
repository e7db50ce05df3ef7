import type { JsonIndex } from '../shared/json-bytes.ts';
import { isObject, objectsIn } from '../shared/json-shape.ts';
import { compatible } from './compatible.ts';
import type { AdaptContext, FieldEdit, JsonObject } from './provider.ts';
import { deepseekEffort, effortOf, isOff } from './reasoning-effort.ts';

const FIELDS: readonly string[] = [
  'model',
  'messages',
  'thinking',
  'reasoning_effort',
  'max_tokens',
  'response_format',
  'stop',
  'stream',
  'stream_options',
  'temperature',
  'top_p',
  'tools',
  'tool_choice',
  'logprobs',
  'top_logprobs',
  'presence_penalty',
  'frequency_penalty',
  'n',
];

/** V4 is always told whether to think and how hard; older models can only be told not to. */
function editThinking(index: JsonIndex, context: AdaptContext): FieldEdit | undefined {
  const effort = effortOf(index);
  const thinking = index.get('thinking');
  const remove = index.has('reasoning_effort') ? ['reasoning_effort'] : [];
  if ((effort !== null && isOff(effort)) || (isObject(thinking) && thinking.type === 'disabled')) {
    if (isObject(thinking) && thinking.type === 'disabled' && remove.length === 0) return undefined;
    return { set: { thinking: { type: 'disabled' } }, remove, changes: ['reasoning_effort → thinking disabled'] };
  }
  if (!/^deepseek-v4/.test(context.model)) return undefined;
  const wanted = deepseekEffort(effort);
  const set: Record<string, unknown> = {};
  const changes: string[] = [];
  if (!isObject(thinking) || thinking.type !== 'enabled') {
    set.thinking = { type: 'enabled' };
    changes.push('thinking added');
  }
  if (effort !== wanted) {
    set.reasoning_effort = wanted;
    changes.push(`reasoning_effort ${effort ?? 'unset'} → ${wanted}`);
  }
  return changes.length > 0 ? { set, changes } : undefined;
}

/**
 * `insufficient_system_resource` ends an answer that the host could not carry on with. With nothing said it is no end at
 * all: without a finish reason the answer counts as missing, and another key or provider is asked.
 */
function adaptFinish(choice: JsonObject, hasSaidSomething: boolean): boolean {
  if (choice.finish_reason !== 'insufficient_system_resource') return false;
  choice.finish_reason = hasSaidSomething ? 'stop' : null;
  return true;
}

const saysSomething = (message: unknown): boolean =>
  isObject(message) &&
  [message.content, message.reasoning_content, message.tool_calls].some(
    (value) => (typeof value === 'string' || Array.isArray(value)) && value.length > 0,
  );

export const deepseek = compatible(
  {
    id: 'deepseek',
    title: 'DeepSeek',
    baseUrl: 'https://api.deepseek.com/v1',
    keyEnv: ['DEEPSEEK_API_KEY'],
    key: 'required',
    // Only its beta has them.
    endpoints: { completions: '/../beta/completions' },
    wantsReasoningBack: true,
    tier: null,
    keyUrl: 'https://platform.deepseek.com/api_keys',
    bodyRules: { allow: FIELDS },
    editFields: editThinking,
    replyMarks: ['"insufficient_system_resource"'],
    adaptReply: (reply) => {
      let isChanged = false;
      for (const choice of objectsIn(reply.choices)) {
        if (adaptFinish(choice, saysSomething(choice.message))) isChanged = true;
      }
      return isChanged;
    },
    adaptEvents: () => {
      const spoken = new Set<unknown>();
      return (event) => {
        let isChanged = false;
        for (const choice of objectsIn(event.choices)) {
          if (saysSomething(choice.delta)) spoken.add(choice.index);
          if (adaptFinish(choice, spoken.has(choice.index))) isChanged = true;
        }
        return isChanged;
      };
    },
  },
  [
    {
      // Beside calls of tools they must be sent back; anywhere else they are thoughts of another question.
      marks: ['"reasoning_content"'],
      apply: (message) => {
        if (!Object.hasOwn(message, 'reasoning_content') || objectsIn(message.tool_calls).length > 0) return undefined;
        delete message.reasoning_content;
        return 'messages[].reasoning_content removed';
      },
    },
  ],
);
