import type { Client, GatewayCall } from '../../src/gateway/gateway.ts';
import type { CredentialView, EngineEvent, Operations, RequestView } from '../../src/gateway/operations.ts';
import type { ModelCard } from '../../src/models/card.ts';
import type { CountedInput } from '../../src/models/token-count.ts';
import { EventFeed } from '../../src/observe/event-feed.ts';
import { clientKey } from '../../src/server/client-keys.ts';
import type { ServerDeps } from '../../src/server/deps.ts';
import { createFetch, type Peer } from '../../src/server/fetch.ts';
import type { ServerSettings } from '../../src/server/settings.ts';
import { Secret } from '../../src/shared/secret.ts';
import { ManualClock } from '../support/manual-clock.ts';

export const CLIENT_KEY = 'sk-rotator-client';
export const ADMIN_TOKEN = 'rotator-admin-token';

export type LogLine = {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown> | undefined;
};

const view: CredentialView = {
  id: 'groq-1a2b3c4d5e',
  provider: 'groq',
  label: null,
  kind: 'api_key',
  masked: 'gsk_…abcd',
  source: 'config',
  enabled: true,
  priority: 10,
  state: 'ready',
  in_flight: 0,
  blocks: [],
  usage: { requests: 0, failures: 0, input_tokens: 0, output_tokens: 0, cost_usd: null },
};

const cards: readonly ModelCard[] = [
  { id: 'groq/llama-3', created: 1_700_000_000, ownedBy: 'groq', contextLength: 8192, maxOutputTokens: 4096 },
  { id: 'openrouter/meta/llama-3:free', created: 0, ownedBy: 'openrouter' },
];

/** The server on hand-written ports, with a record of what reached them. */
export function fakeServer(overrides: { settings?: Partial<ServerSettings>; deps?: Partial<ServerDeps> } = {}) {
  const calls: GatewayCall[] = [];
  const operated: string[] = [];
  const listed: Client[] = [];
  const counted: CountedInput[] = [];
  const lines: LogLine[] = [];
  const settings: ServerSettings = {
    host: '127.0.0.1',
    clientKeys: [clientKey('laptop', new Secret(CLIENT_KEY))],
    cors: [],
    allowedHosts: [],
    maxBodyBytes: 1000,
    exposeRoute: false,
    adminToken: new Secret(ADMIN_TOKEN),
    ...overrides.settings,
  };
  let isEnabled = true;
  const events = new EventFeed<EngineEvent>((count) => ({ type: 'events-missed', at: '2026-01-01T00:00:00Z', count }));
  const operations: Operations = {
    keys: async () => [{ ...view, enabled: isEnabled }],
    setEnabled: async (id, wanted) => {
      operated.push(`${wanted ? 'enable' : 'disable'} ${id}`);
      if (id !== view.id) return false;
      isEnabled = wanted;
      return true;
    },
    reset: async (ids) => {
      operated.push(`reset ${ids}`);
      return ids !== 'all' && ids.includes(view.id);
    },
    test: async (id) => (id === view.id ? { id, ok: true, status: 200, result: 'ok', message: 'served', ms: 3 } : null),
    testRoute: async (model, options) =>
      model === 'groq/llama-3'
        ? { model, resolved: 'provider', would_serve: null, targets: [], attempts: options.isLive ? [ATTEMPT] : [] }
        : { unknown: model, message: `model "${model}" is not known`, hint: 'Did you mean groq/llama-3?' },
    status: async () => ({
      version: '1.2.3',
      started_at: '2026-01-01T00:00:00Z',
      config: null,
      state: null,
      in_flight: 0,
      pending_login: null,
      waiting: 0,
      today: { since: '2026-01-01T00:00:00.000Z', ...NO_USAGE },
      providers: [],
      keys: [{ ...view, rejections: 0, windows: [], caps: [], groups: [], today: NO_USAGE }],
      problem: null,
      clients: [],
    }),
    providers: async () => [
      {
        id: 'groq',
        title: 'Groq',
        tier: 2,
        protocol: 'openai-chat',
        status: 'ready',
        credentials: { total: 1, ready: 1, busy: 0, blocked: 0, disabled: 0 },
        next_available_at: null,
        models: 1,
        fallback: [],
      },
    ],
    models: async () => ({ models: [], errors: [] }),
    tryRules: async () => ({ models: [], errors: [] }),
    usage: async (query) => {
      operated.push(`usage by ${query.by} since ${new Date(query.since).toISOString()}`);
      return { by: query.by, since: new Date(query.since).toISOString(), rows: [], total: NO_USAGE };
    },
    requests: async (query) => {
      operated.push(`requests ${JSON.stringify(query)}`);
      return [LOGGED];
    },
    request: async (id) => (id === LOGGED.id ? LOGGED : null),
    events: (signal) => events.subscribe(signal),
    refreshQuota: async () => ({ refreshed: [], unsupported: ['groq'], errors: [] }),
    reload: async () => null,
  };
  const line = (level: string) => (message: string, fields?: Record<string, unknown>) => {
    lines.push({ level, message, fields });
  };
  const deps: ServerDeps = {
    settings: () => settings,
    gateway: {
      handle: async (call) => {
        calls.push(call);
        return Response.json({ id: 'chatcmpl-1' });
      },
    },
    operations,
    models: {
      list: async (client) => {
        listed.push(client);
        return cards;
      },
      priceOf: async (_, model) => {
        if (model === 'groq/secret') return { problem: { kind: 'forbidden', status: 403, message: 'not for you' } };
        return model === 'groq/llama-3'
          ? { price: { input: 2, output: 10, cacheRead: 0.2, cacheWrite: 2.5 }, source: 'packaged' }
          : { price: null, source: 'unknown' };
      },
    },
    instance: 'instance-hash',
    version: '1.2.3',
    clock: new ManualClock(),
    log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
    responses: () => null,
    countTokens: async () => ({ tokens: 1, source: 'estimate' }),
    metrics: async () => ({ text: 'rotator_in_flight 0\n', contentType: 'text/plain; version=0.0.4' }),
    isReady: () => true,
    ...overrides.deps,
  };
  const fetch = createFetch(deps);
  return {
    deps,
    settings,
    calls,
    operated,
    listed,
    counted,
    lines,
    events,
    serverFetch: fetch,
    /** Like a socket would: the Host header is that of the URL unless the test says otherwise. */
    send: (path: string, init: RequestInit = {}, peer: Peer = { address: '127.0.0.1' }) =>
      fetch(new Request(path.startsWith('http') ? path : `http://127.0.0.1:8000${path}`, init), peer),
  };
}

const NO_USAGE = {
  requests: 0,
  failures: 0,
  input_tokens: 0,
  output_tokens: 0,
  cached_tokens: 0,
  reasoning_tokens: 0,
  cost_usd: null,
};

const LOGGED: RequestView = {
  seq: 7,
  id: 'req-1',
  at: '2026-01-01T00:00:00.000Z',
  client: null,
  model: 'groq/llama-3',
  target: 'groq/llama-3',
  credential: view.id,
  status: 200,
  failure: null,
  stream: false,
  queue_ms: 0,
  first_byte_ms: null,
  total_ms: 12,
  overhead_ms: 0.2,
  input_tokens: 1,
  output_tokens: 2,
  cached_tokens: null,
  reasoning_tokens: null,
  cost_usd: null,
  attempts: [{ target: 'groq/llama-3', credential: view.id, status: 200, failure: null, ms: 11, error: null }],
};

const ATTEMPT = { target: 'groq/llama-3', credential: view.id, status: 200, failure: null, ms: 5 };

/** With the client key, for the routes that need one. */
export const withKey = (headers: Record<string, string> = {}) => ({
  headers: { authorization: `Bearer ${CLIENT_KEY}`, ...headers },
});

export const withAdmin = (headers: Record<string, string> = {}) => ({
  headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...headers },
});

/** A chat request's parts. */
export const chat = (
  headers: Record<string, string> = {},
  body: NonNullable<RequestInit['body']> = '{"model":"groq/llama-3"}',
) => ({
  method: 'POST',
  body,
  headers: { authorization: `Bearer ${CLIENT_KEY}`, 'content-type': 'application/json', ...headers },
});
