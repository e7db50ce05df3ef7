import type { MessageRule } from './message-rules.ts';

/** Fields that mean something to OpenAI alone, and that servers which are strict about names refuse with 400. */
export const OPENAI_ONLY: readonly string[] = [
  'metadata',
  'prediction',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'store',
  'verbosity',
];

/** Thoughts of an earlier answer, which clients send back as they got them; those servers refuse the field. */
export const withoutThoughts: MessageRule = {
  marks: ['"reasoning_content"'],
  apply: (message) => {
    if (!Object.hasOwn(message, 'reasoning_content')) return undefined;
    delete message.reasoning_content;
    return 'messages[].reasoning_content removed';
  },
};
