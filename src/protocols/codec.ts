import type { JsonIndex } from '../shared/json-bytes.ts';
import type { SseFrame } from '../shared/sse.ts';
import type { Problem, ProblemDetail } from './problem.ts';

export type ProtocolId = 'openai-chat' | 'openai-responses' | 'anthropic-messages' | 'gemini';

/** What routing needs of a request, read from its bytes without parsing them whole. */
export type Envelope = {
  readonly index: JsonIndex;
  /** As the client wrote it. */
  readonly model: string;
  readonly isStream: boolean;
  /** The client itself asked for a usage frame at the end of the stream. */
  readonly wantsUsage: boolean;
};

/** Tokens of one answer; a field is null where the upstream did not say. */
export type Usage = {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedTokens: number | null;
  readonly reasoningTokens: number | null;
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

/** Reads one upstream stream, frame by frame. No I/O. */
export interface StreamReader {
  push(frame: SseFrame): FrameFacts;
  /** The connection has ended cleanly. */
  end(): StreamEnd;
  readonly usage: Usage | null;
  /** Unified finish reason of the first choice, as the upstream wrote it. */
  readonly finishReason: string | null;
}

/** What a whole reply says. */
export type ReplyFacts =
  | { readonly state: 'answer'; readonly usage: Usage | null }
  | { readonly state: 'error'; readonly error: unknown }
  | { readonly state: 'unreadable'; readonly reason: string };

/**
 * A wire format. Bytes in, facts out: the relay passes an answer's bytes on as they are and learns from the facts.
 * Knows no vendor, no credential and no socket.
 */
export interface Codec {
  readonly id: ProtocolId;
  /** A problem when the bytes are not a request of this protocol. */
  readRequest(bytes: Uint8Array): Envelope | Problem;
  streamReader(): StreamReader;
  readReply(bytes: Uint8Array): ReplyFacts;
  /** The whole answer of a stream, for an upstream that streams unasked; null when the stream is no whole answer. */
  collect(stream: Uint8Array): Uint8Array | null;
  /** A whole reply written as a stream, for an upstream that ignored the wish for one. Ends with the end mark. */
  streamOf(reply: Uint8Array, wantsUsage: boolean): string;
  /** `type` and `code` of the public error table in this protocol's envelope. `detail` only for clients that may see routes. */
  encodeError(problem: Problem, detail: ProblemDetail | null): { readonly status: number; readonly body: string };
  /** The same failure for a client that has already received a 200: the frames that end its stream. */
  errorFrames(problem: Problem, detail: ProblemDetail | null): string;
  /** A frame that means nothing, sent between frames to keep a quiet connection alive. */
  readonly heartbeat: string;
  /** The end mark, added where a vendor omits it. */
  readonly endFrame: string;
}

export const isProblem = (value: Envelope | Problem): value is Problem => 'kind' in value;
