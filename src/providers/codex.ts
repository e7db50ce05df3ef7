import { JsonIndex } from '../shared/json-bytes.ts';
import { isObject, objectsIn } from '../shared/json-shape.ts';
import { holds } from '../shared/byte-search.ts';
import { readError } from './error-body.ts';
import { forbidden, overloaded, rateLimited } from './failure-from.ts';
import type { FieldEdit, Provider } from './provider.ts';
import type { QuotaReading } from './quota-poll.ts';
import { readWaitHint } from './wait-hint.ts';

/** Answered with 400 here, though the public API takes them. */
const REFUSED = [
  'max_output_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'truncation',
  'user',
  'prompt_cache_retention',
  'prompt_cache_options',
  'safety_identifier',
  'stream_options',
  'previous_response_id',
  'context_management',
];

const ENCRYPTED = 'reasoning.encrypted_content';

/** Streams only, keeps nothing, and wants instructions, if only empty ones. */
function editBody(index: JsonIndex): FieldEdit | undefined {
  const remove = REFUSED.filter((name) => index.has(name));
  const tier = index.get('service_tier');
  if (index.has('service_tier') && tier !== 'priority') remove.push('service_tier');
  const set: Record<string, unknown> = {};
  const changes = remove.map((name) => `${name} removed`);
  if (index.get('stream') !== true) set.stream = true;
  if (index.get('store') !== false) set.store = false;
  if (typeof index.get('instructions') !== 'string') set.instructions = '';
  if (typeof index.get('parallel_tool_calls') !== 'boolean') set.parallel_tool_calls = true;
  const include = index.get('include');
  const included = Array.isArray(include) ? include : [];
  if (!included.includes(ENCRYPTED)) set.include = [...included, ENCRYPTED];
  const reasoning = index.get('reasoning');
  if (!isObject(reasoning)) set.reasoning = { effort: 'medium' };
  else if (reasoning.effort === undefined || reasoning.effort === null)
    set.reasoning = { ...reasoning, effort: 'medium' };
  const input = index.get('input');
  if (typeof input === 'string') {
    set.input = [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: input }] }];
  } else if (holds(index.slice('input'), '"system"')) {
    const items = objectsIn(input);
    if (items.some(({ role }) => role === 'system')) {
      set.input = items.map((item) => (item.role === 'system' ? { ...item, role: 'developer' } : item));
      changes.push('input[].role system → developer');
    }
  }
  return remove.length > 0 || Object.keys(set).length > 0 ? { set, remove, changes } : undefined;
}

const PREFIX = 'x-codex-';

/** `x-codex-primary-*` is the window of five hours, `x-codex-secondary-*` that of the week; shares in percent. */
function readQuota(headers: Headers, now: number): QuotaReading | null {
  const windows = ['primary', 'secondary'].flatMap((which): QuotaReading['windows'] => {
    const number = (name: string) => {
      const text = headers.get(`${PREFIX}${which}-${name}`);
      const value = text === null || text.trim() === '' ? Number.NaN : Number(text);
      return Number.isFinite(value) && value >= 0 ? value : null;
    };
    const used = number('used-percent');
    if (used === null) return [];
    const minutes = number('window-minutes');
    const after = number('reset-after-seconds');
    return [
      {
        scope: { kind: 'key' },
        name: minutes === null ? which : windowName(minutes),
        unit: 'percent',
        lengthMs: minutes === null ? null : minutes * 60_000,
        used: Math.min(used, 100),
        limit: 100,
        remaining: Math.max(0, 100 - used),
        resetAt: after === null ? null : now + after * 1000,
      },
    ];
  });
  return windows.length > 0 ? { windows } : null;
}

function windowName(minutes: number): string {
  // The vendor counts a minute less at times.
  if (Math.abs(minutes - 7 * 24 * 60) <= 60) return 'week';
  return minutes >= 60 ? `${Math.round(minutes / 60)}h` : `${minutes}m`;
}

/** OpenAI's models with a ChatGPT plan. */
export const codex: Provider = {
  id: 'codex',
  names: ['chatgpt'],
  title: 'Codex (ChatGPT)',
  protocol: 'openai-responses',
  baseUrl: 'https://chatgpt.com/backend-api/codex',
  keyEnv: [],
  key: 'account',
  tier: null,
  models: [
    'gpt-6.1-sol',
    'gpt-6.1-terra',
    'gpt-6-sol',
    'gpt-6-luna',
    'gpt-6-astra',
    'gpt-5.6-sol',
    'gpt-5.6-terra',
    'gpt-5.6-luna',
    'gpt-5.3-codex',
    'gpt-5.3-codex-spark',
  ].map((id) => ({ id, ownedBy: 'openai' })),
  editFields: (index, context) => (context.protocol === 'openai-responses' ? editBody(index) : undefined),
  accounts: {
    headers: (headers, { account, conversation, version }) => {
      if (account.account_id !== undefined) headers.set('chatgpt-account-id', account.account_id);
      headers.set('originator', 'rotator');
      headers.set('version', version);
      headers.set('accept', 'text/event-stream');
      if (conversation !== null) headers.set('session-id', conversation);
    },
    wrap: (body, { conversation, account, model }) => {
      const asked = JsonIndex.of(body);
      if (!asked) return body;
      const set: Record<string, unknown> = {};
      // The prompts of one conversation are cached together.
      if (conversation !== null && !asked.has('prompt_cache_key')) set.prompt_cache_key = conversation;
      // Refused with the whole request.
      const paintsNot = account.tier === 'free' || /-spark$/.test(model);
      if (paintsNot && holds(asked.slice('tools'), '"image_generation"')) {
        set.tools = objectsIn(asked.get('tools')).filter(({ type }) => type !== 'image_generation');
      }
      return Object.keys(set).length > 0 ? asked.edit({ set }) : body;
    },
  },
  quotaHeaders: readQuota,
  classify: (reply) => {
    const error = readError(reply);
    if ([error.type, error.code].includes('usage_limit_reached')) {
      return rateLimited(error, readWaitHint(reply, error), { isQuota: true, scope: 'credential' });
    }
    // Another account's plan may have it.
    if (error.status === 400 && /model is not supported when using codex/i.test(error.text)) {
      return forbidden(error, 'model');
    }
    return /selected model is at capacity/i.test(error.text)
      ? overloaded(error, readWaitHint(reply, error))
      : undefined;
  },
};
