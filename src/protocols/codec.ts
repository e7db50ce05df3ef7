import type { JsonIndex } from '../shared/json-bytes.ts';
import type { SseFrame } from '../shared/sse.ts';
import type { ChatEvent, ChatReply, ChatRequest, JsonRecord, Usage } from './ir.ts';
import type { Problem, ProblemDetail } from './problem.ts';
import type { ProtocolId } from './protocol-id.ts';
import type { ReasoningTraits } from './reasoning.ts';

export type { Usage } from './ir.ts';
export type { ProtocolId } from './protocol-id.ts';

/** What a URL says of a request, in protocols whose bodies do not say it. */
export type RequestPath = { readonly model: string; readonly isStream: boolean };

/** What routing needs of a request, read from its bytes without parsing them whole. */
export type Envelope = {
  readonly index: JsonIndex;
  /** As the client wrote it. */
  readonly model: string;
  readonly isStream: boolean;
  /** The client itself asked for a usage frame at the end of the stream. */
  readonly wantsUsage: boolean;
};

/** Where a protocol keeps what affinity and estimates look for. Top-level field names. */
export type RequestLayout = {
  readonly conversation: string;
  /** Null where instructions are a part of the conversation. */
  readonly instructions: string | null;
  /** The client's own limit for the answer, in tokens; null when it names none. */
  maxOutputTokens(index: JsonIndex): number | null;
};

/** What one frame of an upstream's stream means to the relay. A frame may carry several facts. */
export type FrameFacts = {
  /** Text, reasoning or a tool call: something a person or a program would use. It commits the answer. */
  readonly isContent: boolean;
  /** The protocol's own end mark, `[DONE]` in chat. */
  readonly isEnd: boolean;
  /** A frame that only reports usage; removed when the client did not ask for it. */
  readonly isUsageOnly: boolean;
  /** The upstream reports a failure inside the stream: the parsed error value. */
  readonly error: unknown;
  /** The parsed payload, for provider hooks; undefined for comments and end marks. */
  readonly json: unknown;
};

/** How a stream stood when it ended. */
export type StreamEnd =
  | { readonly state: 'complete'; readonly isEndSeen: boolean }
  | { readonly state: 'broken'; readonly reason: string };

/** How far a stream has come, for protocols whose error frames continue a count and whose answers are kept. */
export type StreamProgress = {
  /** The answer as its first event announced it, id and all; null before that. */
  readonly announced: JsonRecord | null;
  /** The `sequence_number` that the next event would have. */
  readonly nextSequence: number;
  /** The whole answer that the terminal event carried; null before it, and in protocols whose ends carry none. */
  readonly final: JsonRecord | null;
};

/** Reads one upstream stream, frame by frame. No I/O. */
export interface StreamReader {
  push(frame: SseFrame): FrameFacts;
  /** The connection has ended cleanly. */
  end(): StreamEnd;
  readonly usage: Usage | null;
  /** Unified finish reason of the first choice, as the upstream wrote it. */
  readonly finishReason: string | null;
  readonly progress?: StreamProgress;
}

/** What a whole reply says. */
export type ReplyFacts =
  | { readonly state: 'answer'; readonly usage: Usage | null }
  | { readonly state: 'error'; readonly error: unknown }
  | { readonly state: 'unreadable'; readonly reason: string };

/** A value, and what of it could not be kept. Each warning is one short clause: `logit_bias removed`. */
export type Warned<Value> = { readonly value: Value; readonly warnings: readonly string[] };

/** What an encoder must know of the model it writes for. */
export type EncodeContext = {
  /** Upstream model id. */
  readonly model: string;
  readonly isStream: boolean;
  readonly reasoning: ReasoningTraits;
  /** The model's own limit for an answer, in tokens; null: not known. */
  readonly maxOutputTokens: number | null;
  /** The model answers in a given JSON schema by itself; null: not known. */
  readonly hasStructuredOutput: boolean | null;
};

/** What was renamed on the way up, to be undone on the way down. */
export type NameTrace = {
  /** Upstream's tool name → client's, where they differ. */
  readonly toolNames: ReadonlyMap<string, string>;
  /** A tool that stands in for structured output: its arguments are the answer's text. As the upstream knows it. */
  readonly answerTool: string | null;
};

export type EncodedRequest = { readonly body: JsonRecord; readonly trace: NameTrace };

export type DecodeContext = NameTrace & {
  /** Unique to this request, `[A-Za-z0-9]+`: ids that the upstream does not give are made from it and a count. */
  readonly seed: string;
};

export type ReplyContext = {
  /** What the client asked, decoded by the codec that now writes its answer. */
  readonly request: ChatRequest;
  /** Unique to this request, `[A-Za-z0-9]+`: ids are made from it. */
  readonly seed: string;
  /** Told where the upstream names no model. */
  readonly model: string;
  /** Seconds since the epoch; told where the upstream names no time. */
  readonly now: number;
  /** Id of the answer that this one continues, where rotator has written out what that stands for; absent: none. */
  readonly continues?: string;
};

/** Turns an upstream's frames into events. No I/O; one for each stream. */
export interface StreamDecoder {
  /** `json`: the parsed `data` of a frame that is neither an error nor an end mark. */
  push(frame: { readonly event: string | null; readonly json: unknown }): readonly ChatEvent[];
  /** The stream is complete: what is still owed (ends of open calls, a finish that the protocol leaves unsaid). */
  end(): readonly ChatEvent[];
}

/** Turns events into a client's frames, ready for the socket. No I/O; one for each stream. */
export interface StreamEncoder {
  push(event: ChatEvent): string;
  /** After a complete stream: what is still owed, the protocol's end included. Called once, and nothing after it. */
  end(): string;
  readonly progress?: StreamProgress;
  /** What of the answer could not be said so far. */
  readonly warnings: readonly string[];
}

/** Bytes in, facts out: what the passthrough lane and the surfaces of a protocol need. */
export interface WireCodec {
  readonly id: ProtocolId;
  readonly layout: RequestLayout;
  /** A problem when the bytes are not a request of this protocol. `path`: for protocols that need it; null elsewhere. */
  readRequest(bytes: Uint8Array, path: RequestPath | null): Envelope | Problem;
  /**
   * Top-level fields that the passthrough lane sets in the client's bytes: the model's name where the body has one, and
   * the wish for usage where it must be uttered. Empty: the bytes go as they came.
   */
  patch(envelope: Envelope, wish: { readonly model: string; readonly asksUsage: boolean }): JsonRecord;
  streamReader(): StreamReader;
  readReply(bytes: Uint8Array): ReplyFacts;
  /** The whole answer of a stream, for an upstream that streams unasked; null when the stream is no whole answer. */
  collect(stream: Uint8Array): Uint8Array | null;
  /** A whole reply written as a stream, for an upstream that ignored the wish for one. Ends with the end mark. */
  streamOf(reply: Uint8Array, wantsUsage: boolean): string;
  /** `type` and `code` of the public error table in this protocol's envelope. `detail` only for clients that may see routes. */
  encodeError(problem: Problem, detail: ProblemDetail | null): { readonly status: number; readonly body: string };
  /**
   * The same failure for a client that has already received a 200: the frames that end its stream. `progress`: of the
   * stream so far; null when no frame of it has left.
   */
  errorFrames(problem: Problem, detail: ProblemDetail | null, progress: StreamProgress | null): string;
  /** A frame that means nothing, to keep a quiet connection alive: before the answer's first frame, and after it. */
  readonly heartbeat: { readonly early: string; readonly running: string };
  /** What ends a complete stream where the vendor omits it; empty where nothing does. Asked only when no end was seen. */
  endFrame(reader: StreamReader): string;
}

/**
 * The way to the neutral form of `ir.ts` and back, for the translate lane. Decoders are loose (a missing or odd field is
 * no error where a meaning is left), encoders are strict.
 */
export interface HubCodec {
  /** The neutral form of a request that `readRequest` accepted; a problem names what cannot be read. */
  decodeRequest(envelope: Envelope): Warned<ChatRequest> | Problem;
  encodeRequest(request: ChatRequest, context: EncodeContext): Warned<EncodedRequest>;
  /** Of a reply that `readReply` calls an answer. */
  decodeReply(reply: JsonRecord, context: DecodeContext): ChatReply;
  encodeReply(reply: ChatReply, context: ReplyContext): Warned<JsonRecord>;
  streamDecoder(context: DecodeContext): StreamDecoder;
  streamEncoder(context: ReplyContext): StreamEncoder;
  /**
   * Does this conversation (its bytes, as the client sent them) hold what this codec wrote for its client out of another
   * protocol's answer, and what its own vendors would refuse? Then it must be written anew although nothing is translated.
   * Absent: what comes from others harms nobody.
   */
  holdsOthers?(conversation: Buffer): boolean;
}

/** A wire format, both ways. Knows no vendor, no credential and no socket. */
export interface Codec extends WireCodec, HubCodec {}

export const isProblem = (value: object): value is Problem => 'kind' in value && 'status' in value;
