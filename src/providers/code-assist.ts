import { JsonIndex } from '../shared/json-bytes.ts';
import { isObject } from '../shared/json-shape.ts';
import { namesDailyQuota, readError } from './error-body.ts';
import type { Failure } from './failure.ts';
import { modelMissing, overloaded, rateLimited, upstreamError } from './failure-from.ts';
import type { ErrorReply, Provider } from './provider.ts';
import type { QuotaReading } from './quota-poll.ts';
import { readWaitHint } from './wait-hint.ts';

/** What both doors to Google's Code Assist share: Gemini's own protocol inside an envelope, with an account's project. */

export const CODE_ASSIST_URL = 'https://cloudcode-pa.googleapis.com/v1internal';

/** The method stands behind the base, the model in the envelope. */
export const codeAssistPaths = {
  whole: ':generateContent',
  stream: ':streamGenerateContent?alt=sse',
} as const;

const encoder = new TextEncoder();

/** A request inside its envelope. Its own bytes stay as they are. A count has an envelope of its own already. */
export function inEnvelope(body: Uint8Array, fields: Readonly<Record<string, unknown>>): Uint8Array {
  if (!JsonIndex.of(body)?.has('contents')) return body;
  const head = encoder.encode(`${JSON.stringify(fields).slice(0, -1)},"request":`);
  const wrapped = new Uint8Array(head.length + body.length + 1);
  wrapped.set(head);
  wrapped.set(body, head.length);
  wrapped[wrapped.length - 1] = CLOSE_BRACE;
  return wrapped;
}

const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** What stands in the envelope of an answer. The envelope's name for the answer is the answer's where it has none. */
export function outOfEnvelope(bytes: Uint8Array): Uint8Array {
  const envelope = JsonIndex.of(bytes);
  const inner = envelope?.slice('response');
  if (!envelope || inner?.[0] !== OPEN_BRACE) return bytes;
  const traceId = envelope.get('traceId');
  const answer = JsonIndex.of(inner);
  if (typeof traceId !== 'string' || !answer || answer.has('responseId')) return inner;
  return answer.edit({ set: { responseId: traceId } });
}

/** A model without capacity rests for so long, whatever few seconds Google names: other models are there at once. */
const CAPACITY_REST_MS = 30_000;
/** Where Google names no wait, or a longer one than anybody sits out, the limit is not one of this minute. */
const LONGEST_RATE_MS = 300_000;
const MINUTE_MS = 60_000;

/** https://github.com/google-gemini/gemini-cli: its reasons, read as its own client reads them. */
export function classifyCodeAssist(reply: ErrorReply): Failure | undefined {
  const error = readError(reply);
  if (error.status === 404 && !error.isPage) return modelMissing(error);
  if (error.status === 499) return upstreamError(error);
  if (error.status !== 429 && error.status !== 503) return undefined;
  const reasons = error.details.map(({ reason }) => String(reason ?? ''));
  const has = (...names: readonly string[]) => names.some((name) => reasons.includes(name));
  const wait = readWaitHint(reply, error);
  // The reason goes before the words: "exhausted your capacity" also stands in a body that means a used-up quota.
  const isQuota =
    has('QUOTA_EXHAUSTED', 'INSUFFICIENT_G1_CREDITS_BALANCE') ||
    namesDailyQuota(error) ||
    error.details.some(({ metadata }) => isObject(metadata) && /PerDay|Daily/i.test(String(metadata.quota_limit)));
  const saysCapacity = /exhausted your capacity|capacity exceeded/i.test(error.text);
  if (has('MODEL_CAPACITY_EXHAUSTED', 'MODEL_CAPACITY_EXCEEDED') || (saysCapacity && !isQuota)) {
    const ms = Math.max(wait?.ms ?? 0, CAPACITY_REST_MS);
    return overloaded(error, { ms, source: 'capacity' });
  }
  if (error.status !== 429) return undefined;
  // "limit: 0" is a plan without this model; 0.5 and 10 are limits.
  if (/limit:\s*0(?!\d|\.\d)/.test(error.text)) return rateLimited(error, wait, { isPermanent: true });
  if (isQuota) return rateLimited(error, wait, { isQuota: true });
  if (has('RATE_LIMIT_EXCEEDED')) {
    return rateLimited(error, wait, { isQuota: wait === null || wait.ms > LONGEST_RATE_MS });
  }
  return rateLimited(error, wait ?? { ms: MINUTE_MS, source: 'guess' });
}

/** A share of a model's allowance that is left, as Google tells it: `null` is nothing, and 1 has no meaningful end. */
export type ModelShare = { readonly model: string; readonly fraction: unknown; readonly resetTime: unknown };

/** The models of a group draw on one allowance: of their shares the least counts. */
export function sharesLeft(
  shares: readonly ModelShare[],
  groups: NonNullable<Provider['quotaGroups']>,
  window: { readonly name: string; readonly lengthMs: number | null },
): QuotaReading {
  const least = new Map<string, QuotaReading['windows'][number]>();
  for (const { model, fraction, resetTime } of shares) {
    const left = typeof fraction === 'number' && fraction >= 0 ? Math.min(1, fraction) : 0;
    const group = Object.entries(groups).find(([, models]) => models.includes(model))?.[0];
    const scope =
      group === undefined ? { kind: 'model' as const, name: model } : { kind: 'group' as const, name: group };
    const key = `${scope.kind}:${scope.name}`;
    const remaining = Number((left * 100).toFixed(2));
    if ((least.get(key)?.remaining ?? Number.POSITIVE_INFINITY) <= remaining) continue;
    const resetAt = typeof resetTime === 'string' && left < 1 ? Date.parse(resetTime) : Number.NaN;
    least.set(key, {
      scope,
      ...window,
      unit: 'percent',
      used: Number((100 - remaining).toFixed(2)),
      limit: 100,
      remaining,
      resetAt: Number.isNaN(resetAt) ? null : resetAt,
    });
  }
  return { windows: [...least.values()] };
}
