import type {
  BlockView,
  ClientReport,
  CredentialReport,
  ProviderReport,
  StatusReport,
  UsageTotals,
  WindowReport,
} from '../../../src/gateway/operations.ts';

export const NOW = Date.UTC(2026, 0, 1, 12);
const SECOND = 1000;
const HOUR = 3_600_000;
const at = (ms: number) => new Date(NOW + ms).toISOString();

export const used = (requests = 0, failures = 0, tokens = 0): UsageTotals => ({
  requests,
  failures,
  input_tokens: tokens,
  output_tokens: tokens / 10,
  cached_tokens: 0,
  reasoning_tokens: 0,
  cost_usd: null,
});

export const block = (scope: string, ms: number | null, kind = 'rate_limit'): BlockView => ({
  scope,
  kind,
  until: ms === null ? null : at(ms),
  reason: 'said the provider',
  source: 'retry-after',
});

export const minute = (left: number, limit = 10, ms = 41 * SECOND): WindowReport => ({
  scope: 'key',
  name: 'rpm',
  unit: 'requests',
  used: limit - left,
  limit,
  remaining: left,
  reset_at: at(ms),
  room_at: left < 1 ? at(ms) : null,
  source: 'learned',
});

export const key = (id: string, more: Partial<CredentialReport> = {}): CredentialReport => ({
  id,
  provider: 'gemini',
  label: null,
  kind: 'api_key',
  masked: 'AIza…9xQ2',
  source: 'config',
  enabled: true,
  priority: 10,
  state: 'ready',
  in_flight: 0,
  blocks: [],
  rejections: 0,
  windows: [],
  caps: [],
  groups: [],
  today: used(),
  usage: { requests: 0, failures: 0, input_tokens: 0, output_tokens: 0, cost_usd: null },
  ...more,
});

export const provider = (id: string, more: Partial<ProviderReport> = {}): ProviderReport => ({
  id,
  title: id,
  tier: null,
  protocol: 'openai-chat',
  status: 'ready',
  credentials: { total: 0, ready: 0, busy: 0, blocked: 0, disabled: 0 },
  next_available_at: null,
  models: 3,
  fallback: [],
  blocks: [],
  waiting: 0,
  today: used(),
  ...more,
});

/** Somebody's five keys of the free tier, in the afternoon. */
export const freeTier: StatusReport = {
  version: '1.2.3',
  started_at: at(-2 * HOUR),
  config: null,
  state: null,
  in_flight: 1,
  waiting: 2,
  pending_login: null,
  today: { since: at(-12 * HOUR), ...used(1204, 12, 1_234_567) },
  providers: [provider('gemini', { waiting: 2, today: used(1204, 12, 1_234_567) }), provider('groq')],
  keys: [
    key('gemini-3c4d5e6f70', { label: 'school', state: 'blocked', blocks: [block('key', 3 * HOUR, 'quota')] }),
    key('gemini-1a2b3c4d5e', {
      label: 'work',
      in_flight: 1,
      state: 'busy',
      windows: [minute(7), { ...minute(240, 250, 3 * HOUR), name: 'rpd' }],
      today: used(10, 1, 1000),
    }),
    key('gemini-4d5e6f7081', { state: 'blocked', blocks: [block('key', 41 * SECOND)] }),
    key('gemini-2b3c4d5e6f', {
      blocks: [block('model:gemini-2.5-pro', 3 * HOUR, 'quota'), block('group:flash', 41 * SECOND)],
      windows: [minute(0), { ...minute(10), scope: 'model:unused' }, { ...minute(9), scope: 'model:gemini-2.5-flash' }],
    }),
    key('gemini-5e6f708192', { state: 'disabled', enabled: false }),
  ],
  problem: null,
  clients: [],
};

/** Two applications: one within its limits, one that has used up its minute. */
export const limitedClients: readonly ClientReport[] = [
  {
    name: 'laptop',
    windows: [
      { ...minute(57, 60), source: 'config' },
      {
        scope: 'key',
        name: 'usd_per_day',
        unit: 'usd',
        used: 4.2,
        limit: 5,
        remaining: 0.8,
        reset_at: at(9 * HOUR),
        room_at: null,
        source: 'config',
      },
    ],
  },
  { name: 'ci', windows: [{ ...minute(0, 1), source: 'config' }] },
];
