import { countOr, isObject, objectsIn } from '../shared/json-shape.ts';
import { holds } from '../shared/byte-search.ts';
import { readError } from './error-body.ts';
import { billing, forbidden } from './failure-from.ts';
import { modelRows, readRows } from './model-list.ts';
import type { Provider } from './provider.ts';

/** As JSON writers put it, without spaces and with one. */
const UNSIGNED = ['"signature":""', '"signature": ""'] as const;

const isUnsigned = (part: unknown) => isObject(part) && part.type === 'thinking' && part.signature === '';

/** Fields that the counter of tokens takes; it refuses all others. */
const COUNTED: readonly string[] = ['model', 'messages', 'system', 'tools', 'tool_choice', 'thinking', 'mcp_servers'];

export const anthropic = {
  id: 'anthropic',
  title: 'Anthropic',
  protocol: 'anthropic-messages',
  baseUrl: 'https://api.anthropic.com/v1',
  keyEnv: ['ANTHROPIC_API_KEY'],
  key: 'required',
  tier: 1,
  keyUrl: 'https://platform.claude.com/settings/keys',
  paths: { models: '/models?limit=1000' },
  authorize: (headers, key) => headers.set('x-api-key', key.reveal()),
  // Of several token limits the first that is short is told; they are renewed continuously.
  rateHeaders: {
    requestsPerMinute: 'anthropic-ratelimit-requests-*',
    tokensPerMinute: 'anthropic-ratelimit-tokens-*',
  },
  // Thoughts of another vendor's model, from earlier in the conversation: nobody has signed them, and they are refused.
  editFields: (index) => {
    const messages = index.slice('messages');
    if (!UNSIGNED.some((mark) => holds(messages, mark))) return undefined;
    const turns = objectsIn(index.get('messages'));
    const kept = turns.flatMap((turn) => {
      if (!Array.isArray(turn.content)) return [turn];
      const content = turn.content.filter((part) => !isUnsigned(part));
      return content.length === 0 && turn.content.length > 0 ? [] : [{ ...turn, content }];
    });
    return Bun.deepEquals(kept, turns)
      ? undefined
      : { set: { messages: kept }, changes: ['unsigned thinking removed'] };
  },
  counting: {
    path: '/messages/count_tokens',
    body: (request, model) => ({
      ...Object.fromEntries(Object.entries(request).filter(([name]) => COUNTED.includes(name))),
      model,
    }),
    read: (reply) => countOr(reply.input_tokens),
  },
  classify: (reply) => {
    const error = readError(reply);
    // Out of credit is a 400 here, told by its words alone.
    if (error.status === 400 && /credit balance is too low/i.test(error.text)) return billing(error);
    if (error.status === 403 && /request not allowed|not available in your (region|country)/i.test(error.text)) {
      return forbidden(error, 'model');
    }
    return undefined;
  },
  readModels: (page) => {
    const models = readRows(modelRows(page), (row) => {
      const created = typeof row.created_at === 'string' ? Date.parse(row.created_at) / 1000 : Number.NaN;
      return Number.isFinite(created) && created > 0 ? { created: Math.floor(created) } : {};
    });
    const last = isObject(page) && page.has_more === true ? page.last_id : null;
    return {
      models,
      ...(typeof last === 'string' && { next: `/models?limit=1000&after_id=${encodeURIComponent(last)}` }),
    };
  },
} satisfies Provider;
