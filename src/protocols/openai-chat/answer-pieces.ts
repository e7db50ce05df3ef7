import { dataUrl } from '../data-url.ts';
import type { ChatRequest, Citation, ImagePart, TokenLogprob, Usage } from '../ir.ts';
import { writeLogprobs } from '../openai-logprobs.ts';
import { extraContent } from './thought-signature.ts';

/** What whole answers and streams write alike. */

export const FURTHER_CALLS = 'tool calls after the first removed';
export const UNREACHABLE_IMAGE = 'image kept by its provider removed';

/** An image as OpenRouter and others put it beside the text; null when there is nothing that a client could open. */
export function imageEntry({ source, signature }: ImagePart, index: number): object | null {
  if (source.kind === 'file-id') return null;
  const url = source.kind === 'data' ? dataUrl(source) : source.url;
  return { type: 'image_url', image_url: { url }, index, ...extraContent(signature) };
}

/** Places count the characters of the message; `whole`: of the part that a citation without a range stands for. */
export function annotation(citation: Citation, whole: { readonly start: number; readonly end: number }): object {
  const { foreign } = citation;
  if (foreign?.protocol === 'openai-chat') return foreign.value;
  const range = citation.range ?? whole;
  return {
    type: 'url_citation',
    url_citation: {
      start_index: range.start,
      end_index: range.end,
      url: citation.url ?? '',
      title: citation.title ?? '',
      ...(citation.citedText !== null && { content: citation.citedText }),
    },
  };
}

/** Of the content of a message or of a chunk's delta. */
export const logprobsBody = (logprobs: readonly TokenLogprob[]): object => ({
  content: writeLogprobs(logprobs, () => null),
  refusal: null,
});

export function usageBody(usage: Usage): object {
  const input = usage.inputTokens ?? 0;
  const output = usage.outputTokens ?? 0;
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: {
      cached_tokens: usage.cachedTokens ?? 0,
      audio_tokens: usage.audioInputTokens ?? 0,
      ...(usage.cacheWriteTokens !== null && { cache_write_tokens: usage.cacheWriteTokens }),
    },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens ?? 0,
      audio_tokens: usage.audioOutputTokens ?? 0,
    },
    ...(usage.costUsd !== null && { cost: usage.costUsd }),
  };
}

/** How the client named its tools when it asked: the answer's calls are written the same way. */
export class CallDialect {
  readonly #custom: ReadonlySet<string>;
  /** It knows `functions` alone, and one call at a time. */
  readonly isLegacy: boolean;

  constructor({ tools, foreign }: ChatRequest) {
    this.#custom = new Set(tools.flatMap((tool) => (tool.type === 'custom' ? [tool.name] : [])));
    this.isLegacy = foreign?.protocol === 'openai-chat' && Array.isArray(foreign.original?.functions);
  }

  /** A tool with free text, which upstreams know as a function with one field. */
  isCustom({ name, kind }: { readonly name: string; readonly kind: 'function' | 'custom' }): boolean {
    return kind === 'custom' || this.#custom.has(name);
  }
}
