import { isObject, textOr } from '../../shared/json-shape.ts';
import type { ChatRequest, JsonRecord } from '../ir.ts';

/** What a response repeats of the request that it answers; defaults where the client said nothing. */
export function echoOf(request: ChatRequest, continues: string | null): JsonRecord {
  const { foreign } = request;
  const came: JsonRecord = foreign?.protocol === 'openai-responses' ? { ...foreign.fields, ...foreign.original } : {};
  const or = (name: string, value: unknown) => came[name] ?? value;
  const text = isObject(came.text) ? came.text : {};
  const reasoning = isObject(came.reasoning) ? came.reasoning : {};
  return {
    background: false,
    instructions: or('instructions', null),
    max_output_tokens: request.maxOutputTokens,
    max_tool_calls: or('max_tool_calls', null),
    metadata: request.metadata ?? {},
    parallel_tool_calls: request.allowsParallelCalls ?? true,
    previous_response_id: continues,
    prompt_cache_key: request.cacheKey,
    reasoning: { effort: textOr(reasoning.effort), summary: textOr(reasoning.summary) },
    safety_identifier: or('safety_identifier', null),
    service_tier: request.serviceTier ?? 'default',
    store: or('store', true),
    temperature: request.temperature ?? 1,
    text: { ...text, format: text.format ?? { type: 'text' } },
    tool_choice: or('tool_choice', 'auto'),
    tools: or('tools', []),
    top_logprobs: request.logprobs ?? 0,
    top_p: request.topP ?? 1,
    truncation: or('truncation', 'disabled'),
    user: or('user', null),
  };
}

/** The client can keep reasoning between its requests, and wants it for that. */
export function wantsEncryptedReasoning({ foreign }: ChatRequest): boolean {
  const include = foreign?.protocol === 'openai-responses' ? foreign.original?.include : undefined;
  return Array.isArray(include) && include.includes('reasoning.encrypted_content');
}
