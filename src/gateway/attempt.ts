import { accountRefusal } from '../oauth/code-assist/refusal.ts';
import { redact } from '../observe/redact.ts';
import type { Usage } from '../protocols/codec.ts';
import { adaptReplyBytes, eventAdapter } from '../providers/adapt.ts';
import { classifyReply } from '../providers/classify.ts';
import type { Failure } from '../providers/failure.ts';
import type { LearnedLimits } from '../providers/provider.ts';
import type { QuotaReading } from '../providers/quota-poll.ts';
import { readRateHeaders } from '../providers/rate-headers.ts';
import { downstreamHeaders } from '../providers/request.ts';
import type { AnswerReader } from '../protocols/plain-json.ts';
import type { JsonRecord } from '../protocols/ir.ts';
import { assertNever } from '../shared/assert-never.ts';
import type { Clock } from '../shared/clock.ts';
import { isObject, parseJson } from '../shared/json-shape.ts';
import type { Secret } from '../shared/secret.ts';
import { bodyFailure } from '../transport/fetch-upstream.ts';
import { SseFramer } from '../transport/sse.ts';
import { TransportError, type Upstream } from '../transport/upstream.ts';
import { type AnswerStream, ByteStream } from './byte-stream.ts';
import type { CredentialAccess } from './gateway.ts';
import { callWith, type Prepared } from './lane.ts';
import { issuesState, type Pins } from './pins.ts';
import { Leash } from './leash.ts';
import type { Target } from './plan.ts';
import { isSignedOut, type SignedIn, signedOutFailure, signIn } from './signed-in.ts';
import type { StopCause } from './stopped.ts';
import { unwrapper, unwrapStream } from './unwrap.ts';
import { type StreamStep, UpstreamStream } from './upstream-stream.ts';

// Events before the commit point are held back, but not without end.
const MAX_UNCOMMITTED_BYTES = 256 * 1024;
// Images inside an answer are some tens of megabytes.
const MAX_REPLY_BYTES = 128 * 1024 * 1024;
// Nobody explains an error in more.
const MAX_ERROR_BYTES = 64 * 1024;
const NONE: readonly string[] = [];
const ADAPTED: readonly string[] = ['reply adapted'];
// Of an error's words, for the request log.
const MAX_SAID_LENGTH = 2048;

export type AttemptInput = {
  readonly target: Target;
  readonly prepared: Prepared;
  readonly access: CredentialAccess;
  /** The client wants its answer as a stream. */
  readonly isStream: boolean;
  /** The client's headers. */
  readonly headers: Headers;
  /** Aborts when the client goes away. */
  readonly clientSignal: AbortSignal;
  /** Milliseconds since the epoch; in force until the commit point. */
  readonly deadline: number;
  /** Names the conversation; null: none is known. */
  readonly conversation: string | null;
};

export type AttemptTools = {
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly version: string;
  readonly instance: string;
  readonly pins: Pins;
};

/** A stream past its commit point: from here on nothing is replayed. */
export type CommittedStream = {
  /** What was held back, to be written first. */
  readonly held: readonly Uint8Array[];
  /** The step that committed it, to be relayed next. */
  readonly step: StreamStep;
  readonly stream: AnswerStream;
  /** What a read error of the stream means. */
  readonly failureOf: (error: unknown) => Failure;
  /** Reads an error that the upstream reports inside its stream. */
  readonly classify: (error: unknown) => Failure;
  /** Watches the upstream's silence: told of every chunk, and held while a client is slow. */
  readonly leash: Pick<Leash, 'touch' | 'hold' | 'unhold'>;
  /** Ends timers and listeners; aborts the upstream call unless the stream has ended by itself. */
  readonly close: (isOver: boolean) => void;
};

/** `learned`, `quota`: what a reply's head told, whatever came of it. */
export type Attempted = {
  readonly result: Result;
  readonly learned: LearnedLimits | null;
  /** Null: it told nothing of the credential's quota. */
  readonly quota: ToldQuota | null;
};

type ToldQuota = { readonly askedAt: number; readonly reading: QuotaReading };

export type Result =
  | {
      readonly kind: 'reply';
      readonly headers: Readonly<Record<string, string>>;
      readonly bytes: Uint8Array;
      readonly usage: Usage | null;
      /** What was changed or lost on its way to the client. */
      readonly warnings: readonly string[];
    }
  | {
      readonly kind: 'stream';
      readonly headers: Readonly<Record<string, string>>;
      readonly committed: CommittedStream;
    }
  /** `said`: the first of the upstream's own words, without secrets, for the request log. */
  | { readonly kind: 'failure'; readonly failure: Failure; readonly said: string | null };

/** How far an attempt has come, also when it ends in an exception. */
type Course = {
  signedIn: SignedIn | null;
  isSent: boolean;
  /** A stream's head has come: what breaks now is the stream. */
  isStreaming: boolean;
  learned: LearnedLimits | null;
  quota: ToldQuota | null;
};

/** One try with one lease. Owns the upstream call, its timers and the commit point. Never rejects. */
export async function attempt(input: AttemptInput, tools: AttemptTools): Promise<Attempted> {
  const { target, access } = input;
  const { timeouts } = target.runtime;
  const { isStream } = input;
  const leash = new Leash(input.clientSignal, { timeouts, isStream, deadline: input.deadline }, tools.clock);
  const course: Course = { signedIn: null, isSent: false, isStreaming: false, learned: null, quota: null };
  let attempted: Result | null = null;
  try {
    // A key is at hand: nothing is waited for.
    attempted = access.account
      ? await callAsAccount(input, leash, course, tools)
      : await call(input, { secret: access.key, account: null }, leash, course, tools);
  } catch (error) {
    const cause = leash.cause;
    const failure = cause ? stoppedFailure(cause, target.name) : brokenFailure(error, course.isSent, target.name);
    attempted = failed(failure.kind === 'lost' && course.isStreaming ? brokenOff(failure) : failure);
  } finally {
    if (attempted?.kind !== 'stream') leash.release(attempted?.kind === 'reply');
  }
  if (attempted.kind === 'failure') attempted = withoutKey(attempted, course.signedIn?.secret ?? null);
  return { result: attempted, learned: course.learned, quota: course.quota };
}

/** A token that the API refuses is renewed once and tried once more: it may have been taken back before its end. */
async function callAsAccount(input: AttemptInput, leash: Leash, course: Course, tools: AttemptTools): Promise<Result> {
  const { signal } = leash;
  const signedIn = await signIn(input.access, { signal });
  if (isSignedOut(signedIn)) return failed(signedOutFailure(signedIn));
  const result = await call(input, signedIn, leash, course, tools);
  const isRefused = result.kind === 'failure' && result.failure.kind === 'key-rejected' && course.isSent;
  if (!isRefused || signedIn.secret === null) return result;
  const renewed = await signIn(input.access, { signal, rejected: signedIn.secret });
  if (!isSignedOut(renewed)) return await call(input, renewed, leash, course, tools);
  const isLasting = renewed.state.kind === 'needs_login' || renewed.state.kind === 'blocked';
  return isLasting ? failed(signedOutFailure(renewed)) : result;
}

async function call(
  input: AttemptInput,
  signedIn: SignedIn,
  leash: Leash,
  course: Course,
  tools: AttemptTools,
): Promise<Result> {
  const { target, prepared, isStream } = input;
  const { provider } = target.runtime;
  course.signedIn = signedIn;
  course.isSent = false;
  course.isStreaming = false;
  const askedAt = tools.clock.now();
  const response = await tools.upstream(
    callWith(target, prepared, input.access, signedIn, {
      headers: input.headers,
      conversation: input.conversation,
      signal: leash.signal,
      version: tools.version,
      instance: tools.instance,
    }),
  );
  course.isSent = true;
  const now = tools.clock.now();
  const reading = provider.quotaHeaders?.(response.headers, now) ?? null;
  course.learned = readRateHeaders(response.headers, provider, now);
  course.quota = reading && { askedAt, reading };
  const isAnswer = response.status >= 200 && response.status < 300;
  if (!isAnswer) return await refusalOf(response, input, tools);
  if (isStream && isEventStream(response)) {
    course.isStreaming = true;
    return await streamOf(response, input, leash, tools);
  }
  if (prepared.relaysBytes && isOpaque(response)) return await bytesOf(response, input, leash, tools);
  return replyOf(response, await readWhole(response), input, tools);
}

/** Some servers repeat the key they were given; a pattern need not know its shape to keep it from logs and clients. */
function withoutKey(refused: Extract<Result, { kind: 'failure' }>, key: Secret | null): Result {
  if (!key) return refused;
  const { failure, said } = refused;
  const message = redact(failure.message, [key]);
  return { kind: 'failure', failure: { ...failure, message }, said: said === null ? null : redact(said, [key]) };
}

function failed(failure: Failure, said: string | null = null): Result {
  return { kind: 'failure', failure, said };
}

async function refusalOf(response: Response, input: AttemptInput, tools: AttemptTools): Promise<Result> {
  const text = await readText(response, MAX_ERROR_BYTES);
  if (response.status === 508) return failed(loopFailure(input.target.name));
  const json = parseJson(text);
  const { account } = input.access;
  const refusal = account ? accountRefusal(response.status, errorObject(json)) : null;
  if (account && refusal) {
    account.refuse(refusal);
    const failure = signedOutFailure({ state: refusal });
    return failed({ ...failure, status: response.status }, redact(text.slice(0, MAX_SAID_LENGTH)));
  }
  const told = classify(response, text, json, input, tools, response.status);
  const failure = lacksEndpoint(told, input) ? missingEndpoint(told, input.target.name) : told;
  return failed(failure, text === '' ? null : redact(text.slice(0, MAX_SAID_LENGTH)));
}

/** Google sends some errors as the only entry of a list. */
function errorObject(json: unknown): JsonRecord | null {
  const [value] = Array.isArray(json) ? json : [json];
  return isObject(value) ? value : null;
}

/** A path that is not there is a wrong base URL for a chat; for anything else it is what the server does not have. */
const lacksEndpoint = ({ kind, status }: Failure, { prepared }: AttemptInput) =>
  prepared.codec.isPlain === true && kind === 'upstream-error' && (status === 404 || status === 405 || status === 501);

function missingEndpoint({ status, message }: Failure, target: string): Failure {
  const rejected = { type: null, code: null, param: null };
  return { kind: 'bad-request', status, message: `${target} cannot be asked for this: ${message}`, rejected };
}

/** `status` is 200 for an error that travels inside a success. */
function classify(
  { headers }: Response,
  text: string,
  json: unknown,
  { target }: AttemptInput,
  { clock }: AttemptTools,
  status = 200,
): Failure {
  return classifyReply(target.runtime.provider, { status, headers, text, json, model: target.model, now: clock.now() });
}

function replyOf(response: Response, raw: Uint8Array | null, input: AttemptInput, tools: AttemptTools): Result {
  if (raw === null) {
    const message = `${input.target.name}: the reply is larger than ${MAX_REPLY_BYTES >> 20} MB`;
    return failed({ kind: 'upstream-error', status: 200, message });
  }
  const { provider } = input.target.runtime;
  const { codec, context, translation, watch } = input.prepared;
  // Some servers stream although nobody asked, or call a stream JSON.
  const unwrap = input.access.account ? provider.accounts?.unwrap : undefined;
  const isStreamed = !codec.isPlain && startsLikeStream(raw);
  const stream = isStreamed && unwrap ? unwrapStream(raw, unwrap) : raw;
  const collected = isStreamed ? codec.collect(stream) : null;
  if (isStreamed && !collected) {
    const error = streamError(stream, codec);
    if (error !== undefined) return failed(classify(response, textOf(stream), error, input, tools));
  }
  const whole = !isStreamed && unwrap ? unwrap(raw) : raw;
  const { bytes, isChanged } = codec.isPlain
    ? { bytes: whole, isChanged: false }
    : adaptReplyBytes(provider, collected ?? whole, context);
  const facts = codec.readReply(bytes);
  switch (facts.state) {
    case 'answer': {
      watch?.reply(bytes);
      if (!codec.isPlain && issuesState(codec.id)) tools.pins.note(bytes, input.target.runtime.id, input.access.id);
      const headers = downstreamHeaders(provider, response.headers);
      headers['content-type'] ??= 'application/json';
      if (collected || translation) headers['content-type'] = 'application/json';
      const warnings = isChanged ? ADAPTED : NONE;
      if (!translation) return { kind: 'reply', headers, bytes, usage: facts.usage, warnings };
      const translated = translation.reply(bytes);
      return {
        kind: 'reply',
        headers,
        bytes: translated.bytes,
        usage: facts.usage,
        warnings: [...warnings, ...translated.warnings],
      };
    }
    case 'error':
      return failed(classify(response, textOf(raw), facts.error, input, tools));
    case 'unreadable':
      return failed(unreadableFailure(response, facts.reason, input.target.name));
    default:
      return assertNever(facts);
  }
}

/** Reads up to the commit point: the first piece of content, or the end of an answer without any. */
async function streamOf(response: Response, input: AttemptInput, leash: Leash, tools: AttemptTools): Promise<Result> {
  const { target, prepared } = input;
  const { provider } = target.runtime;
  const unwrap = input.access.account ? provider.accounts?.unwrap : undefined;
  const stream = new UpstreamStream(response.body ?? new ReadableStream({ start: (c) => c.close() }), {
    codec: prepared.codec,
    translation: prepared.translation?.stream() ?? null,
    watch: prepared.watch?.stream() ?? null,
    note:
      !prepared.codec.isPlain && issuesState(prepared.codec.id)
        ? (bytes) => tools.pins.note(bytes, target.runtime.id, input.access.id)
        : null,
    dropsUsageFrame: prepared.dropsUsageFrame,
    rewrite: prepared.codec.isPlain
      ? null
      : unwrap
        ? unwrapper(unwrap)
        : (provider.rewriteStream?.(prepared.context) ?? null),
    adapt: prepared.codec.isPlain ? null : eventAdapter(provider, prepared.context),
    signal: leash.signal,
    clock: tools.clock,
  });
  const held: Uint8Array[] = [];
  let heldBytes = 0;
  for (;;) {
    const step = await stream.next();
    leash.touch();
    for (const piece of step.bytes) heldBytes += piece.length;
    if (!step.isContent && step.kind !== 'complete' && heldBytes < MAX_UNCOMMITTED_BYTES) {
      if (step.kind === 'error') return failed(classify(response, '', step.error, input, tools));
      if (step.kind === 'broken') return failed(emptyFailure(step.reason, target.name));
      held.push(...step.bytes);
      continue;
    }
    leash.commit();
    return {
      kind: 'stream',
      headers: downstreamHeaders(provider, response.headers),
      committed: committed({ held, step, stream }, response, input, leash, tools),
    };
  }
}

/** A failure that travels inside a stream which nobody wanted as one; undefined: there is none. */
function streamError(stream: Uint8Array, codec: AnswerReader): unknown {
  const reader = codec.streamReader();
  for (const frame of new SseFramer().push(stream)) {
    const { error, isEnd } = reader.push(frame);
    if (error !== undefined || isEnd) return error;
  }
  return undefined;
}

/** Reads up to the first byte, which commits. */
async function bytesOf(response: Response, input: AttemptInput, leash: Leash, tools: AttemptTools): Promise<Result> {
  const { target } = input;
  const stream = new ByteStream(response.body ?? new ReadableStream({ start: (c) => c.close() }));
  const step = await stream.next();
  if (step.kind !== 'frames') return failed(emptyFailure('the reply is empty', target.name));
  leash.commit();
  const headers = downstreamHeaders(target.runtime.provider, response.headers);
  return { kind: 'stream', headers, committed: committed({ held: [], step, stream }, response, input, leash, tools) };
}

function committed(
  begun: Pick<CommittedStream, 'held' | 'step' | 'stream'>,
  response: Response,
  input: AttemptInput,
  leash: Leash,
  tools: AttemptTools,
): CommittedStream {
  const { name } = input.target;
  return {
    ...begun,
    failureOf: (error) => {
      const { cause } = leash;
      return cause ? stoppedFailure(cause, name) : brokenFailure(error, true, name);
    },
    classify: (error) => classify(response, '', error, input, tools),
    leash,
    close: (isOver) => leash.release(isOver),
  };
}

/** `data:`, `event:` or a comment: no JSON text begins so. */
function startsLikeStream(bytes: Uint8Array): boolean {
  const first = bytes[0];
  return first === 58 || (first === 100 && bytes[4] === 58) || (first === 101 && bytes[5] === 58);
}

/** Null when it is too large. A reply without end must not be the end of this process. */
function readWhole(response: Response): Promise<Uint8Array | null> {
  const declared = Number(response.headers.get('content-length') ?? Number.NaN);
  if (declared <= MAX_REPLY_BYTES) return response.bytes();
  return declared > MAX_REPLY_BYTES ? Promise.resolve(null) : readCounted(response);
}

async function readCounted(response: Response): Promise<Uint8Array | null> {
  if (!response.body) return new Uint8Array(0);
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body) {
    pieces.push(piece);
    length += piece.length;
    if (length > MAX_REPLY_BYTES) return null;
  }
  return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
}

function isEventStream(response: Response): boolean {
  // Some servers name no type at all; what says it is JSON or a page is no stream.
  return !/\b(json|html)\b/i.test(response.headers.get('content-type') ?? '');
}

/** Neither JSON, which may be an error, nor a page. */
const isOpaque = (response: Response): boolean =>
  !/\b(?:json|html)\b/i.test(response.headers.get('content-type') ?? 'application/json');

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

const brokenOff = ({ message }: Failure): Failure => ({
  kind: 'stream-broken',
  status: 200,
  isCommitted: false,
  message,
});

function loopFailure(target: string): Failure {
  return { kind: 'loop', status: 508, message: `${target} leads back to this server` };
}

function emptyFailure(reason: string, target: string): Failure {
  return { kind: 'empty', status: 200, message: `${target}: ${reason}` };
}

function unreadableFailure(response: Response, reason: string, target: string): Failure {
  const type = response.headers.get('content-type') ?? 'no content type';
  const message = `${target}: ${reason} (${type})`;
  // A page comes from something in front of the model. Anything else the model may have made, and asking the same key
  // once more could be paid for twice.
  return { kind: /\bhtml\b/i.test(type) ? 'upstream-error' : 'empty', status: 200, message };
}
