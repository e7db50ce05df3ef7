/** Variables that have no place in rotator.yaml, and why. */
import { type Rule, skip } from './outcome.ts';

type Reasons = readonly (readonly [pattern: RegExp, reason: string])[];

const FROM_ENVIRONMENT = 'rotator takes it from the environment it is started in; export it there';

const surroundings: Reasons = [
  [/^ROTATOR_(?!LIBRARY_)/, FROM_ENVIRONMENT],
  [/^(?:HTTPS?|ALL|NO)_PROXY$/i, FROM_ENVIRONMENT],
];

const reasons: Reasons = [
  [/^EXHAUSTION_COOLDOWN_THRESHOLD$/, 'it had no effect; providers.X.fair_cycle.threshold is for one provider'],
  [/^TRANSIENT_RETRY_(?:DELAY|JITTER)$/, 'how long rotator waits before it tries the same key again cannot be set'],
  [/^STREAM_RETRY_ON_REASONING_ONLY$/, 'what a client has seen, reasoning too, is never sent again'],
  [/^TIMEOUT_WRITE$/, 'sending a request is part of timeouts.first_byte and timeouts.total'],
  [/^TIMEOUT_POOL$/, 'nothing waits for a connection of its own; timeouts.acquire is the wait for a key'],
  [/^STREAM_CANCEL_UPSTREAM_ON_DISCONNECT$/, 'a client that goes away always ends the upstream call'],
  [/^STREAM_TRACE_METRICS$/, 'times are measured for every request'],
  [/^OAUTH_REFRESH_INTERVAL$/, 'a token is renewed when it is about to end, without an interval'],
  [/^SKIP_OAUTH_INIT_CHECK$/, 'rotator never asks for a login when it starts'],
  [/_(?:QUOTA_)?REFRESH_INTERVAL$/, 'rotator has its own pace of asking for quotas; status --refresh asks at once'],
  [/^PROVIDER_(?:COOLDOWN|BACKOFF)_/, 'rotator has a breaker per provider and model instead, which cannot be set'],
  [/^FAILURE_HISTORY_MAX_ENTRIES$/, 'rotator keeps requests in its database, as long as storage.retention says'],
  [/^QUOTA_NO_RESET_/, 'a quota without a time of reset rests as rotation.cooldowns says'],
  [/^(?:SESSION_STICKY_WAIT_SECONDS|TRUSTED_SESSION_ID_FIELDS)$/, 'rotation.affinity has one rule for all sessions'],
  [/^PROVIDER_CACHE_/, 'it had no effect, and rotator has no such cache'],
  [
    /^(?:GEMINI_CLI|ANTIGRAVITY)_(?:.*SIGNATURE|ENABLE_|GEMINI3_|PRESERVE_)/,
    'rotator keeps signatures and tools as they come',
  ],
  [/^(?:LLM_PROXY|PROXY)_CONFIG_FILE$/, 'that file is not read; what it says has to be said in rotator.yaml by hand'],
  [/^RESPONSES_STORE_/, 'the store of Responses is rotator’s own'],
  [/LITELLM/, 'there is no LiteLLM in rotator'],
  [
    /^(?:AUTH_MODE|API_TOKEN_PEPPER|SESSION_SECRET|SESSION_TTL.*|INITIAL_ADMIN_(?:USERNAME|PASSWORD)|COOKIE_.*|APP_ENV)$/,
    'rotator has no users with passwords; client keys are in server.client_keys',
  ],
  [/^ROTATOR_LIBRARY_FINGERPRINT_KEY$/, 'ids of keys are made without a secret'],
  [/^USE_DYNAMIC_CHAIN$/, 'the order of fallbacks is that of the tiers, or of an alias with strategy: fastest'],
];

const rulesOf = (all: Reasons): readonly Rule[] =>
  all.map(([pattern, reason]) => ({ pattern, translate: () => [skip(reason)] }));

/** Whatever they end in: `ROTATOR_API_KEY` is no key of a provider. */
export const surroundingRules = rulesOf(surroundings);

/** Their patterns are wide, so whatever has a place goes before them. */
export const retiredRules = rulesOf(reasons);
