import type { CredentialId } from '../pool/credential.ts';
import type { LeaseUsage } from '../pool/outcome.ts';
import { type Affinity, isRefusal, type Lease, type Pool, type Refusal, type Want } from '../pool/pool.ts';
import { isProblem, type Usage } from '../protocols/codec.ts';
import type { AttemptSummary } from '../observe/request-record.ts';
import type { Problem } from '../protocols/problem.ts';
import type { Failure } from '../providers/failure.ts';
import type { LearnedLimits } from '../providers/provider.ts';
import type { Random } from '../shared/random.ts';
import { type Attempted, type AttemptTools, attempt, type Result } from './attempt.ts';
import type { FirstByteTimes } from './first-byte-times.ts';
import type { CredentialAccess } from './gateway.ts';
import type { Job } from './job.ts';
import type { Prepared } from './lane.ts';
import { outcomeOf } from './outcome.ts';
import { patienceOf, type Prospects, prospectsOf } from './patience.ts';
import { issuesState, type Pin, type Pins } from './pins.ts';
import type { Target } from './plan.ts';
import { polledQuota } from './polled-quota.ts';
import { isMaybeBilled, mayRevisit, nextStep } from './retry.ts';
import type { OutputMeans } from './token-estimate.ts';
import { type TargetFailure, verdict } from './verdict.ts';

// A server that just failed is given a moment before the same key is used again.
const RETRY_PAUSE_MS = 1000;
const RETRY_JITTER_MS = 500;

export type ForwardInput = {
  readonly job: Job;
  readonly headers: Headers;
  readonly clientSignal: AbortSignal;
  /** Milliseconds since the epoch at which the request arrived. */
  readonly arrivedAt: number;
  /** Only shortens the targets' own request timeout; null where the client named none. */
  readonly timeoutMs: number | null;
  readonly targets: readonly Target[];
  /** Of the targets so many are really tried: those that could not even be asked do not count. */
  readonly maxTargets: number;
  /** After “context too long”. */
  readonly onContext: 'next' | 'stop';
  readonly alternatives: Alternatives;
  /** The conversation it belongs to; null: none. */
  readonly affinity: Affinity | null;
  /** The longest wait for a credential, where it is shorter than the provider's own. */
  readonly patienceMs?: number;
};

/** What is asked for when a target cannot serve, and only then. */
export interface Alternatives {
  /** Tokens that a target holds; null: not known. */
  windowOf(target: Target): number | null;
  /** A guess at the tokens of the prompt. */
  inputTokens(): number;
  /** What stands in for the targets. Asked when one of them cannot serve at once. */
  substitutes(): readonly Target[];
  /** Asked once, when all of them have failed: those that were not known until then. */
  furtherTargets(): Promise<readonly Target[]>;
}

/** For what no other target can do. */
export const NO_ALTERNATIVES: Alternatives = {
  windowOf: () => null,
  inputTokens: () => 0,
  substitutes: () => [],
  furtherTargets: async () => [],
};

export type ForwardTools = AttemptTools & {
  readonly random: Random;
  /** What models answer on average; the answers that are settled here go into it. */
  readonly outputMeans: OutputMeans;
  /** How long targets take until their answers begin; what is tried here goes into it. */
  readonly firstByteTimes: FirstByteTimes;
  /** A credential that a reload has added since the request was planned; undefined when it is gone. */
  readonly addedCredential: (pool: Pool, id: CredentialId) => CredentialAccess | undefined;
  /** What an answer cost, in USD; null where nobody knows. Absent: nobody ever does. */
  readonly costOf?: (provider: string, model: string, usage: Usage) => number | null;
};

/** What happened on the way; grows while the request runs. */
export class Trace {
  /** When the request began, as `performance.now()` counts. */
  readonly startedAt = performance.now();
  readonly attempts: AttemptSummary[] = [];
  /** Targets that could not serve, in order, with the kind of the problem. */
  readonly passed: { readonly target: string; readonly reason: string }[] = [];
  /** Milliseconds spent waiting for a free credential, and between retries. */
  waitedMs = 0;
  /** Milliseconds spent waiting for upstreams, up to the commit point. */
  upstreamMs = 0;
}

/** A lease that is still open because its answer is still being relayed. Settled exactly once. */
export interface OpenLease {
  /** Gives the usage back with what it cost. */
  settle(failure: Failure | null, usage: Usage | null): Usage | null;
}

export type Forwarded =
  | {
      readonly kind: 'answer';
      readonly target: Target;
      readonly credential: CredentialId;
      readonly changes: readonly string[];
      readonly attempted: Exclude<Result, { kind: 'failure' }>;
      readonly lease: OpenLease;
    }
  /** `target`: the one that was asked for; null when the name led to none. */
  | { readonly kind: 'problem'; readonly target: Target | null; readonly problem: Problem };

/** The only loop: for each target lease, attempt, settle, next step. The same for streams and whole replies. */
export async function forward(input: ForwardInput, trace: Trace, tools: ForwardTools): Promise<Forwarded> {
  const walk = new Walk(input, trace, tools);
  let first: { target: Target; problem: Problem } | null = null;
  let leastWindow: number | null = null;
  // Those that were not waited for, because another stood ready.
  const left: Left[] = [];
  let isFinal = false;
  for (; walk.tried < input.maxTargets; walk.place++) {
    const target = walk.target ?? (await walk.reach());
    if (!target) break;
    if (leastWindow !== null && (input.alternatives.windowOf(target) ?? 0) <= leastWindow) continue;
    const attemptsBefore = trace.attempts.length;
    const visit = new Visit();
    const result = await forwardTo(target, visit, walk);
    if (result.kind === 'answer') return result;
    if (trace.attempts.length > attemptsBefore) walk.tried++;
    const problem = result.kind === 'refused' ? result.problem : verdict(result.failed, tools.clock.now());
    // Across targets the client is told about the one it asked for.
    first ??= { target, problem };
    trace.passed.push({ target: target.name, reason: problem.kind });
    if (result.kind === 'refused') continue;
    isFinal = result.isFinal;
    if (isFinal) break;
    const backAt = backAtOf(result.failed.refusal);
    if (visit.prospects === 'ready' && backAt !== null) left.push({ target, visit, backAt });
    if (result.failed.failures.at(-1)?.kind === 'context-too-long') {
      isFinal = input.onContext === 'stop';
      if (isFinal) break;
      const { alternatives } = input;
      leastWindow = Math.max(leastWindow ?? 0, alternatives.windowOf(target) ?? alternatives.inputTokens());
    }
  }
  if (!first) throw new Error('no target was looked at');
  // All the others have failed: the one that is back soonest is waited for as if there had been none.
  const isOpen = ({ visit }: Left) => walk.tried < input.maxTargets || visit.failures.length > 0;
  const [back] = isFinal ? [] : left.filter(isOpen).sort((a, b) => a.backAt - b.backAt);
  if (!back) return { kind: 'problem', ...first };
  const { target, visit } = back;
  walk.isLast = true;
  const again = await forwardTo(target, visit, walk);
  if (again.kind === 'answer') return again;
  if (target !== first.target || again.kind === 'refused') return { kind: 'problem', ...first };
  return { kind: 'problem', target, problem: verdict(again.failed, tools.clock.now()) };
}

/** One request's way from target to target. */
class Walk {
  readonly input: ForwardInput;
  readonly trace: Trace;
  readonly tools: ForwardTools;
  /** One for all targets, that of the first; milliseconds since the epoch. */
  readonly deadline: number;
  /** Which of the targets is looked at. */
  place = 0;
  /** How many were really asked. */
  tried = 0;
  /** Nothing comes after this target. */
  isLast = false;
  maybeBilled = 0;
  timeouts = 0;
  #targets: readonly Target[];
  #isSubstituted = false;
  #isExhausted = false;

  constructor(input: ForwardInput, trace: Trace, tools: ForwardTools) {
    const [asked] = input.targets;
    if (!asked) throw new Error('a plan without targets was forwarded');
    this.input = input;
    this.trace = trace;
    this.tools = tools;
    this.deadline = deadlineOf(asked, input);
    this.#targets = input.targets;
  }

  get target(): Target | undefined {
    return this.#targets[this.place];
  }

  /** The same, when it has to be found first. */
  async reach(): Promise<Target | undefined> {
    const { alternatives } = this.input;
    if (!this.#isSubstituted) {
      this.#isSubstituted = true;
      this.#targets = [...this.#targets, ...alternatives.substitutes()];
    }
    if (!this.target && !this.#isExhausted) {
      this.#isExhausted = true;
      this.#targets = [...this.#targets, ...(await alternatives.furtherTargets())];
    }
    return this.target;
  }

  /** A target with a shorter time of its own keeps to that. */
  deadlineFor(target: Target): number {
    return Math.min(this.deadline, deadlineOf(target, this.input));
  }

  /** The time of the whole request is up, and not that of one target alone. */
  get isOver(): boolean {
    return this.tools.clock.now() >= this.deadline;
  }

  /** Looks at what comes after this target. */
  lookAhead(): Prospects {
    if (this.isLast) return 'none';
    const { alternatives, maxTargets } = this.input;
    if (this.tried + 1 >= maxTargets) return 'none';
    const behind = [...this.#targets.slice(this.place + 1), ...(this.#isSubstituted ? [] : alternatives.substitutes())];
    return prospectsOf(behind, () => alternatives.inputTokens());
  }
}

type TargetResult =
  | Extract<Forwarded, { kind: 'answer' }>
  | { readonly kind: 'failed'; readonly failed: TargetFailure; readonly isFinal: boolean }
  /** The request cannot be put into this target's words: nothing was sent. */
  | { readonly kind: 'refused'; readonly problem: Problem };

/** What a request has learned of one target; kept when it comes back to it. Most learn nothing, and keep nothing. */
class Visit {
  readonly failures: Failure[] = [];
  /** Of the targets behind this one, as they stood when it could not serve at once. */
  prospects: Prospects = 'none';
  #excluded: Set<CredentialId> | null = null;
  #suspects: Set<CredentialId> | null = null;
  #tries: Map<CredentialId, number> | null = null;

  /** Those that this request does not use again here. */
  get excluded(): ReadonlySet<CredentialId> {
    return this.#excluded ?? NOBODY;
  }

  exclude(id: CredentialId): void {
    this.#excluded ??= new Set();
    this.#excluded.add(id);
  }

  /** It failed with 5xx here; it rests only if a sibling shows that it was not the upstream as a whole. */
  suspect(id: CredentialId): void {
    this.#suspects ??= new Set();
    this.#suspects.add(id);
  }

  /** Its siblings have failed with 5xx where this one has served. */
  suspectsBut(id: CredentialId): ReadonlySet<CredentialId> {
    this.#suspects?.delete(id);
    return this.#suspects ?? NOBODY;
  }

  /** How often this credential has failed here: a wait for the same one is a repeat on it, and has the same budget. */
  countTry(id: CredentialId): number {
    this.#tries ??= new Map();
    const count = (this.#tries.get(id) ?? 0) + 1;
    this.#tries.set(id, count);
    return count;
  }
}

const NOBODY: ReadonlySet<CredentialId> = new Set();

/** `backAt`: when the soonest credential is expected, milliseconds since the epoch. */
type Left = { readonly target: Target; readonly visit: Visit; readonly backAt: number };

/** Of a refusal that waiting may change. Nobody knows of what is merely busy, but soon. */
function backAtOf(refusal: Refusal | null): number | null {
  switch (refusal?.cause) {
    case 'busy':
      return refusal.retryAt ?? 0;
    case 'blocked':
    case 'over-limit':
      return refusal.retryAt;
    default:
      return null;
  }
}

const deadlineOf = ({ runtime }: Target, { arrivedAt, timeoutMs }: ForwardInput): number =>
  arrivedAt + Math.min(runtime.timeouts.requestMs, timeoutMs ?? Number.POSITIVE_INFINITY);

async function forwardTo(target: Target, visit: Visit, walk: Walk): Promise<TargetResult> {
  const { input, trace, tools } = walk;
  const { clock, outputMeans } = tools;
  const { id, pool, retriesSameKey, credentials } = target.runtime;
  const deadline = walk.deadlineFor(target);
  const ready = input.job.prepare(target);
  if (isProblem(ready)) return { kind: 'refused', problem: ready };
  const { failures } = visit;
  let prepared: Prepared = ready;
  let pin = pinOf(prepared, target, tools.pins);
  const tokens = input.job.estimateTokens(outputMeans.meanOf(id, target.model));
  let notSent = 0;
  let repeat: { id: CredentialId; count: number } | null = null;
  // Limited no more, by the word of its own refusal: any other that is ready goes first.
  let spared: CredentialId | null = null;

  for (;;) {
    const askedAt = clock.now();
    const waitStart = performance.now();
    const want: Want = {
      model: target.model,
      bytes: prepared.body.length,
      tokens,
      affinity: input.affinity,
      exclude: visit.excluded,
    };
    let leased: Lease | Refusal;
    if (repeat) {
      leased = pool.lease({ ...want, only: repeat.id }, askedAt);
      if (isRefusal(leased)) {
        // Blocked or taken meanwhile: the repeat is spent, another credential is looked for.
        visit.exclude(repeat.id);
        repeat = null;
        continue;
      }
    } else {
      const asked: Want = pin?.isFirm ? { ...want, only: pin.credential } : want;
      const others = spared === null ? asked : { ...asked, exclude: new Set(visit.excluded).add(spared) };
      leased = leaseNow(others, pin, pool, askedAt);
      if (spared !== null && isRefusal(leased)) leased = leaseNow(asked, pin, pool, askedAt);
      spared = null;
      if (isRefusal(leased)) {
        // Nobody else can read what it carries.
        visit.prospects = pin?.isFirm ? 'none' : walk.lookAhead();
        leased = await pool.acquire(asked, limitsOf(target, visit, input, deadline, askedAt));
      }
    }
    trace.waitedMs += performance.now() - waitStart;
    if (isRefusal(leased)) {
      if (pin?.isFirm && leased.cause !== 'aborted' && failures.length === 0) {
        // What rotator itself had put back into the request can be left out again; what the client sent cannot.
        const without: Prepared | Problem | null = prepared.isRestored
          ? input.job.prepare(target, { isForgetful: true })
          : null;
        if (!without || isProblem(without)) {
          return { kind: 'refused', problem: pinnedAway(pin, target, leased, clock.now()) };
        }
        prepared = without;
        pin = pinOf(prepared, target, tools.pins);
        continue;
      }
      if (leased.cause === 'aborted') failures.push(clientGone());
      else if (clock.now() >= deadline) failures.push(pastDeadline(target));
      return failedAt(
        target,
        failures,
        leased.cause === 'excluded' ? { ...leased, retryAt: soonestReturn(pool, want) } : leased,
        leased.cause === 'aborted' || walk.isOver,
      );
    }
    const lease = leased;
    const access = credentials.get(lease.credentialId) ?? tools.addedCredential(pool, lease.credentialId);
    if (!access) {
      // A reload removed it between planning and leasing.
      pool.settle(lease, { ...UNUSED, reason: 'credential removed' });
      visit.exclude(lease.credentialId);
      continue;
    }

    const startedAt = performance.now();
    let tried: Attempted;
    try {
      tried = await attempt(
        {
          target,
          prepared,
          access,
          isStream: input.job.isStream,
          headers: input.headers,
          clientSignal: input.clientSignal,
          deadline,
          conversation: input.affinity?.key ?? null,
        },
        tools,
      );
    } catch (bug) {
      pool.settle(lease, { ...UNUSED, reason: 'internal error' });
      throw bug;
    }
    const { result: attempted, learned, quota } = tried;
    note(attempted, lease, target, startedAt, walk);
    if (quota) pool.tellQuota(lease.credentialId, polledQuota(quota));
    if (attempted.kind !== 'failure') {
      const suspects = visit.suspectsBut(lease.credentialId);
      if (suspects.size > 0) pool.rest(suspects, target.model);
      // What is past its commit point works, however long the rest of the stream takes.
      if (attempted.kind === 'stream') pool.confirm(lease);
      return {
        kind: 'answer',
        target,
        credential: lease.credentialId,
        changes: prepared.changes,
        attempted,
        lease: new ServingLease(lease, target, access.proxy !== null, learned, tools),
      };
    }

    const { failure } = attempted;
    failures.push(failure);
    const isProxied = access.proxy !== null;
    pool.settle(lease, {
      outcome: outcomeOf(failure, isProxied),
      usage: isRefusedAtOnce(failure) ? NO_TOKENS : null,
      reason: failure.message,
      learned,
    });
    if (failure.kind === 'upstream-error' || failure.kind === 'overloaded') visit.suspect(lease.credentialId);
    if (isMaybeBilled(failure)) walk.maybeBilled++;
    if (isSilence(failure)) walk.timeouts++;
    if (failure.kind === 'not-sent' || (failure.kind === 'timeout' && failure.phase === 'connect')) notSent++;
    const sameCredential: number = repeat?.id === lease.credentialId ? repeat.count : 0;
    const { maybeBilled, timeouts } = walk;
    switch (nextStep(failure, { sameCredential, notSent, maybeBilled, timeouts }, retriesSameKey)) {
      case 'give-up':
        return failedAt(target, failures, null, failure.kind !== 'deadline' || walk.isOver || timeouts > 1);
      case 'next-target':
        return failedAt(target, failures, null, false);
      case 'same-credential': {
        repeat = { id: lease.credentialId, count: sameCredential + 1 };
        await pause(RETRY_PAUSE_MS + tools.random() * RETRY_JITTER_MS, deadline, trace, input.clientSignal, tools);
        if (input.clientSignal.aborted) failures.push(clientGone());
        else if (clock.now() >= deadline) failures.push(pastDeadline(target));
        else break;
        return failedAt(target, failures, null, input.clientSignal.aborted || walk.isOver);
      }
      case 'next-credential':
        repeat = null;
        if (visit.countTry(lease.credentialId) > retriesSameKey || !mayRevisit(failure, isProxied)) {
          visit.exclude(lease.credentialId);
        } else if (failure.kind === 'rate-limited' && failure.wait !== null && failure.wait.ms <= 0)
          spared = lease.credentialId;
        break;
    }
  }
}

/** Who is ready. One that is merely the best is preferred, but not worth a wait. */
function leaseNow(want: Want, pin: Pin | null, pool: Pool, now: number): Lease | Refusal {
  if (pin && !pin.isFirm && !want.exclude.has(pin.credential)) {
    const preferred = pool.lease({ ...want, only: pin.credential }, now);
    if (!isRefusal(preferred)) return preferred;
  }
  return pool.lease(want, now);
}

/** How long a wait for a credential of this target is worth it. */
function limitsOf(
  { runtime }: Target,
  { failures, prospects }: Visit,
  { patienceMs, clientSignal }: ForwardInput,
  deadline: number,
  now: number,
): Parameters<Pool['acquire']>[1] {
  const longestMs = Math.min(patienceOf(prospects, runtime), patienceMs ?? Number.POSITIVE_INFINITY);
  // A first look may wait as long as for any credential; after a failure only a short pause is worth it.
  const blockedMs = failures.length === 0 ? longestMs : Math.min(longestMs, runtime.waitSameKeyMs);
  return {
    deadline: Math.min(deadline, now + longestMs),
    blockedDeadline: Math.min(deadline, now + blockedMs),
    signal: clientSignal,
  };
}

/** What the log, the metrics and the choice among targets are told of an attempt. */
function note(attempted: Result, lease: Lease, target: Target, startedAt: number, { input, trace, tools }: Walk): void {
  const tookMs = performance.now() - startedAt;
  trace.upstreamMs += tookMs;
  const isFailure = attempted.kind === 'failure';
  trace.attempts.push({
    target: target.name,
    credential: lease.credentialId,
    status: isFailure ? attempted.failure.status : 200,
    failure: isFailure ? attempted.failure.kind : null,
    // Not rounded: the next attempt must not begin before this one is over.
    ms: Math.floor(tookMs),
    error: isFailure ? (attempted.said ?? attempted.failure.message) : null,
    startMs: Math.max(0, startedAt - trace.startedAt),
  });
  if (isFailure && !isSlowness(attempted.failure)) return;
  tools.firstByteTimes.add(target.name, input.job.isStream, isFailure ? null : tookMs, tools.clock.now());
}

/** The lease of an answer, which is settled when that has been given. */
class ServingLease implements OpenLease {
  readonly #lease: Lease;
  readonly #target: Target;
  readonly #isProxied: boolean;
  readonly #learned: LearnedLimits | null;
  readonly #tools: ForwardTools;

  constructor(lease: Lease, target: Target, isProxied: boolean, learned: LearnedLimits | null, tools: ForwardTools) {
    this.#lease = lease;
    this.#target = target;
    this.#isProxied = isProxied;
    this.#learned = learned;
    this.#tools = tools;
  }

  settle(failure: Failure | null, used: Usage | null): Usage | null {
    const { costOf, outputMeans } = this.#tools;
    const { runtime, model } = this.#target;
    const costUsd = used && (costOf?.(runtime.id, model, used) ?? used.costUsd);
    const usage = used && (costUsd === used.costUsd ? used : { ...used, costUsd });
    if (!failure) outputMeans.add(runtime.id, model, usage?.outputTokens ?? null);
    runtime.pool.settle(this.#lease, {
      outcome: failure ? outcomeOf(failure, this.#isProxied) : SUCCESS,
      usage: leaseUsage(usage),
      reason: failure?.message ?? 'served',
      learned: this.#learned,
    });
    return usage;
  }
}

const SUCCESS = { kind: 'success' } as const;

const failedAt = (
  target: Target,
  failures: readonly Failure[],
  refusal: Refusal | null,
  isFinal: boolean,
): TargetResult => ({ kind: 'failed', failed: { target: target.name, failures, refusal }, isFinal });

/** When the first of the credentials that this request has tried comes back by itself; null: nobody knows. */
function soonestReturn(pool: Pool, want: Omit<Want, 'exclude'>): number | null {
  let soonest = Number.POSITIVE_INFINITY;
  for (const { blocks } of pool.explain({ ...want, exclude: new Set() })) {
    if (blocks.length === 0) continue;
    soonest = Math.min(soonest, Math.max(...blocks.map(({ until }) => until ?? Number.POSITIVE_INFINITY)));
  }
  return Number.isFinite(soonest) ? soonest : null;
}

/** The target gave nothing for the time it took; what the request or the key is to blame for says nothing of it. */
const isSlowness = ({ kind }: Failure) => SLOWNESS.includes(kind);
const SLOWNESS: readonly Failure['kind'][] = [
  'upstream-error',
  'overloaded',
  'timeout',
  'lost',
  'not-sent',
  'stream-broken',
  'empty',
];

/** It was sent, and the time for an answer ran out. */
const isSilence = (failure: Failure) =>
  failure.kind === 'deadline' || (failure.kind === 'timeout' && failure.phase !== 'connect');

/** A request that is wrong was read and not worked on: what was reserved for it is free again. */
const isRefusedAtOnce = ({ kind }: Failure) => kind === 'bad-request' || kind === 'context-too-long';
const NO_TOKENS: LeaseUsage = { inputTokens: 0, outputTokens: 0 };

const UNUSED = { outcome: { kind: 'neutral' }, usage: null, learned: null } as const;

async function pause(
  ms: number,
  deadline: number,
  trace: Trace,
  signal: AbortSignal,
  tools: ForwardTools,
): Promise<void> {
  const waitStart = performance.now();
  await tools.clock.sleep(Math.min(ms, Math.max(0, deadline - tools.clock.now())), signal);
  trace.waitedMs += performance.now() - waitStart;
}

function leaseUsage(usage: Usage | null): LeaseUsage | null {
  return usage && { inputTokens: usage.inputTokens, outputTokens: usage.outputTokens, costUsd: usage.costUsd };
}

/** Whose state the request carries, if that is one of the target's credentials. */
function pinOf(prepared: Prepared, { runtime }: Target, pins: Pins): Pin | null {
  if (prepared.codec.isPlain || !issuesState(prepared.codec.id)) return null;
  const pin = pins.find(prepared.body);
  return pin?.provider === runtime.id && runtime.credentials.has(pin.credential) ? pin : null;
}

function pinnedAway(pin: Pin, target: Target, refusal: Refusal, now: number): Problem {
  return {
    kind: 'credential-unavailable',
    status: 409,
    message: `the request carries encrypted state that only ${pin.credential} can read, and that credential cannot serve ${target.name} now`,
    ...(refusal.retryAt !== null && { retryAfterMs: Math.max(0, refusal.retryAt - now) }),
  };
}

const clientGone = (): Failure => ({ kind: 'client-gone', status: null, message: 'the client went away' });

const pastDeadline = (target: Target): Failure => ({
  kind: 'deadline',
  status: null,
  message: `no credential for ${target.name} came free before the request's deadline`,
});
