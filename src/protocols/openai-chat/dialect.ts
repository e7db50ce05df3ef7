import type { ChatRequest } from '../ir.ts';

/**
 * What the chat server at the other end takes beyond the common fields, told by the model's name. A request that came as
 * chat is written with what it came with.
 */
export type Dialect = {
  /** OpenAI's reasoning models refuse `max_tokens`; other servers mostly know that older name alone. */
  readonly hasCompletionLimit: boolean;
  /** OpenAI's own models take no thoughts back, and ids of calls up to 40 characters. */
  readonly isOpenAi: boolean;
  /** `cache_control`: servers of other families cache unasked or refuse the field. */
  readonly takesCacheMarks: boolean;
  /** `extra_content.google`: other models' servers refuse a field that they do not know. */
  readonly takesThoughtSignatures: boolean;
  /** No field of OpenAI's, and refused by it and others. */
  readonly takesTopK: boolean;
};

export function dialectOf({ foreign }: Pick<ChatRequest, 'foreign'>, model: string): Dialect {
  const isHome = foreign?.protocol === 'openai-chat';
  const name = model.slice(model.lastIndexOf('/') + 1);
  const isReasoning = /^(o[1-9]|gpt-([5-9]|\d\d))/i.test(name);
  return {
    hasCompletionLimit: isReasoning || (isHome && typeof foreign.original?.max_completion_tokens === 'number'),
    // `gpt-oss` is served by everybody else.
    isOpenAi: isReasoning || /^(gpt-[34]|chatgpt-|codex-)/i.test(name),
    takesCacheMarks: isHome || /claude|gemini|qwen/i.test(model),
    takesThoughtSignatures: isHome || /gemini/i.test(model),
    takesTopK: isHome,
  };
}
