import type { JsonIndex } from '../shared/json-bytes.ts';
import { isObject, objectsIn } from '../shared/json-shape.ts';
import type { SseFrame } from '../shared/sse.ts';
import { eventFrame, eventOf } from './event-frame.ts';
import type { AdaptContext, FieldEdit, JsonObject, StreamRewriter } from './provider.ts';
import { effortOf, isOff } from './reasoning-effort.ts';

/**
 * Cohere's own chat (v2), which knows documents, citations, plans of tools and thinking, in the words of OpenAI's. What
 * has no word there keeps its own: `documents` and the like in a request, `citations` and `tool_plan` in a message.
 */

/** What goes upstream, after the names below. https://docs.cohere.com/reference/chat */
export const COHERE_FIELDS: readonly string[] = [
  'model',
  'messages',
  'stream',
  'tools',
  'tool_choice',
  'strict_tools',
  'documents',
  'citation_options',
  'response_format',
  'safety_mode',
  'max_tokens',
  'stop_sequences',
  'temperature',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'k',
  'p',
  'thinking',
  'priority',
];

export const COHERE_NAMES: Readonly<Record<string, string>> = { top_p: 'p', top_k: 'k', stop: 'stop_sequences' };

/** What depends on the values. Renamed fields come after it, and are found under their old names here. */
export function editForCohere(index: JsonIndex, { model }: AdaptContext): FieldEdit | undefined {
  const set: Record<string, unknown> = {};
  const remove: string[] = [];
  const changes: string[] = [];
  const messages = messagesForCohere(index.get('messages'));
  if (messages) {
    set.messages = messages;
    changes.push('messages[] → v2');
  }
  const stop = index.get('stop');
  if (typeof stop === 'string') {
    set.stop_sequences = [stop];
    remove.push('stop');
    changes.push('stop → stop_sequences');
  }
  const choice = toolChoice(index.get('tool_choice'));
  if (choice !== undefined) {
    if (choice.word === null) remove.push('tool_choice');
    else set.tool_choice = choice.word;
    // Its own words name no tool: the one that is meant is left alone to be chosen.
    if (choice.tool !== null)
      set.tools = objectsIn(index.get('tools')).filter((tool) => toolName(tool) === choice.tool);
    changes.push(choice.word === null ? 'tool_choice removed' : `tool_choice → ${choice.word}`);
  }
  const format = index.get('response_format');
  if (isObject(format) && format.type === 'json_schema' && isObject(format.json_schema)) {
    set.response_format = { type: 'json_object', json_schema: format.json_schema.schema };
    changes.push('response_format json_schema → json_object');
  }
  if (objectsIn(index.get('tools')).some((tool) => isObject(tool.function) && tool.function.strict === true)) {
    set.strict_tools = true;
    changes.push('tools[].function.strict → strict_tools');
  }
  const effort = effortOf(index);
  if (effort !== null && !index.has('thinking') && /reasoning/.test(model)) {
    set.thinking = thinkingFor(effort);
    changes.push('reasoning_effort → thinking');
  }
  return changes.length > 0 ? { set, remove, changes } : undefined;
}

/** Tokens to think with; the highest have no limit of their own. */
const BUDGETS: Readonly<Record<string, number>> = { minimal: 1024, low: 1024, medium: 8192, high: 24_576 };

function thinkingFor(effort: string): JsonObject {
  if (isOff(effort)) return { type: 'disabled' };
  const budget = BUDGETS[effort];
  return { type: 'enabled', ...(budget !== undefined && { token_budget: budget }) };
}

function toolChoice(value: unknown): { readonly word: string | null; readonly tool: string | null } | undefined {
  if (value === 'required') return { word: 'REQUIRED', tool: null };
  if (value === 'none') return { word: 'NONE', tool: null };
  if (value === 'auto') return { word: null, tool: null };
  return isObject(value) ? { word: 'REQUIRED', tool: toolName(value) } : undefined;
}

const toolName = (tool: JsonObject): string | null =>
  isObject(tool.function) && typeof tool.function.name === 'string' ? tool.function.name : null;

/** Null: they are as they should be. */
function messagesForCohere(value: unknown): readonly unknown[] | null {
  if (!Array.isArray(value)) return null;
  let isChanged = false;
  const messages = value.map((message: unknown) => {
    const own = isObject(message) ? messageForCohere(message) : message;
    if (own !== message) isChanged = true;
    return own;
  });
  return isChanged ? messages : null;
}

const MESSAGE_FIELDS: readonly string[] = ['role', 'content', 'tool_calls', 'tool_plan', 'tool_call_id', 'citations'];

/** The same object when nothing is to be changed. */
function messageForCohere(message: JsonObject): JsonObject {
  const isPlain = Object.keys(message).every((name) => MESSAGE_FIELDS.includes(name));
  const hasCalls = objectsIn(message.tool_calls).length > 0;
  if (isPlain && message.role !== 'developer' && !(hasCalls && isBlank(message.content))) return message;
  const own: JsonObject = Object.fromEntries(
    Object.entries(message).filter(([name, value]) => MESSAGE_FIELDS.includes(name) && value !== null),
  );
  if (own.role === 'developer') own.role = 'system';
  if (!hasCalls) return own;
  // Beside calls there is no text but the plan.
  if (isBlank(own.content)) delete own.content;
  const thought = message.reasoning_content ?? message.reasoning;
  if (own.tool_plan === undefined && typeof thought === 'string' && thought !== '') own.tool_plan = thought;
  return own;
}

const isBlank = (content: unknown): boolean =>
  content === undefined || content === null || content === '' || (Array.isArray(content) && content.length === 0);

const FINISH: Readonly<Record<string, string>> = {
  COMPLETE: 'stop',
  STOP_SEQUENCE: 'stop',
  MAX_TOKENS: 'length',
  TOOL_CALL: 'tool_calls',
  ERROR: 'stop',
  TIMEOUT: 'stop',
};

const finishOf = (reason: unknown): string => (typeof reason === 'string' && FINISH[reason]) || 'stop';

/** Tokens that were worked through, else those that are paid for. */
function usageOf(value: unknown): JsonObject | null {
  const usage = isObject(value) ? value : {};
  const counted = isObject(usage.tokens) ? usage.tokens : isObject(usage.billed_units) ? usage.billed_units : null;
  if (!counted || typeof counted.input_tokens !== 'number') return null;
  const prompt = counted.input_tokens;
  const completion = typeof counted.output_tokens === 'number' ? counted.output_tokens : 0;
  const cached = typeof usage.cached_tokens === 'number' ? usage.cached_tokens : null;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(cached !== null && { prompt_tokens_details: { cached_tokens: cached } }),
  };
}

/** Writes a whole answer anew, in place. Logarithms of probabilities are of another form there, and left out. */
export function readCohereReply(reply: JsonObject, { model }: Pick<AdaptContext, 'model'>): boolean {
  const { message, finish_reason, usage } = reply;
  if (!isObject(message) || finish_reason === undefined) return false;
  const parts = objectsIn(message.content);
  const joined = (type: string, field: string) =>
    parts
      .filter((part) => part.type === type)
      .map((part) => (typeof part[field] === 'string' ? part[field] : ''))
      .join('');
  const thinking = joined('thinking', 'thinking');
  const plan = typeof message.tool_plan === 'string' ? message.tool_plan : '';
  const calls = objectsIn(message.tool_calls);
  const text = joined('text', 'text');
  const said: JsonObject = {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    ...((thinking !== '' || plan !== '') && { reasoning_content: thinking || plan }),
    ...(plan !== '' && { tool_plan: plan }),
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(Array.isArray(message.citations) && { citations: message.citations }),
  };
  const counted = usageOf(usage);
  for (const name of ['message', 'finish_reason', 'usage']) delete reply[name];
  Object.assign(reply, {
    object: 'chat.completion',
    model,
    choices: [{ index: 0, message: said, finish_reason: finishOf(finish_reason) }],
    ...(counted && { usage: counted }),
  });
  return true;
}

/** Events of a v2 stream as chunks. It has no end mark, and needs none: its last event has the finish reason. */
export function rewriteCohereStream({ model }: Pick<AdaptContext, 'model'>): StreamRewriter {
  let id = '';
  const chunk = (delta: JsonObject, more: JsonObject = {}, finish: string | null = null): readonly SseFrame[] => [
    eventFrame({
      id,
      object: 'chat.completion.chunk',
      model,
      choices: [{ index: 0, delta, finish_reason: finish }],
      ...more,
    }),
  ];
  return {
    push(frame) {
      const event = eventOf(frame);
      if (!event || typeof event.type !== 'string') return [frame];
      const delta = isObject(event.delta) ? event.delta : {};
      const message = isObject(delta.message) ? delta.message : {};
      switch (event.type) {
        case 'message-start':
          if (typeof event.id === 'string') id = event.id;
          return chunk({ role: 'assistant', content: '' });
        case 'content-start':
        case 'content-delta': {
          const content = isObject(message.content) ? message.content : {};
          if (typeof content.thinking === 'string' && content.thinking !== '')
            return chunk({ reasoning_content: content.thinking });
          return typeof content.text === 'string' && content.text !== '' ? chunk({ content: content.text }) : [];
        }
        case 'tool-plan-delta':
          return typeof message.tool_plan === 'string'
            ? chunk({ reasoning_content: message.tool_plan, tool_plan: message.tool_plan })
            : [];
        case 'tool-call-start':
        case 'tool-call-delta':
          return isObject(message.tool_calls)
            ? chunk({
                tool_calls: [{ index: typeof event.index === 'number' ? event.index : 0, ...message.tool_calls }],
              })
            : [];
        case 'citation-start':
          return isObject(message.citations) ? chunk({ citations: [message.citations] }) : [];
        case 'message-end': {
          const usage = usageOf(delta.usage);
          // What broke there has no answer of its own to end.
          if (delta.finish_reason === 'ERROR' && typeof delta.error === 'string')
            return [eventFrame({ error: { message: delta.error } })];
          return chunk({}, usage ? { usage } : {}, finishOf(delta.finish_reason));
        }
        default:
          return [];
      }
    },
    end: () => [],
  };
}
