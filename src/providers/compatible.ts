import type { JsonIndex } from '../shared/json-bytes.ts';
import { together } from './field-edits.ts';
import { developerToSystem, editMessages, type MessageRule } from './message-rules.ts';
import { readCommonModels } from './model-list.ts';
import type { AdaptContext, BodyRules, Provider } from './provider.ts';

const NO_RULES: BodyRules = {};

type Vendor = Omit<Provider, 'protocol'>;

/**
 * A vendor that speaks OpenAI chat without being OpenAI. What nearly all of them share is added here, so that their own
 * entries only say what is special about them:
 * the `developer` role is OpenAI's alone, `max_completion_tokens` is known as `max_tokens`, `stream_options` outside a
 * stream is an error (DeepSeek 400, iFlow 406), and nulls and empty tool lists are refused by many.
 */
export function compatible(vendor: Vendor, messageRules: readonly MessageRule[] = []): Provider {
  const { bodyRules, editFields } = vendor;
  const rules = [developerToSystem, ...messageRules];
  return {
    readModels: readCommonModels,
    ...vendor,
    protocol: 'openai-chat',
    bodyRules: rulesFor(vendor, typeof bodyRules === 'function' ? bodyRules : () => bodyRules),
    editFields: (index: JsonIndex, context: AdaptContext) =>
      context.protocol === 'openai-chat'
        ? together(editMessages(index, rules), editFields?.(index, context))
        : undefined,
  };
}

function rulesFor(vendor: Vendor, own: (context: AdaptContext) => BodyRules | undefined) {
  const rename = { max_completion_tokens: 'max_tokens' };
  const inStream: BodyRules = {
    rename,
    drop: vendor.streamUsage === false ? ['stream_options'] : [],
    dropsEmpty: true,
  };
  const inWhole: BodyRules = { rename, drop: ['stream_options'], dropsEmpty: true };
  return (context: AdaptContext): BodyRules => {
    if (context.protocol !== 'openai-chat') return NO_RULES;
    const common = context.isStream ? inStream : inWhole;
    const rules = own(context);
    if (!rules) return common;
    return {
      ...common,
      ...rules,
      rename: { ...rename, ...rules.rename },
      drop: [...(common.drop ?? []), ...(rules.drop ?? [])],
    };
  };
}
