// A demo answer in OpenAI's chat format, whole or as the chunks of a stream.
import type { DemoAnswer } from './answer.ts';
import type { ChatRequest } from './chat-request.ts';

/** Fields that every object of one answer shares. */
export type CompletionHead = { readonly id: string; readonly created: number; readonly model: string };

/** What is left of an answer after `max_tokens` and `stop`, in the pieces it is streamed in. */
export type CutAnswer = {
  readonly reasoning: readonly string[];
  readonly text: readonly string[];
  readonly toolCall: { readonly id: string; readonly name: string; readonly arguments: readonly string[] } | null;
  readonly finishReason: 'stop' | 'length' | 'tool_calls';
};

export type DemoUsage = {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  readonly completion_tokens_details: { readonly reasoning_tokens: number };
};

export function cutAnswer(answer: DemoAnswer, request: ChatRequest, callId: string): CutAnswer {
  const limit = request.maxTokens ?? Number.POSITIVE_INFINITY;
  const allReasoning = pieces(answer.reasoning ?? '');
  const reasoning = allReasoning.slice(0, limit);
  const allText = pieces(stopAt(answer.text, request.stop));
  const text = allText.slice(0, Math.max(0, limit - reasoning.length));
  const isCut = reasoning.length < allReasoning.length || text.length < allText.length;
  const call = answer.toolCall;
  if (call && !isCut) {
    const toolCall = { id: callId, name: call.name, arguments: call.arguments.match(/.{1,12}/gsu) ?? [] };
    return { reasoning, text, toolCall, finishReason: 'tool_calls' };
  }
  return { reasoning, text, toolCall: null, finishReason: isCut ? 'length' : 'stop' };
}

/** A word with the space before it counts as a token; close enough for a demo. */
function pieces(text: string): readonly string[] {
  return text.match(/\s*\S+|\s+$/gu) ?? [];
}

function stopAt(text: string, stops: readonly string[]): string {
  const ends = stops.map((stop) => text.indexOf(stop)).filter((index) => index >= 0);
  return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
}

function usageOf(request: ChatRequest, answer: CutAnswer): DemoUsage {
  // OpenAI counts a few tokens for each message's frame.
  const prompt = request.messages.reduce((sum, message) => sum + 4 + pieces(message.text).length, 0);
  const own = answer.reasoning.length + answer.text.length + (answer.toolCall?.arguments.length ?? 0);
  const completion = own * request.choices;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: answer.reasoning.length * request.choices },
  };
}

export function wholeCompletion(head: CompletionHead, request: ChatRequest, answer: CutAnswer): object {
  const { toolCall } = answer;
  const message = {
    role: 'assistant',
    content: toolCall ? null : answer.text.join(''),
    refusal: null,
    ...(answer.reasoning.length > 0 ? { reasoning_content: answer.reasoning.join('') } : {}),
    ...(toolCall ? { tool_calls: [callOf(toolCall.id, toolCall.name, toolCall.arguments.join(''))] } : {}),
  };
  return {
    ...head,
    object: 'chat.completion',
    choices: Array.from({ length: request.choices }, (_, index) => ({
      index,
      message,
      logprobs: null,
      finish_reason: answer.finishReason,
    })),
    usage: usageOf(request, answer),
  };
}

/** The chunks of a stream, without its end mark. */
export function* completionChunks(head: CompletionHead, request: ChatRequest, answer: CutAnswer): Generator<object> {
  const indexes = Array.from({ length: request.choices }, (_, index) => index);
  // OpenAI puts `usage: null` into every other chunk once usage is asked for.
  const blank = request.wantsUsage ? { usage: null } : {};
  const chunk = (index: number, delta: object, finishReason: string | null = null) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index, delta, logprobs: null, finish_reason: finishReason }],
    ...blank,
  });
  for (const index of indexes) yield chunk(index, { role: 'assistant', content: answer.toolCall ? null : '' });
  for (const delta of deltas(answer)) for (const index of indexes) yield chunk(index, delta);
  for (const index of indexes) yield chunk(index, {}, answer.finishReason);
  if (request.wantsUsage) {
    yield { ...head, object: 'chat.completion.chunk', choices: [], usage: usageOf(request, answer) };
  }
}

function* deltas({ reasoning, text, toolCall }: CutAnswer): Generator<object> {
  for (const piece of reasoning) yield { reasoning_content: piece };
  for (const piece of text) yield { content: piece };
  if (!toolCall) return;
  yield { tool_calls: [{ index: 0, ...callOf(toolCall.id, toolCall.name, '') }] };
  for (const piece of toolCall.arguments) yield { tool_calls: [{ index: 0, function: { arguments: piece } }] };
}

function callOf(id: string, name: string, args: string): object {
  return { id, type: 'function', function: { name, arguments: args } };
}
