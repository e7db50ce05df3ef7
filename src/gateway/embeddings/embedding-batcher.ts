import type { Usage } from '../../protocols/codec.ts';
import type { EmbeddingReply, Vector } from '../../protocols/embeddings/embeddings.ts';
import { usageFor } from '../../protocols/plain-json.ts';
import type { Problem } from '../../protocols/problem.ts';
import type { Clock } from '../../shared/clock.ts';
import { type Forwarded, type ForwardInput, Trace } from '../forward.ts';
import type { Target } from '../plan.ts';
import type { EmbeddingCall, EmbeddingItem } from './embedding-call.ts';
import { EmbeddingJob } from './embedding-job.ts';
import { shareUsage } from './share-usage.ts';

export type BatchSettings = {
  readonly isOn: boolean;
  /** Inputs of one upstream call, where the vendor takes as many. */
  readonly size: number;
  /** From a batch's first input on. */
  readonly waitMs: number;
};

export type BatcherDeps = {
  readonly settings: () => BatchSettings;
  readonly clock: Clock;
  /** The loop. */
  readonly forward: (input: ForwardInput, trace: Trace) => Promise<Forwarded>;
};

/** One input of one call, on its way. */
type Place = { readonly member: Member; readonly at: number; readonly item: EmbeddingItem };

/** Inputs that wait for others, or for their time. */
type Window = { readonly places: Place[]; readonly cancel: () => void };

/**
 * Puts inputs of several calls into one upstream call, and cuts calls that are too long for one. Who waits for whom is
 * decided by the key; each call gets back its own vectors in its own order, and its own share of what they cost.
 */
export class EmbeddingBatcher {
  readonly #deps: BatcherDeps;
  readonly #windows = new Map<string, Window>();

  constructor(deps: BatcherDeps) {
    this.#deps = deps;
  }

  async send(call: EmbeddingCall, input: ForwardInput, trace: Trace): Promise<Forwarded> {
    const { isOn, size, waitMs } = this.#deps.settings();
    const most = Math.min(isOn ? size : Number.POSITIVE_INFINITY, ...input.targets.map(maxInputs));
    const member = new Member(call, input, trace);
    const startedAt = performance.now();
    const onGone = () => member.leave();
    input.clientSignal.addEventListener('abort', onGone, { once: true });
    try {
      if (!isOn || call.key === null) this.#sendAlone(member, most);
      else
        this.#join(
          member,
          keyOf(call.key, input),
          most,
          waitMs,
          () => (trace.waitedMs += performance.now() - startedAt),
        );
      if (input.clientSignal.aborted) onGone();
      return await member.done;
    } finally {
      input.clientSignal.removeEventListener('abort', onGone);
    }
  }

  #sendAlone(member: Member, most: number): void {
    const { items } = member.call;
    if (items.length <= most) return this.#start(member.places);
    for (let at = 0; at < items.length; at += most) this.#start(member.places.slice(at, at + most));
  }

  #join(member: Member, key: string, most: number, waitMs: number, onSent: () => void): void {
    member.onSent = onSent;
    for (const place of member.places) {
      let window = this.#windows.get(key);
      if (!window) {
        const cancel = this.#deps.clock.schedule(waitMs, () => this.#close(key));
        window = { places: [], cancel };
        this.#windows.set(key, window);
      }
      window.places.push(place);
      if (window.places.length >= most) this.#close(key);
    }
  }

  #close(key: string): void {
    const window = this.#windows.get(key);
    if (!window) return;
    this.#windows.delete(key);
    window.cancel();
    this.#start(window.places.filter(({ member }) => !member.isGone));
  }

  #start(places: readonly Place[]): void {
    if (places.length === 0) return;
    const batch = new Batch(places);
    void this.#run(batch).catch((bug: unknown) => {
      for (const member of batch.members) member.fail(bug);
    });
  }

  async #run(batch: Batch): Promise<void> {
    const [first] = batch.members;
    if (!first) return;
    for (const member of batch.members) member.begin(batch, batch.placesOf(member).length);
    const job = batch.job();
    const trace = new Trace();
    const arrivedAt = Math.min(...batch.members.map(({ input }) => input.arrivedAt));
    const forwarded = await this.#deps.forward({ ...first.input, job, clientSignal: batch.signal, arrivedAt }, trace);
    for (const member of batch.members) member.note(trace);
    if (forwarded.kind === 'answer') return batch.deliver(readPart(forwarded, job, batch.places));
    if (batch.members.length > 1 && blamesAnInput(forwarded.problem)) {
      // One of them is at fault and the others need not pay for it: each is asked for by itself.
      await Promise.all(batch.members.map((member) => this.#run(new Batch(batch.placesOf(member)))));
      return;
    }
    for (const member of batch.members) member.refuse(forwarded);
  }
}

const maxInputs = ({ runtime }: Target): number => runtime.provider.embeddings?.maxInputs ?? Number.POSITIVE_INFINITY;

/** Equal for calls that may share one. The targets may differ after a reload. */
const keyOf = (key: string, { targets, timeoutMs, maxTargets }: ForwardInput): string =>
  JSON.stringify([key, timeoutMs, maxTargets, targets.map(({ name }) => name)]);

const blamesAnInput = ({ kind, status }: Problem): boolean =>
  kind === 'context-too-long' || (kind === 'upstream-rejected' && (status === 400 || status === 413 || status === 422));

/** Inputs that go together. */
class Batch {
  readonly places: readonly Place[];
  readonly members: readonly Member[];
  readonly #abort = new AbortController();

  constructor(places: readonly Place[]) {
    this.places = places;
    this.members = [...new Set(places.map(({ member }) => member))];
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  placesOf(member: Member): readonly Place[] {
    return this.members.length === 1 ? this.places : this.places.filter((place) => place.member === member);
  }

  job(): EmbeddingJob {
    const [first] = this.members;
    if (!first) throw new Error('a batch without inputs');
    const { call } = first;
    const isWhole = this.members.length === 1 && this.places.length === call.items.length;
    return new EmbeddingJob(call, isWhole ? call.items : this.places.map(({ item }) => item));
  }

  deliver(part: Part): void {
    const shares = shareUsage(
      part.usage,
      this.places.map(({ item }) => item.tokens),
    );
    for (const member of this.members) {
      const own = this.places.flatMap((place, i) => {
        const share = shares[i];
        return place.member === member && share
          ? [{ at: place.at, vector: part.reply?.vectors[i] ?? null, share }]
          : [];
      });
      member.take(part, own);
    }
  }

  onLeave(): void {
    if (this.members.every(({ isGone }) => isGone)) this.#abort.abort();
  }
}

/** What one upstream call brought. */
type Part = {
  readonly answer: Extract<Forwarded, { kind: 'answer' }>;
  /** Null: the reply's own bytes are what the one client gets. */
  readonly reply: EmbeddingReply | null;
  readonly bytes: Uint8Array;
  readonly usage: Usage;
  readonly warnings: readonly string[];
};

function readPart(answer: Part['answer'], job: EmbeddingJob, places: readonly Place[]): Part {
  const { attempted, target } = answer;
  if (attempted.kind !== 'reply') throw new Error('embeddings came as a stream');
  const used = attempted.usage ?? usageFor(job.estimateTokens(), 0);
  const usage = answer.lease.settle(null, used) ?? used;
  const { bytes } = attempted;
  const warnings = [...attempted.warnings, ...(attempted.usage ? [] : ['usage estimated'])];
  const isShared = places.some(({ member }) => member !== places[0]?.member);
  const reply = !isShared && job.passes(target, bytes) ? null : job.replyOf(target, bytes);
  return { answer, reply, bytes, usage, warnings };
}

type Share = { readonly at: number; readonly vector: Vector | null; readonly share: Usage };

/** One client's call, from its arrival until all its vectors are there. */
class Member {
  readonly call: EmbeddingCall;
  readonly input: ForwardInput;
  readonly places: readonly Place[];
  isGone = false;
  /** Told when the first of its inputs leaves. */
  onSent: () => void = () => undefined;
  readonly #trace: Trace;
  readonly #done = Promise.withResolvers<Forwarded>();
  readonly #vectors: (Vector | null)[];
  readonly #batches = new Set<Batch>();
  readonly #parts: Part[] = [];
  readonly #usages: Usage[] = [];
  /** Inputs without a vector. */
  #missing: number;
  /** Inputs that have never been on their way. */
  #unsent: number;

  constructor(call: EmbeddingCall, input: ForwardInput, trace: Trace) {
    this.call = call;
    this.input = input;
    this.#trace = trace;
    this.places = call.items.map((item, at) => ({ member: this, at, item }));
    this.#vectors = call.items.map(() => null);
    this.#missing = call.items.length;
    this.#unsent = call.items.length;
  }

  get done(): Promise<Forwarded> {
    return this.#done.promise;
  }

  begin(batch: Batch, count: number): void {
    if (this.#batches.size === 0) this.onSent();
    this.#unsent = Math.max(0, this.#unsent - count);
    this.#batches.add(batch);
    // It may have gone between a batch that failed and this one.
    if (this.isGone) batch.onLeave();
  }

  note(trace: Trace): void {
    const laterMs = trace.startedAt - this.#trace.startedAt;
    for (const attempt of trace.attempts)
      this.#trace.attempts.push({ ...attempt, startMs: Math.max(0, attempt.startMs + laterMs) });
    this.#trace.passed.push(...trace.passed);
    this.#trace.waitedMs += trace.waitedMs;
    this.#trace.upstreamMs += trace.upstreamMs;
  }

  take(part: Part, shares: readonly Share[]): void {
    this.#parts.push(part);
    for (const { at, vector, share } of shares) {
      this.#vectors[at] = vector;
      this.#usages.push(share);
    }
    this.#missing -= shares.length;
    if (this.#missing === 0) this.#done.resolve(this.#answer());
  }

  refuse(refused: Extract<Forwarded, { kind: 'problem' }>): void {
    this.#done.resolve(refused);
  }

  fail(bug: unknown): void {
    this.#done.reject(bug);
  }

  /** Its client has gone: what waits is not sent for it, and what was sent ends when nobody wants it any more. */
  leave(): void {
    this.isGone = true;
    // What is under way tells its end itself; what is not will never be sent.
    if (this.#unsent > 0) this.#done.resolve({ kind: 'problem', target: null, problem: GONE });
    for (const batch of this.#batches) batch.onLeave();
  }

  #answer(): Forwarded {
    const [first, ...more] = this.#parts;
    if (!first) throw new Error('an answer without parts');
    const { answer } = first;
    const other = more.find((part) => part.answer.target.name !== answer.target.name);
    if (other) return mixed(answer.target, other.answer.target);
    const usage = sumOf(this.#usages);
    const bytes = first.reply
      ? this.call.write({
          vectors: this.#vectors.flatMap((vector) => (vector === null ? [] : [vector])),
          model: first.reply.model ?? answer.target.shownName,
          inputTokens: usage.inputTokens,
        })
      : first.bytes;
    const distinct = (lists: readonly (readonly string[])[]) => [...new Set(lists.flat())];
    return {
      ...answer,
      changes: distinct(this.#parts.map((part) => part.answer.changes)),
      attempted: {
        kind: 'reply',
        headers: first.reply ? JSON_HEADERS : answer.attempted.headers,
        bytes,
        usage,
        warnings: distinct(this.#parts.map(({ warnings }) => warnings)),
      },
      // The upstream call is settled; what is left of it is this call's share.
      lease: { settle: (_, share) => share },
    };
  }
}

const JSON_HEADERS = { 'content-type': 'application/json' };

/** Nobody reads it. */
const GONE: Problem = { kind: 'timeout', status: 499, message: 'the client went away' };

/** Vectors of two models have nothing in common, however alike their names are. */
const mixed = (target: Target, other: Target): Forwarded => ({
  kind: 'problem',
  target,
  problem: {
    kind: 'upstream-broken',
    status: 502,
    message: `parts of the input were served by ${target.name} and by ${other.name}, whose vectors must not be mixed; ask again`,
  },
});

function sumOf(usages: readonly Usage[]): Usage {
  const sum = (field: keyof Usage) =>
    usages.some((usage) => usage[field] === null)
      ? null
      : usages.reduce((total, usage) => total + (usage[field] ?? 0), 0);
  return {
    inputTokens: sum('inputTokens'),
    outputTokens: sum('outputTokens'),
    cachedTokens: sum('cachedTokens'),
    cacheWriteTokens: sum('cacheWriteTokens'),
    reasoningTokens: sum('reasoningTokens'),
    audioInputTokens: sum('audioInputTokens'),
    audioOutputTokens: sum('audioOutputTokens'),
    costUsd: sum('costUsd'),
  };
}
