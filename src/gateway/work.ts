import type { Affinity } from '../pool/pool.ts';
import { type Envelope, isProblem } from '../protocols/codec.ts';
import type { ReasoningWish } from '../protocols/ir.ts';
import type { Problem } from '../protocols/problem.ts';
import { affinityOf } from './affinity-hint.ts';
import type { Forwarded, ForwardInput, Trace } from './forward.ts';
import type { GatewayCall } from './gateway.ts';
import { ChatJob, type ChatTools, type Job } from './job.ts';
import { type Needs, needsOf } from './needs.ts';

/** What a surface was asked to do, as it was read from a request: all that planning and relaying need to know of it. */
export type Work = {
  /** What OpenTelemetry calls it. */
  readonly operation: 'chat' | 'embeddings' | 'text_completion' | 'generate_content';
  /** As the client wrote it. */
  readonly model: string;
  /** The answer is wanted as a stream of events. */
  readonly isStream: boolean;
  readonly needs: Needs;
  /** The conversation it belongs to; null: none. */
  readonly affinity: Affinity | null;
  /** `reasoning`: what the model's suffix asks for; null: it has none. */
  job(reasoning: ReasoningWish | null): Job;
  /** A whole reply as the stream that was wanted, for an upstream that ignored the wish. */
  streamOf(reply: Uint8Array): string;
  /** What an upstream answers in no frames and no JSON goes on as it comes. */
  readonly relaysBytes?: true;
  /** Another way through the loop than alone. */
  readonly send?: (input: ForwardInput, trace: Trace) => Promise<Forwarded>;
};

/** A chat in the protocol of the surface that was called. A problem names what is wrong with it. */
export function chatWork(call: GatewayCall, tools: ChatTools): Work | Problem {
  const { codec } = call;
  const envelope = codec.readRequest(call.body, call.path);
  if (isProblem(envelope)) return envelope;
  return new ChatWork(call, envelope, tools);
}

/** A class: it is made for every request, and closures would be made anew with it. */
class ChatWork implements Work {
  readonly operation = 'chat';
  readonly model: string;
  readonly isStream: boolean;
  readonly needs: Needs;
  readonly affinity: Affinity | null;
  readonly #call: GatewayCall;
  readonly #envelope: Envelope;
  readonly #tools: ChatTools;

  constructor(call: GatewayCall, envelope: Envelope, tools: ChatTools) {
    const { index, model, isStream } = envelope;
    const { layout } = call.codec;
    this.model = model;
    this.isStream = isStream;
    this.needs = needsOf(index, layout);
    this.affinity = affinityOf(call.headers, index, layout, call.client.id);
    this.#call = call;
    this.#envelope = envelope;
    this.#tools = tools;
  }

  job(reasoning: ReasoningWish | null): Job {
    return new ChatJob(this.#call, this.#envelope, reasoning, this.#tools);
  }

  streamOf(reply: Uint8Array): string {
    return this.#call.codec.streamOf(reply, this.#envelope.wantsUsage);
  }
}
