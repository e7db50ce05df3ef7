import { type ErrorFacts, oneLine, readError } from './error-body.ts';
import {
  badRequest,
  billing,
  contextTooLong,
  forbidden,
  keyRejected,
  modelMissing,
  overloaded,
  rateLimited,
  unclassified,
  upstreamError,
} from './failure-from.ts';
import type { Failure } from './failure.ts';
import { limitWindow } from './limit-window.ts';
import type { Ceiling, ErrorReply, LearnedLimits, Provider } from './provider.ts';
import { readRateHeaders } from './rate-headers.ts';
import { readWaitHint } from './wait-hint.ts';

/**
 * What an error reply means: any status from 300 on, or an error found inside a 200. The vendor is asked first, then the
 * common reading, in which statuses and codes decide, and words only where vendors give nothing else. Never throws.
 */
export function classifyReply(provider: Provider, reply: ErrorReply): Failure {
  const own = provider.classify?.(reply);
  // A vendor's hook may have put words together itself; nothing leaves here unredacted.
  if (own) return { ...own, message: oneLine(own.message) };
  return classifyCommon(provider, reply);
}

function classifyCommon(provider: Provider, reply: ErrorReply): Failure {
  const error = readError(reply);
  const wait = () => readWaitHint(reply, error);
  if (isChallenge(reply, error)) return overloaded(error, wait() ?? { ms: CHALLENGE_MS, source: 'challenge' });
  if (saysBilling(error)) return billing(error);
  if (saysKeyRejected(error)) return keyRejected(error);
  if (saysOverloaded(error)) return overloaded(error, wait());
  switch (error.status) {
    case 400:
    case 413:
    case 422:
      if (saysContextTooLong(error)) return contextTooLong(error);
      return namesMissingModel(error, reply.model) ? modelMissing(error) : badRequest(error);
    case 401:
      return keyRejected(error);
    case 402:
      return billing(error);
    case 403:
      // No API of a vendor answers with a page: something in between does, and it does not know the key.
      if (error.isPage) return upstreamError(error);
      return forbidden(error, saysModelOrRegion(error, reply.model) ? 'model' : 'credential');
    case 404:
    case 410:
      // A path that is not there is a wrong base URL: the same on every key, and no model's fault.
      return namesMissingModel(error, reply.model) ? modelMissing(error) : upstreamError(error);
    // The wrong method or path, and conflicts that pass by themselves.
    case 405:
    case 408:
    case 409:
    case 425:
      return upstreamError(error);
    case 429:
      return rateLimited(error, wait(), {
        window: limitWindow(error) ? undefined : emptyWindow(readRateHeaders(reply.headers, provider, reply.now)),
      });
    case 529:
      return overloaded(error, wait());
    default:
      if (error.status >= 400 && error.status < 500) return unclassified(error);
      // 5xx; and 3xx: redirects are refused, because a key would follow them.
      return upstreamError(error);
  }
}

const CHALLENGE_MS = 10_000;

/** Cloudflare asks for a browser: about this machine's address, not about the key. */
function isChallenge(reply: ErrorReply, error: ErrorFacts): boolean {
  if (reply.headers.get('cf-mitigated') === 'challenge') return true;
  return error.isPage && /challenge-platform|cf-chl|Just a moment|Attention Required!/i.test(reply.text);
}

const BILLING_CODES: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'billing_not_active',
  'billing_hard_limit_reached',
  'insufficient_balance',
  'insufficient_credits',
]);

function saysBilling(error: ErrorFacts): boolean {
  return hasWord(error, BILLING_CODES);
}

const KEY_CODES: ReadonlySet<string> = new Set(['invalid_api_key', 'UNAUTHENTICATED']);
const KEY_REASONS: ReadonlySet<string> = new Set(['API_KEY_INVALID', 'API_KEY_EXPIRED', 'ACCESS_TOKEN_EXPIRED']);

/** Google answers a wrong key with 400; only the reason tells it from a wrong request. */
function saysKeyRejected(error: ErrorFacts): boolean {
  return hasWord(error, KEY_CODES) || error.details.some((detail) => KEY_REASONS.has(String(detail.reason)));
}

const OVERLOAD_CODES: ReadonlySet<string> = new Set([
  'overloaded_error',
  'engine_overloaded_error',
  'server_is_overloaded',
  'queue_exceeded',
  'capacity_exceeded',
  'service_tier_capacity_exceeded',
  'MODEL_CAPACITY_EXHAUSTED',
]);

function saysOverloaded(error: ErrorFacts): boolean {
  if (hasWord(error, OVERLOAD_CODES)) return true;
  if (error.details.some((detail) => detail.reason === 'MODEL_CAPACITY_EXHAUSTED')) return true;
  return error.status === 503 && /overloaded|capacity|currently loading|high demand|too busy/i.test(error.text);
}

/** Where the words name no limit, the headers may: the one with nothing left, and of two the longer. */
function emptyWindow(learned: LearnedLimits | null): 'minute' | 'day' | undefined {
  const isEmpty = (...ceilings: (Ceiling | undefined)[]) => ceilings.some((ceiling) => ceiling?.remaining === 0);
  if (isEmpty(learned?.requestsPerDay, learned?.tokensPerDay)) return 'day';
  return isEmpty(learned?.requestsPerMinute, learned?.tokensPerMinute) ? 'minute' : undefined;
}

const CONTEXT_CODES: ReadonlySet<string> = new Set([
  'context_length_exceeded',
  'context_window_exceeded',
  'exceed_context_size_error',
  'request_too_large_for_context',
]);

// The words of OpenAI and vLLM, Anthropic, Google, Mistral, Cohere, Moonshot, Ollama, LM Studio, llama.cpp, TGI and
// DashScope, in this order where they differ. Requests pass through aggregators, so that any vendor's words can come
// from any host; each has a recorded body among the fixtures.
const CONTEXT_WORDS: readonly RegExp[] = [
  /maximum context length/i,
  /prompt is too long/i,
  /token count .{0,40}exceeds the maximum number of tokens/i,
  /too large for model with \d+ maximum context/i,
  /too many tokens: .{0,80}cannot exceed/i,
  /exceeded model token limit/i,
  /(?:exceeds?|overflows?|exceeding|larger than) (?:the |this |its )?(?:model'?s? |available |maximum )*context (?:length|window|size)/i,
  /loaded with (?:a )?context length of only/i,
  /`inputs` tokens \+ `max_new_tokens` must be/i,
  /Range of input length should be/i,
];

/** Vendors without the code are known by their words. */
function saysContextTooLong(error: ErrorFacts): boolean {
  return hasWord(error, CONTEXT_CODES) || CONTEXT_WORDS.some((words) => words.test(error.text));
}

const MODEL_CODES: ReadonlySet<string> = new Set([
  'model_not_found',
  'model_not_supported',
  'model_decommissioned',
  'model_not_available',
  'invalid_model',
]);

const MODEL_WORDS =
  /\bmodels?\b.{0,160}?(?:(?:not|n't) (?:be )?(?:found|exist|supported|available)|does not exist|unknown|decommissioned|is not a valid)|\b(?:unknown|invalid|no such) model\b|not a valid model|model not exist/i;

/** Only a reply that speaks of the model: a wrong path is 404 too. */
function namesMissingModel(error: ErrorFacts, model: string): boolean {
  if (hasWord(error, MODEL_CODES)) return true;
  const text = error.text.slice(0, 2000);
  if (MODEL_WORDS.test(text)) return error.status === 404 || error.status === 410 || MODEL_ONLY.test(text);
  return (error.status === 404 || error.status === 410) && !error.isPage && names(text, model);
}

/** Does the text hold this model id as a word of its own? Ids can be as short as `o1`. */
function names(text: string, model: string): boolean {
  if (model === '') return false;
  const isPart = (char: string | undefined) => char !== undefined && /[\w/:-]/.test(char);
  for (let at = text.indexOf(model); at >= 0; at = text.indexOf(model, at + 1)) {
    if (!isPart(text[at - 1]) && !isPart(text[at + model.length])) return true;
  }
  return false;
}

// In a 400 the words must be about the model as a whole: "model x does not support tools" is about the request.
const MODEL_ONLY =
  /^(?:the )?(?:requested )?model\b.{0,160}?(?:not found|not exist|is not supported by any provider|decommissioned)|^(?:unknown|invalid|no such) model\b|is not a valid model id/i;

const MODEL_OR_REGION_CODES: ReadonlySet<string> = new Set([
  ...MODEL_CODES,
  'unsupported_country_region_territory',
  'model_permission_blocked_project',
  'model_permission_blocked_org',
]);

function saysModelOrRegion(error: ErrorFacts, model: string): boolean {
  if (hasWord(error, MODEL_OR_REGION_CODES)) return true;
  if (names(error.text, model)) return true;
  return /\b(?:this|the|requested) model\b|\b(?:country|region|location|territory)\b/i.test(error.text);
}

function hasWord(error: ErrorFacts, words: ReadonlySet<string>): boolean {
  return [error.code, error.type, error.label].some((word) => word !== null && words.has(word));
}
