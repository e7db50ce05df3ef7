import type { LoggedRequest } from '../../src/observe/request-record.ts';
import type { RequestQuery, UsageRow } from '../../src/store/database.ts';

export const START = Date.UTC(2026, 0, 1, 12, 30);

export const usageRow = (row: Partial<UsageRow> = {}): UsageRow => ({
  at: START,
  provider: 'groq',
  credential: 'groq-1a2b3c4d5e',
  model: 'llama-3',
  client: null,
  requests: 1,
  failures: 0,
  inputTokens: 10,
  outputTokens: 5,
  cachedTokens: null,
  reasoningTokens: null,
  costUsd: null,
  ...row,
});

export const loggedRequest = (row: Partial<LoggedRequest> = {}): LoggedRequest => ({
  id: 'req-1',
  at: START,
  client: null,
  model: 'groq/llama-3',
  target: 'groq/llama-3',
  credential: 'groq-1a2b3c4d5e',
  status: 200,
  failure: null,
  isStream: false,
  queueMs: 0.5,
  firstByteMs: null,
  totalMs: 120.5,
  overheadMs: 0.2,
  inputTokens: 10,
  outputTokens: 5,
  cachedTokens: null,
  reasoningTokens: null,
  costUsd: null,
  attempts: [
    { target: 'groq/llama-3', credential: 'groq-1a2b3c4d5e', status: 200, failure: null, ms: 119, error: null },
  ],
  ...row,
});

export const everything: RequestQuery = { limit: 1_000_000, failedOnly: false, before: null, after: null };
