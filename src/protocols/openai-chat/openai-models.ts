/**
 * OpenAI's reasoning models by their names: their wire format differs. They count thoughts into `max_completion_tokens`
 * and refuse `max_tokens`; other servers mostly know the older name alone.
 */
export const isOpenAiReasoningModel = (model: string): boolean =>
  /^(o[1-9]|gpt-([5-9]|\d\d))/i.test(lastSegment(model));

/** Any of OpenAI's models: they take no thoughts back. `gpt-oss` is served by everybody else. */
export const isOpenAiModel = (model: string): boolean =>
  isOpenAiReasoningModel(model) || /^(gpt-[34]|chatgpt-|codex-)/i.test(lastSegment(model));

const lastSegment = (model: string): string => model.slice(model.lastIndexOf('/') + 1);
