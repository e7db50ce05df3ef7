import type { JsonIndex } from '../shared/json-bytes.ts';
import { objectsIn } from '../shared/json-shape.ts';
import { compatible } from './compatible.ts';
import { editablesIn, isEditable } from './editable-json.ts';
import { textEmbeddings } from './embeddings.ts';
import { endpointsAt } from './endpoints.ts';
import { readError } from './error-body.ts';
import { rateLimited } from './failure-from.ts';
import { together } from './field-edits.ts';
import type { FieldEdit, JsonObject } from './provider.ts';
import { effortOf, isOff } from './reasoning-effort.ts';
import { shortenToolIds } from './short-tool-id.ts';

/** Mistral answers 422 to any field it does not know, in messages too. */
const FIELDS: readonly string[] = [
  'model',
  'messages',
  'temperature',
  'top_p',
  'max_tokens',
  'stream',
  'stop',
  'random_seed',
  'response_format',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'presence_penalty',
  'frequency_penalty',
  'n',
  'prediction',
  'prompt_mode',
  'reasoning_effort',
  'safe_prompt',
];
const MESSAGE_FIELDS: readonly string[] = ['role', 'content', 'tool_calls', 'tool_call_id', 'name', 'prefix'];

/** Reasoning effort is known as "high" or not at all, by the small and medium models of 2026. */
function effortEdit(index: JsonIndex, model: string): FieldEdit | undefined {
  if (!index.has('reasoning_effort')) return undefined;
  const effort = effortOf(index);
  if (!/^mistral-(?:small|medium)/.test(model) || effort === null || isOff(effort)) {
    return { remove: ['reasoning_effort'], changes: ['reasoning_effort removed'] };
  }
  return effort === 'high'
    ? undefined
    : { set: { reasoning_effort: 'high' }, changes: [`reasoning_effort ${effort} → high`] };
}

const toolChoiceEdit = (index: JsonIndex): FieldEdit | undefined =>
  index.get('tool_choice') === 'required'
    ? { set: { tool_choice: 'any' }, changes: ['tool_choice required → any'] }
    : undefined;

/** Content as a list of text and thinking becomes what everyone reads: text beside `reasoning_content`. */
function flattenContent(message: unknown): boolean {
  if (!isEditable(message) || !Array.isArray(message.content)) return false;
  const parts = objectsIn(message.content);
  const textOf = (value: unknown): string =>
    typeof value === 'string'
      ? value
      : objectsIn(value)
          .map((part) => (typeof part.text === 'string' ? part.text : ''))
          .join('');
  const thinking = parts.filter((part) => part.type === 'thinking').map((part) => textOf(part.thinking));
  const text = parts.filter((part) => part.type === 'text').map((part) => textOf(part.text));
  // A list of anything else, such as references, is left for the client to read.
  if (parts.length !== thinking.length + text.length || parts.length !== message.content.length) return false;
  message.content = text.join('');
  if (thinking.length > 0) message.reasoning_content = thinking.join('');
  return true;
}

const FINISH: Readonly<Record<string, string>> = { model_length: 'length', error: 'stop' };

function adapt(body: JsonObject): boolean {
  let isChanged = false;
  for (const choice of editablesIn(body.choices)) {
    if (flattenContent(choice.message)) isChanged = true;
    if (flattenContent(choice.delta)) isChanged = true;
    const reason = choice.finish_reason;
    const common = typeof reason === 'string' && Object.hasOwn(FINISH, reason) ? FINISH[reason] : undefined;
    if (common === undefined) continue;
    choice.finish_reason = common;
    isChanged = true;
  }
  return isChanged;
}

export const mistral = compatible(
  {
    id: 'mistral',
    title: 'Mistral AI',
    baseUrl: 'https://api.mistral.ai/v1',
    keyEnv: ['MISTRAL_API_KEY'],
    key: 'required',
    tier: 3,
    keyUrl: 'https://console.mistral.ai/api-keys',
    // Usage comes in the last chunk, unasked.
    streamUsage: false,
    rateHeaders: { requestsPerMinute: 'x-ratelimit-*-req-minute', tokensPerMinute: 'x-ratelimit-*-tokens-minute' },
    bodyRules: { rename: { seed: 'random_seed' }, allow: FIELDS },
    editFields: (index, context) => together(effortEdit(index, context.model), toolChoiceEdit(index)),
    classify: (reply) => {
      // How a plan without the model says so; the words are those of any other 429.
      const isAbsent = reply.status === 429 && reply.headers.get('x-ratelimit-limit-req-minute')?.trim() === '0';
      return isAbsent ? rateLimited(readError(reply), null, { isPermanent: true }) : undefined;
    },
    replyMarks: ['"thinking"', '"type":"text"', '"type": "text"', '"model_length"', '"error"'],
    embeddings: {
      ...textEmbeddings,
      edit: (index) =>
        together(
          ...['input_type', 'user'].map((name) =>
            index.has(name) ? { remove: [name], changes: [`${name} removed`] } : undefined,
          ),
          index.has('dimensions')
            ? {
                set: { output_dimension: index.get('dimensions') },
                remove: ['dimensions'],
                changes: ['dimensions → output_dimension'],
              }
            : undefined,
        ),
    },
    endpoints: endpointsAt('transcriptions', 'moderations'),
    adaptReply: adapt,
    adaptEvents: () => adapt,
  },
  [
    shortenToolIds,
    {
      // What other vendors, and this one through rotator, put into an assistant's message, and clients send back.
      marks: ['"reasoning_content"', '"reasoning"', '"refusal"', '"annotations"', '"audio"', '"function_call"'],
      apply: (message) => {
        const unknown = Object.keys(message).filter((key) => !MESSAGE_FIELDS.includes(key));
        for (const key of unknown) delete message[key];
        return unknown.length > 0 ? `messages[].${unknown.join(', ')} removed` : undefined;
      },
    },
  ],
);
