import type { CredentialId } from '../pool/credential.ts';
import type { LeaseUsage } from '../pool/outcome.ts';
import { type Affinity, isRefusal, type Lease, type Pool, type Refusal, type Want } from '../pool/pool.ts';
import { isProblem, type Usage } from '../protocols/codec.ts';
import type { AttemptRecord, Problem } from '../protocols/problem.ts';
import type { Failure } from '../providers/failure.ts';
import type { Random } from '../shared/random.ts';
import { type Attempted, type AttemptTools, attempt } from './attempt.ts';
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
  /** Tokens that a target holds; null: not known. */
  readonly windowOf: (target: Target) => number | null;
  /** A guess at the tokens of the prompt. */
  readonly inputTokens: () => number;
  /** What stands in for those. Asked when one of them cannot serve at once. */
  readonly substitutes: () => readonly Target[];
  /** Asked once, when all of them have failed: those that were not known until then. */
  readonly furtherTargets: () => Promise<readonly Target[]>;
  /** The conversation it belongs to; null: none. */
  readonly affinity: Affinity | null;
  /** The longest wait for a credential, where it is shorter than the provider's own. */
  readonly patienceMs?: number;
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
  readonly attempts: AttemptRecord[] = [];
  /** Of each attempt what the upstream said when it failed, without secrets; for the request log alone. */
  readonly said: (string | null)[] = [];
  /** Of each attempt when it began, as `performance.now()` counts. */
  readonly startedAt: number[] = [];
  /** Targets that could not serve, in order, with the kind of the problem. */
  readonly passed: { readonly target: string; readonly reason: string }[] = [];
  /** Milliseconds spent waiting for a free credential, and between retries. */
  waitedMs = 0;
  /** Milliseconds spent waiting for upstreams, up to the commit point. */
  upstreamMs = 0;
}

/** A lease that is still open because its answer is still being relayed. Settled exactly once. */
export type OpenLease = {
  /** Gives the usage back with what it cost. */
  readonly settle: (failure: Failure | null, usage: Usage | null) => Usage | null;
};

export type Forwarded =
  | {
      readonly kind: 'answer';
      readonly target: Target;
      readonly credential: CredentialId;
      readonly changes: readonly string[];
      readonly attempted: Exclude<Attempted, { kind: 'failure' }>;
      readonly lease: OpenLease;
    }
  /** `target`: the one that was asked for; null when the name led to none. */
  | { readonly kind: 'problem'; readonly target: Target | null; readonly problem: Problem };

/** The only loop: for each target lease, attempt, settle, next step. The same for streams and whole replies. */
export async function forward(input: ForwardInput, trace: Trace, tools: ForwardTools): Promise<Forwarded> {
  const spent = { maybeBilled: 0, timeouts: 0 };
  const [asked] = input.targets;
  if (!asked) throw new Error('a plan without targets was forwarded');
  // One deadline for all targets, that of the first; one with a shorter time of its own keeps to that.
  const deadline = deadlineOf(asked, input);
  const targets = [...input.targets];
  const sources = [async () => input.substitutes(), input.furtherTargets];
  const comingUp = (i: number) => [...targets.slice(i + 1), ...(sources.length === 2 ? input.substitutes() : [])];
  const within = (target: Target) => ({
    ...input,
    deadline: Math.min(deadline, deadlineOf(target, input)),
    isOver: () => tools.clock.now() >= deadline,
  });
  let first: { target: Target; problem: Problem } | null = null;
  let tried = 0;
  let leastWindow: number | null = null;
  // Those that were not waited for, because another stood ready.
  const left: Left[] = [];
  let isFinal = false;
  for (let i = 0; tried < input.maxTargets; i++) {
    while (i === targets.length && sources.length > 0) targets.push(...((await sources.shift()?.()) ?? []));
    const target = targets[i];
    if (!target) break;
    if (leastWindow !== null && (input.windowOf(target) ?? 0) <= leastWindow) continue;
    const attemptsBefore = trace.attempts.length;
    const visit = newVisit();
    const seen: { prospects: Prospects } = { prospects: 'none' };
    const prospectsAfter = () => {
      seen.prospects = prospectsOf(tried + 1 < input.maxTargets ? comingUp(i) : [], input.inputTokens);
      return seen.prospects;
    };
    const result = await forwardTo(target, { ...within(target), prospectsAfter }, visit, spent, trace, tools);
    if (result.kind === 'answer') return result;
    if (trace.attempts.length > attemptsBefore) tried++;
    const problem = result.kind === 'refused' ? result.problem : verdict(result.failed, tools.clock.now());
    // Across targets the client is told about the one it asked for.
    first ??= { target, problem };
    trace.passed.push({ target: target.name, reason: problem.kind });
    if (result.kind === 'refused') continue;
    isFinal = result.isFinal;
    if (isFinal) break;
    const backAt = backAtOf(result.failed.refusal);
    if (seen.prospects === 'ready' && backAt !== null) left.push({ target, visit, backAt });
    if (result.failed.failures.at(-1)?.kind === 'context-too-long') {
      isFinal = input.onContext === 'stop';
      if (isFinal) break;
      leastWindow = Math.max(leastWindow ?? 0, input.windowOf(target) ?? input.inputTokens());
    }
  }
  if (!first) throw new Error('no target was looked at');
  // All the others have failed: the one that is back soonest is waited for as if there had been none.
  const isOpen = ({ visit }: Left) => tried < input.maxTargets || visit.failures.length > 0;
  const [back] = isFinal ? [] : left.filter(isOpen).sort((a, b) => a.backAt - b.backAt);
  if (!back) return { kind: 'problem', ...first };
  const { target, visit } = back;
  const again = await forwardTo(
    target,
    { ...within(target), prospectsAfter: () => 'none' },
    visit,
    spent,
    trace,
    tools,
  );
  if (again.kind === 'answer') return again;
  if (target !== first.target || again.kind === 'refused') return { kind: 'problem', ...first };
  return { kind: 'problem', target, problem: verdict(again.failed, tools.clock.now()) };
}

type TargetResult =
  | Extract<Forwarded, { kind: 'answer' }>
  | { readonly kind: 'failed'; readonly failed: TargetFailure; readonly isFinal: boolean }
  /** The request cannot be put into this target's words: nothing was sent. */
  | { readonly kind: 'refused'; readonly problem: Problem };

/** What a request has learned of one target; kept when it comes back to it. */
type Visit = {
  readonly exclude: Set<CredentialId>;
  /** Failed with 5xx here; they rest only if a sibling shows that it was not the upstream as a whole. */
  readonly suspects: Set<CredentialId>;
  readonly failures: Failure[];
  /** How often each credential has failed here: a wait for the same one is a repeat on it, and has the same budget. */
  readonly tries: Map<CredentialId, number>;
};

const newVisit = (): Visit => ({ exclude: new Set(), suspects: new Set(), failures: [], tries: new Map() });

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

type TargetInput = ForwardInput & {
  /** Of this target; milliseconds since the epoch. */
  readonly deadline: number;
  /** The time of the whole request is up, and not that of this target alone. */
  readonly isOver: () => boolean;
  readonly prospectsAfter: () => Prospects;
};

async function forwardTo(
  target: Target,
  input: TargetInput,
  { exclude, suspects, failures, tries }: Visit,
  spent: { maybeBilled: number; timeouts: number },
  trace: Trace,
  tools: ForwardTools,
): Promise<TargetResult> {
  const { clock } = tools;
  const { pool, retriesSameKey, waitSameKeyMs, credentials } = target.runtime;
  const { deadline } = input;
  const ready = input.job.prepare(target);
  if (isProblem(ready)) return { kind: 'refused', problem: ready };
  let prepared: Prepared = ready;
  const { outputMeans } = tools;
  const want = {
    model: target.model,
    bytes: prepared.body.length,
    tokens: input.job.estimateTokens(outputMeans.meanOf(target.runtime.id, target.model)),
    affinity: input.affinity,
    exclude,
  };
  let notSent = 0;
  let pin = pinOf(prepared, target, tools.pins);
  let repeat: { id: CredentialId; count: number } | null = null;
  const failed = (refusal: Refusal | null, isFinal: boolean): TargetResult => ({
    kind: 'failed',
    failed: { target: target.name, failures, refusal },
    isFinal,
  });

  for (;;) {
    const askedAt = clock.now();
    const waitStart = performance.now();
    let leased: Lease | Refusal | null = null;
    if (repeat) {
      leased = pool.lease({ ...want, only: repeat.id }, askedAt);
      if (isRefusal(leased)) {
        // Blocked or taken meanwhile: the repeat is spent, another credential is looked for.
        exclude.add(repeat.id);
        repeat = null;
        leased = null;
      }
    }
    if (!leased && pin && !pin.isFirm && !exclude.has(pin.credential)) {
      // Better than any other, but not worth a wait.
      const preferred = pool.lease({ ...want, only: pin.credential }, askedAt);
      if (!isRefusal(preferred)) leased = preferred;
    }
    const asked: Want = pin?.isFirm ? { ...want, only: pin.credential } : want;
    leased ??= pool.lease(asked, askedAt);
    if (isRefusal(leased)) {
      // Nobody else can read what it carries.
      const prospects = pin?.isFirm ? 'none' : input.prospectsAfter();
      const patienceMs = Math.min(patienceOf(prospects, target.runtime), input.patienceMs ?? Number.POSITIVE_INFINITY);
      leased = await pool.acquire(asked, {
        deadline: Math.min(deadline, askedAt + patienceMs),
        // A first look may wait as long as for any credential; after a failure only a short pause is worth it.
        blockedDeadline: Math.min(
          deadline,
          askedAt + (failures.length === 0 ? patienceMs : Math.min(patienceMs, waitSameKeyMs)),
        ),
        signal: input.clientSignal,
      });
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
      return failed(
        leased.cause === 'excluded' ? { ...leased, retryAt: soonestReturn(pool, want) } : leased,
        leased.cause === 'aborted' || input.isOver(),
      );
    }
    const lease = leased;
    const access = credentials.get(lease.credentialId) ?? tools.addedCredential(pool, lease.credentialId);
    if (!access) {
      // A reload removed it between planning and leasing.
      pool.settle(lease, { ...UNUSED, reason: 'credential removed' });
      exclude.add(lease.credentialId);
      continue;
    }

    const startedAt = performance.now();
    let attempted: Attempted;
    try {
      attempted = await attempt(
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
    const tookMs = performance.now() - startedAt;
    trace.upstreamMs += tookMs;
    trace.attempts.push({
      target: target.name,
      credential: lease.credentialId,
      status: attempted.kind === 'failure' ? attempted.failure.status : 200,
      failure: attempted.kind === 'failure' ? attempted.failure.kind : null,
      ms: Math.round(tookMs),
    });
    trace.startedAt.push(startedAt);
    trace.said.push(attempted.kind === 'failure' ? (attempted.said ?? attempted.failure.message) : null);
    if (attempted.kind !== 'failure' || isSlowness(attempted.failure)) {
      const ms = attempted.kind === 'failure' ? null : tookMs;
      tools.firstByteTimes.add(target.name, input.job.isStream, ms, clock.now());
    }

    if (attempted.quota) pool.tellQuota(lease.credentialId, polledQuota(attempted.quota));
    if (attempted.kind !== 'failure') {
      suspects.delete(lease.credentialId);
      if (suspects.size > 0) pool.rest(suspects, target.model);
      // What is past its commit point works, however long the rest of the stream takes.
      if (attempted.kind === 'stream') pool.confirm(lease);
      const settle: OpenLease['settle'] = (failure, used) => {
        const { id } = target.runtime;
        const usage = used && { ...used, costUsd: tools.costOf?.(id, target.model, used) ?? used.costUsd };
        if (!failure) outputMeans.add(target.runtime.id, target.model, usage?.outputTokens ?? null);
        pool.settle(lease, {
          outcome: failure ? outcomeOf(failure, access.proxy !== null) : { kind: 'success' },
          usage: leaseUsage(usage),
          reason: failure?.message ?? 'served',
          learned: attempted.learned,
        });
        return usage;
      };
      return {
        kind: 'answer',
        target,
        credential: lease.credentialId,
        changes: prepared.changes,
        attempted,
        lease: { settle },
      };
    }

    const { failure } = attempted;
    failures.push(failure);
    const isProxied = access.proxy !== null;
    pool.settle(lease, {
      outcome: outcomeOf(failure, isProxied),
      usage: isRefusedAtOnce(failure) ? NO_TOKENS : null,
      reason: failure.message,
      learned: attempted.learned,
    });
    if (failure.kind === 'upstream-error' || failure.kind === 'overloaded') suspects.add(lease.credentialId);
    if (isMaybeBilled(failure)) spent.maybeBilled++;
    if (isSilence(failure)) spent.timeouts++;
    if (failure.kind === 'not-sent' || (failure.kind === 'timeout' && failure.phase === 'connect')) notSent++;
    const sameCredential: number = repeat?.id === lease.credentialId ? repeat.count : 0;
    switch (nextStep(failure, { sameCredential, notSent, ...spent }, retriesSameKey)) {
      case 'give-up':
        return failed(null, failure.kind !== 'deadline' || input.isOver() || spent.timeouts > 1);
      case 'next-target':
        return failed(null, false);
      case 'same-credential': {
        repeat = { id: lease.credentialId, count: sameCredential + 1 };
        await pause(RETRY_PAUSE_MS + tools.random() * RETRY_JITTER_MS, deadline, trace, input.clientSignal, tools);
        if (input.clientSignal.aborted) failures.push(clientGone());
        else if (clock.now() >= deadline) failures.push(pastDeadline(target));
        else break;
        return failed(null, input.clientSignal.aborted || input.isOver());
      }
      case 'next-credential':
        repeat = null;
        tries.set(lease.credentialId, (tries.get(lease.credentialId) ?? 0) + 1);
        if (!mayRevisit(failure, isProxied) || (tries.get(lease.credentialId) ?? 0) > retriesSameKey) {
          exclude.add(lease.credentialId);
        }
        break;
    }
  }
}

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
