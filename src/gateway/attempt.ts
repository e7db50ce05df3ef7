import type { Codec, Usage } from '../protocols/codec.ts';
import { adaptReplyBytes, eventAdapter } from '../providers/adapt.ts';
import { classifyReply } from '../providers/classify.ts';
import type { Failure } from '../providers/failure.ts';
import { downstreamHeaders } from '../providers/request.ts';
import { assertNever } from '../shared/assert-never.ts';
import type { Clock } from '../shared/clock.ts';
import { bodyFailure } from '../transport/fetch-upstream.ts';
import { TransportError, type Upstream } from '../transport/upstream.ts';
import type { CredentialAccess } from './gateway.ts';
import { IdleTimer } from './idle-timer.ts';
import { callWith, type Prepared } from './lane.ts';
import type { Target } from './plan.ts';
import { type StopCause, Stopped } from './stopped.ts';
import { type StreamStep, UpstreamStream } from './upstream-stream.ts';

// Events before the commit point are held back, but not without end.
const MAX_UNCOMMITTED_BYTES = 256 * 1024;
// Nobody explains an error in more.
const MAX_ERROR_BYTES = 64 * 1024;

export type AttemptInput = {
  readonly target: Target;
  readonly prepared: Prepared;
  readonly access: CredentialAccess;
  readonly codec: Codec;
  /** The client's headers. */
  readonly headers: Headers;
  /** Aborts when the client goes away. */
  readonly clientSignal: AbortSignal;
  /** Milliseconds since the epoch; in force until the commit point. */
  readonly deadline: number;
};

export type AttemptTools = {
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly version: string;
  readonly instance: string;
};

/** A stream past its commit point: from here on nothing is replayed. */
export type CommittedStream = {
  /** What was held back, to be written first. */
  readonly held: readonly Uint8Array[];
  /** The step that committed it, to be relayed next. */
  readonly step: StreamStep;
  readonly stream: UpstreamStream;
  /** What a read error of the stream means. */
  readonly failureOf: (error: unknown) => Failure;
  /** Reads an error that the upstream reports inside its stream. */
  readonly classify: (error: unknown) => Failure;
  /** Told for every chunk; fires the `idle` timeout when it is not told for too long. */
  readonly touch: () => void;
  /** Ends timers and listeners; aborts the upstream call unless the stream has ended by itself. */
  readonly close: (isOver: boolean) => void;
};

export type Attempted =
  | {
      readonly kind: 'reply';
      readonly headers: Headers;
      readonly bytes: Uint8Array;
      readonly usage: Usage | null;
      readonly isAdapted: boolean;
    }
  | { readonly kind: 'stream'; readonly headers: Headers; readonly committed: CommittedStream }
  | { readonly kind: 'failure'; readonly failure: Failure };

/** One try with one lease. Owns the upstream call, its timers and the commit point. Never rejects. */
export async function attempt(input: AttemptInput, tools: AttemptTools): Promise<Attempted> {
  const { clock } = tools;
  const { timeouts, provider } = input.target.runtime;
  const { isStream } = input.prepared.context;
  const abort = new AbortController();
  const stop = (cause: StopCause) => abort.abort(new Stopped(cause));
  const onClientGone = () => stop('client-gone');
  if (input.clientSignal.aborted) onClientGone();
  input.clientSignal.addEventListener('abort', onClientGone, { once: true });

  const leftMs = input.deadline - clock.now();
  // A whole reply has one limit, the nearer of the two; a stream is watched for silence besides its deadline.
  const isTotalNearer = !isStream && timeouts.totalMs < leftMs;
  const silence = isStream
    ? new IdleTimer(clock, timeouts.firstByteMs, () => stop(hasEvents ? 'idle' : 'first-byte'))
    : null;
  const cancelDeadline = isTotalNearer
    ? clock.schedule(timeouts.totalMs, () => stop('total'))
    : clock.schedule(leftMs, () => stop('deadline'));
  let hasEvents = false;
  let isSent = false;

  const release = (isOver: boolean) => {
    silence?.stop();
    cancelDeadline();
    input.clientSignal.removeEventListener('abort', onClientGone);
    if (!isOver) stop('client-gone');
  };
  const classify = (status: number, headers: Headers, text: string, json: unknown): Failure =>
    classifyReply(provider, { status, headers, text, json, model: input.target.model, now: clock.now() });
  const failureOf = (error: unknown): Failure =>
    abort.signal.aborted && abort.signal.reason instanceof Stopped
      ? stoppedFailure(abort.signal.reason.stopCause, input.target.name)
      : brokenFailure(error, isSent, input.target.name);
  const fail = (failure: Failure): Attempted => {
    release(false);
    return { kind: 'failure', failure };
  };

  try {
    const response = await tools.upstream(
      callWith(input.target, input.prepared, input.access, {
        headers: input.headers,
        signal: abort.signal,
        version: tools.version,
        instance: tools.instance,
      }),
    );
    isSent = true;
    if (response.status < 200 || response.status >= 300) {
      const text = await readText(response, MAX_ERROR_BYTES);
      if (response.status === 508) return fail(loopFailure(input.target.name));
      return fail(classify(response.status, response.headers, text, parseJson(text)));
    }
    const headers = downstreamHeaders(provider, response.headers);
    if (!isStream || !isEventStream(response)) {
      const raw = await response.bytes();
      const { bytes, isChanged } = adaptReplyBytes(provider, raw, input.prepared.context);
      const facts = input.codec.readReply(bytes);
      switch (facts.state) {
        case 'answer':
          release(true);
          return {
            kind: 'reply',
            headers,
            bytes,
            usage: facts.usage,
            isAdapted: isChanged,
          };
        case 'error':
          return fail(classify(200, response.headers, textOf(raw), facts.error));
        case 'unreadable':
          return fail(unreadableFailure(response, facts.reason, input.target.name));
        default:
          return assertNever(facts);
      }
    }

    const stream = new UpstreamStream(response.body ?? new ReadableStream({ start: (c) => c.close() }), {
      codec: input.codec,
      dropsUsageFrame: input.prepared.dropsUsageFrame,
      adapt: eventAdapter(provider, input.prepared.context),
      signal: abort.signal,
      clock,
    });
    const held: Uint8Array[] = [];
    let heldBytes = 0;
    for (;;) {
      const step = await stream.next();
      if (!hasEvents) {
        hasEvents = true;
        silence?.restart(timeouts.idleMs);
      } else silence?.touch();
      for (const piece of step.bytes) heldBytes += piece.length;
      if (!step.isContent && step.kind !== 'complete' && heldBytes < MAX_UNCOMMITTED_BYTES) {
        if (step.kind === 'error') return fail(classify(200, response.headers, '', step.error));
        if (step.kind === 'broken') return fail(emptyFailure(step.reason, input.target.name));
        held.push(...step.bytes);
        continue;
      }
      cancelDeadline();
      return {
        kind: 'stream',
        headers,
        committed: {
          held,
          step,
          stream,
          failureOf,
          classify: (error) => classify(200, response.headers, '', error),
          touch: () => silence?.touch(),
          close: release,
        },
      };
    }
  } catch (error) {
    return fail(failureOf(error));
  }
}

function isEventStream(response: Response): boolean {
  // Some servers name no type at all; what says it is JSON or a page is no stream.
  return !/\b(json|html)\b/i.test(response.headers.get('content-type') ?? '');
}

async function readText(response: Response, maxBytes: number): Promise<string> {
  if (!response.body) return '';
  const reader = response.body.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    while (length < maxBytes) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      length += value.length;
    }
  } catch {
    // The status already says that it failed; a body that breaks off explains what it can.
  }
  void reader.cancel().catch(() => undefined);
  return new TextDecoder().decode(Buffer.concat(pieces).subarray(0, maxBytes));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes.subarray(0, MAX_ERROR_BYTES));

function stoppedFailure(cause: StopCause, target: string): Failure {
  switch (cause) {
    case 'client-gone':
      return { kind: 'client-gone', status: null, message: 'the client went away' };
    case 'deadline':
      return { kind: 'deadline', status: null, message: `${target} did not answer before the request's deadline` };
    case 'first-byte':
    case 'total':
    case 'idle':
      return { kind: 'timeout', status: null, phase: cause, message: `${target} ran into its ${cause} timeout` };
    default:
      return assertNever(cause);
  }
}

function brokenFailure(error: unknown, isSent: boolean, target: string): Failure {
  const cause = isSent ? bodyFailure(error) : error;
  if (!(cause instanceof TransportError)) throw error;
  switch (cause.phase) {
    case 'not-sent':
      return { kind: 'not-sent', status: null, message: `${target} cannot be reached: ${cause.message}` };
    case 'connect-timeout':
      return {
        kind: 'timeout',
        status: null,
        phase: 'connect',
        message: `${target} did not accept a connection in time`,
      };
    case 'lost':
      return { kind: 'lost', status: null, message: `the connection to ${target} broke: ${cause.message}` };
    default:
      return assertNever(cause.phase);
  }
}

function loopFailure(target: string): Failure {
  return { kind: 'loop', status: 508, message: `${target} leads back to this server` };
}

function emptyFailure(reason: string, target: string): Failure {
  return { kind: 'empty', status: 200, message: `${target}: ${reason}` };
}

function unreadableFailure(response: Response, reason: string, target: string): Failure {
  const type = response.headers.get('content-type') ?? 'no content type';
  return { kind: 'upstream-error', status: 200, message: `${target}: ${reason} (${type})` };
}
