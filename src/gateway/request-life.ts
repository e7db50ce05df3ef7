import type { AttemptSummary, RequestRecord } from '../observe/request-record.ts';
import { isProblem, type StreamProgress, type Usage } from '../protocols/codec.ts';
import type { AttemptRecord, Problem, ProblemDetail } from '../protocols/problem.ts';
import type { Failure } from '../providers/failure.ts';
import { assertNever } from '../shared/assert-never.ts';
import { isObject, parseJson } from '../shared/json-shape.ts';
import type { CommittedStream } from './attempt.ts';
import type { ClientBudgets, ClientReservation } from './client-budgets.ts';
import { type Forwarded, type ForwardTools, Trace } from './forward.ts';
import type { GatewayCall } from './gateway.ts';
import type { Job } from './job.ts';
import { JsonArrayOutlet } from './json-array.ts';
import type { Plan } from './plan.ts';
import { type Outlet, relayBody, relayBytes, relayStream } from './relay.ts';
import { reserveBudget, spentBy } from './reserve-budget.ts';
import { addRouteHeaders, problemDetail, problemResponse, type RouteHeaders, warningsComment } from './respond.ts';
import { verdict } from './verdict.ts';
import type { Work } from './work.ts';

export type LifeTools = Pick<ForwardTools, 'clock' | 'outputMeans' | 'costOf'> & {
  readonly settings: () => { readonly holdMs: number; readonly heartbeatMs: number };
  /** What client keys may use. Absent: nobody is limited. */
  readonly budgets?: ClientBudgets;
  readonly onFinished: (record: RequestRecord) => void;
  /** Something threw that never should: logged, with the client told no more than that. */
  readonly onBug: (error: unknown) => void;
};

type Served = Extract<Forwarded, { kind: 'answer' }>;

/** What one request knows of itself from its arrival to its log line. */
export class RequestLife {
  readonly trace = new Trace();
  /** Id of the provider that was asked for; null before the name is resolved. */
  askedProvider: string | null = null;
  readonly #call: GatewayCall;
  readonly #tools: LifeTools;
  #model: string | null = null;
  #operation: RequestRecord['operation'] = 'chat';
  #isStream = false;
  /** Only of what comes piece by piece: its client is gone, too, when it cancels the body it was given. */
  #gone: AbortController | null = null;
  #onGone: () => void = nothing;
  #firstByteMs: number | null = null;
  #overhead: number | null = null;
  /** Frames of the answer have left. */
  #hasBegun = false;
  #progress: StreamProgress | null = null;
  /** Somebody has taken over the duty to settle the lease. */
  #isTakenOver = false;
  /** What it holds of its client's limits; null: nothing. */
  #reservation: ClientReservation | null = null;
  /** Pieces of content that a stream has brought: each is a token at least. */
  #pieces = 0;

  constructor(call: GatewayCall, tools: LifeTools) {
    this.#call = call;
    this.#tools = tools;
  }

  /** The request could be read. */
  begin({ operation, model, isStream, relaysBytes }: Work): void {
    this.#operation = operation;
    this.#model = model;
    this.#isStream = isStream;
    if (!isStream && !relaysBytes) return;
    const { signal } = this.#call;
    const gone = new AbortController();
    this.#gone = gone;
    this.#onGone = () => gone.abort();
    if (signal.aborted) gone.abort();
    else signal.addEventListener('abort', this.#onGone);
  }

  /** Aborts when the client is gone. */
  get signal(): AbortSignal {
    return this.#gone?.signal ?? this.#call.signal;
  }

  /** Takes what the request will need out of its client's limits; a problem when that is more than is left. */
  reserve({ targets: [first] }: Plan, job: Job): Problem | null {
    const reserved = reserveBudget(this.#call.client, first, job, this.#tools);
    if (reserved && isProblem(reserved)) return reserved;
    this.#reservation = reserved;
    return null;
  }

  /** Ends a request that never reached an upstream. */
  refuse(problem: Problem): Response {
    this.#finish({ target: null, credential: null, status: problem.status, failure: problem.kind, usage: null });
    return this.#problemResponse(problem, null);
  }

  /** The answer to a request without streaming. */
  whole(forwarded: Forwarded): Response {
    if (forwarded.kind === 'problem') return this.#failed(forwarded);
    const { attempted, lease, target, credential } = forwarded;
    if (attempted.kind === 'stream') return this.#relayed(forwarded, attempted.committed);
    const usage = lease.settle(null, attempted.usage);
    const headers = this.#headersOf(forwarded);
    this.#finish({ target: target.name, credential, status: 200, failure: null, usage });
    headers['content-length'] = `${attempted.bytes.length}`;
    this.#tellWhole(attempted.bytes);
    this.#call.transcript?.sent(attempted.bytes);
    return new Response(attempted.bytes, { status: 200, headers });
  }

  /** What comes in no frames goes on as it comes; where it breaks off, so does the client's. */
  #relayed(served: Served, committed: CommittedStream): Response {
    const { target, credential, lease } = served;
    this.#firstByteMs ??= performance.now() - this.trace.startedAt;
    const end = (failure: Failure | null) => {
      if (this.#isTakenOver) return;
      this.#isTakenOver = true;
      committed.close(failure === null);
      const usage = lease.settle(failure, committed.stream.usage);
      this.#noteBroken(failure, served);
      this.#finish({ target: target.name, credential, status: 200, failure: failure?.kind ?? null, usage });
    };
    const headers = this.#headersOf(served);
    const body = relayBytes(committed, target.name, end);
    // A body that nobody reads any more is not always cancelled.
    const onGone = () => end({ kind: 'client-gone', status: null, message: 'the client went away' });
    if (this.signal.aborted) onGone();
    else this.signal.addEventListener('abort', onGone, { once: true });
    return new Response(body, { status: 200, headers });
  }

  /** The status line leaves at the commit point, or after `hold` with heartbeats until then. */
  async stream(pending: Promise<Forwarded>, work: Work): Promise<Response> {
    const { clock, settings } = this.#tools;
    const { holdMs, heartbeatMs } = settings();
    const held = Promise.withResolvers<null>();
    const cancelHold = clock.schedule(this.#call.arrivedAt + holdMs - clock.now(), () => held.resolve(null));
    const early = await Promise.race([pending, held.promise]).finally(cancelHold);
    // A body that nobody reads is never asked to produce: its lease would stay out for ever.
    this.signal.addEventListener('abort', () => this.#abandon(pending), { once: true });
    if (early?.kind === 'problem') return this.#failed(early);
    const headers: Record<string, string> = {
      ...(early ? this.#headersOf(early) : this.#heldHeaders()),
      // Proxies in front (nginx reads the second) would otherwise collect a stream before they pass it on.
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    };
    // Whatever the upstream called it: what leaves here is a stream of events.
    if (this.#call.framing === 'json-array') headers['content-type'] = 'application/json';
    else if (!/^text\/event-stream\b/i.test(headers['content-type'] ?? '')) {
      headers['content-type'] = 'text/event-stream';
    }
    const body = relayBody(
      {
        clock,
        heartbeatMs,
        heartbeat: () => this.#heartbeat(),
        onCancel: this.#onGone,
      },
      (outlet) => this.#framed(this.#watched(outlet), (framed) => this.#produce(early, pending, work, framed)),
    );
    return new Response(body, { status: 200, headers });
  }

  #heartbeat(): string {
    if (this.#call.framing === 'json-array') return '';
    const { early, running } = this.#call.codec.heartbeat;
    return this.#hasBegun ? running : early;
  }

  #watched(outlet: Outlet): Outlet {
    const { transcript } = this.#call;
    if (!transcript) return outlet;
    return {
      write: (bytes) => {
        transcript.sent(bytes);
        return outlet.write(bytes);
      },
    };
  }

  async #framed(outlet: Outlet, produce: (outlet: Outlet) => Promise<void>): Promise<void> {
    if (this.#call.framing === 'events') return produce(outlet);
    const array = new JsonArrayOutlet(outlet);
    await produce(array);
    await array.close().catch(() => undefined);
  }

  async #produce(early: Served | null, pending: Promise<Forwarded>, work: Work, outlet: Outlet): Promise<void> {
    const { codec } = this.#call;
    if (this.signal.aborted) return this.#abandon(pending);
    try {
      // Bun holds back the header block until the first byte of the body.
      if (!early) await outlet.write(codec.heartbeat.early);
      const forwarded = early ?? (await pending);
      if (forwarded.kind === 'problem') {
        if (this.#isTakenOver) return;
        this.#isTakenOver = true;
        const { problem, target } = forwarded;
        this.#finish({
          target: target?.name ?? null,
          credential: null,
          status: problem.status,
          failure: problem.kind,
          usage: null,
        });
        await outlet.write(codec.errorFrames(problem, this.#detail(problem, target?.name ?? null), null));
        return;
      }
      if (this.#isTakenOver) return;
      this.#isTakenOver = true;
      // Its headers have left without them.
      const warnings = early || !this.#call.showsRoute ? '' : warningsComment(warningsOf(forwarded));
      if (warnings !== '') await outlet.write(warnings);
      await this.#relay(forwarded, work, outlet);
    } catch (error) {
      this.#abandon(pending);
      if (this.signal.aborted) return;
      this.#tools.onBug(error);
      try {
        await outlet.write(codec.errorFrames(INTERNAL, null, this.#progress));
      } catch {
        // Nobody is left to be told.
      }
    }
  }

  /** Settles what `pending` brings, unless it is being relayed. */
  #abandon(pending: Promise<Forwarded>): void {
    if (this.#isTakenOver) return;
    this.#isTakenOver = true;
    pending.then(
      (forwarded) => {
        const failure: Failure = { kind: 'client-gone', status: null, message: 'the client went away' };
        let usage: Usage | null = null;
        if (forwarded.kind === 'answer') {
          const { attempted, lease } = forwarded;
          if (attempted.kind === 'stream') attempted.committed.close(false);
          // Used is used, although nobody has read it.
          const used = attempted.kind === 'stream' ? attempted.committed.stream.usage : attempted.usage;
          if (attempted.kind === 'stream') this.#pieces = attempted.committed.stream.contentFrames;
          usage = lease.settle(failure, used);
        }
        this.#finish({
          target: forwarded.target?.name ?? null,
          credential: null,
          status: 499,
          failure: failure.kind,
          usage,
        });
      },
      (bug) => this.#tools.onBug(bug),
    );
  }

  async #relay(served: Served, work: Work, outlet: Outlet): Promise<void> {
    const { attempted, lease, target, credential } = served;
    switch (attempted.kind) {
      case 'reply': {
        // The upstream ignored the wish for a stream; its whole answer is a stream of few frames.
        const usage = lease.settle(null, attempted.usage);
        this.#finish({ target: target.name, credential, status: 200, failure: null, usage });
        this.#hasBegun = true;
        await outlet.write(work.streamOf(attempted.bytes));
        this.#tellWhole(attempted.bytes);
        return;
      }
      case 'stream': {
        this.#firstByteMs ??= performance.now() - this.trace.startedAt;
        this.#hasBegun = true;
        const end = await relayStream(attempted.committed, outlet, target.name);
        this.#progress = attempted.committed.stream.progress;
        this.#pieces = attempted.committed.stream.contentFrames;
        const usage = lease.settle(end.failure, end.usage);
        const problem = end.failure && this.#problemOf(end.failure, target.name);
        this.#noteBroken(end.failure, served);
        this.#finish({
          target: target.name,
          credential,
          status: 200,
          failure: end.failure?.kind ?? null,
          usage,
        });
        if (problem && end.failure?.kind !== 'client-gone') {
          await outlet.write(this.#call.codec.errorFrames(problem, this.#detail(problem, target.name), this.#progress));
        } else if (!problem && this.#progress?.final) this.#call.onAnswer?.(this.#progress.final);
        return;
      }
      default:
        assertNever(attempted);
    }
  }

  #tellWhole(bytes: Uint8Array): void {
    const { onAnswer } = this.#call;
    if (!onAnswer) return;
    const answer = parseJson(new TextDecoder().decode(bytes));
    if (isObject(answer)) onAnswer(answer);
  }

  /** The attempt had been noted as the one that served; it did not, in the end. */
  #noteBroken(failure: Failure | null, served: Served): void {
    const { attempts } = this.trace;
    const last = attempts.at(-1);
    if (!failure || !last || last.credential !== served.credential) return;
    attempts[attempts.length - 1] = { ...last, failure: failure.kind, error: failure.message };
  }

  #problemOf(failure: Failure, target: string): Problem {
    return verdict({ target, failures: [failure], refusal: null }, this.#tools.clock.now());
  }

  #failed(forwarded: Extract<Forwarded, { kind: 'problem' }>): Response {
    const { problem, target } = forwarded;
    const name = target?.name ?? null;
    // Nobody reads a 499; the log should not blame an upstream for it.
    const failure = problem.status === 499 ? 'client-gone' : problem.kind;
    this.#finish({ target: name, credential: null, status: problem.status, failure, usage: null });
    return this.#problemResponse(problem, name);
  }

  #problemResponse(problem: Problem, target: string | null): Response {
    const route = {
      target: null,
      credential: null,
      attempts: this.trace.attempts.length,
      overheadMs: null,
      warnings: [],
    };
    const headers = this.#call.showsRoute && target !== null ? addRouteHeaders({}, route) : {};
    const detail = this.#detail(problem, target);
    this.#call.transcript?.sent(this.#call.codec.encodeError(problem, detail).body);
    return problemResponse(this.#call.codec, problem, detail, headers);
  }

  #detail(problem: Problem, target: string | null): ProblemDetail {
    const attempts = this.#call.showsRoute ? this.trace.attempts.map(toldAttempt) : null;
    return problemDetail(this.#call.requestId, target, attempts, problem, this.#tools.clock.now());
  }

  #headersOf(served: Served): Record<string, string> {
    const { headers } = served.attempted;
    const overheadMs = this.#overheadMs();
    if (!this.#call.showsRoute) return { ...headers };
    const { id } = served.target.runtime;
    const route: RouteHeaders = {
      target: served.target.name,
      credential: served.credential,
      attempts: this.trace.attempts.length,
      overheadMs,
      warnings: warningsOf(served),
      fallbackProvider: id === this.askedProvider ? null : id,
    };
    return addRouteHeaders({ ...headers }, route);
  }

  /** Who will serve is not known yet, and a header cannot be taken back. */
  #heldHeaders(): Record<string, string> {
    if (!this.#call.showsRoute) return {};
    return addRouteHeaders(
      {},
      { target: null, credential: null, attempts: this.trace.attempts.length, overheadMs: null, warnings: [] },
    );
  }

  /**
   * Time that was rotator's own until the answer began: neither an upstream's nor spent waiting for a credential.
   * Fixed when it is first asked for; what a stream takes afterwards is the upstream's.
   */
  #overheadMs(): number {
    this.#overhead ??= Math.max(
      0,
      performance.now() - this.trace.startedAt - this.trace.upstreamMs - this.trace.waitedMs,
    );
    return this.#overhead;
  }

  #finish(end: {
    target: string | null;
    credential: string | null;
    status: number;
    failure: string | null;
    usage: Usage | null;
  }): void {
    if (this.#gone) this.#call.signal.removeEventListener('abort', this.#onGone);
    const { attempts } = this.trace;
    this.#reservation?.end(
      spentBy({
        attempts: attempts.length,
        status: end.status,
        isWhole: end.failure === null,
        usage: end.usage,
        pieces: this.#pieces,
      }),
      this.#tools.clock.now(),
    );
    this.#call.onAttempts?.(attempts.map(toldAttempt));
    const record: RequestRecord = {
      id: this.#call.requestId,
      client: this.#call.client.name,
      model: this.#model,
      target: end.target,
      credential: end.credential,
      at: this.#call.arrivedAt,
      attempts,
      fallbacks: fallbacksOf(this.trace.passed, end.failure === null ? end.target : null),
      operation: this.#operation,
      traceParent: this.#call.headers.get('traceparent'),
      status: end.status,
      failure: end.failure,
      isStream: this.#isStream,
      queueMs: this.trace.waitedMs,
      firstByteMs: this.#firstByteMs,
      totalMs: performance.now() - this.trace.startedAt,
      overheadMs: this.#overheadMs(),
      inputTokens: end.usage?.inputTokens ?? null,
      outputTokens: end.usage?.outputTokens ?? null,
      cachedTokens: end.usage?.cachedTokens ?? null,
      reasoningTokens: end.usage?.reasoningTokens ?? null,
      costUsd: end.usage?.costUsd ?? null,
    };
    this.#tools.onFinished(record);
    this.#call.transcript?.end(record);
  }
}

const nothing = () => undefined;

const INTERNAL: Problem = { kind: 'internal', status: 500, message: 'internal error' };

/** What was changed or lost on the way there and back. */
function warningsOf({ attempted, changes }: Served): readonly string[] {
  const more = attempted.kind === 'reply' ? attempted.warnings : attempted.committed.stream.isAdapted ? ADAPTED : [];
  return more.length === 0 ? changes : [...changes, ...more];
}

const ADAPTED: readonly string[] = ['stream adapted'];

/** What clients may see of an attempt: not the upstream's own words. */
const toldAttempt = ({ target, credential, status, failure, ms }: AttemptSummary): AttemptRecord => ({
  target,
  credential,
  status,
  failure,
  ms,
});

const NO_FALLBACKS: RequestRecord['fallbacks'] = [];

/** Each step from a target that could not serve to the one that was tried next, or that served. */
function fallbacksOf(passed: Trace['passed'], served: string | null): RequestRecord['fallbacks'] {
  if (passed.length === 0) return NO_FALLBACKS;
  return passed.flatMap(({ target, reason }, i) => {
    const to = passed[i + 1]?.target ?? served;
    return to === null ? [] : [{ from: target, to, reason }];
  });
}
