import { codecOf } from '../protocols/index.ts';
import {
  type Codec,
  type DecodeContext,
  type Envelope,
  isProblem,
  type ProtocolId,
  type Warned,
} from '../protocols/codec.ts';
import type { ChatRequest, ReasoningWish } from '../protocols/ir.ts';
import type { Problem } from '../protocols/problem.ts';
import type { ReasoningTraits } from '../protocols/reasoning.ts';
import { adaptRequest } from '../providers/adapt.ts';
import { editBody } from '../providers/body-edits.ts';
import type { AdaptContext } from '../providers/provider.ts';
import { callUrl } from '../providers/request.ts';
import { wrong } from '../protocols/request-bytes.ts';
import { JsonIndex } from '../shared/json-bytes.ts';
import type { GatewayCall } from './gateway.ts';
import { type Prepared, prepareSame, upstreamProtocol, type Watch } from './lane.ts';
import type { Target } from './plan.ts';
import type { ReasoningMemory } from './reasoning-memory.ts';
import { estimateTokens } from './token-estimate.ts';
import { objectOf, translationBetween } from './translation.ts';

// OpenAI takes ids of calls up to 40 characters: there must be room for `call_` and a count. A request id ends at random.
const MAX_SEED_LENGTH = 24;

const NOTHING = new Uint8Array();
const NO_CHANGES: readonly string[] = [];
const TOOL_CALLS = Buffer.from('"tool_calls"');

/** What a client wants done, whatever the endpoint: it can be made ready for any target. The loop knows no more of it. */
export interface Job {
  /** The client wants its answer as a stream. */
  readonly isStream: boolean;
  /**
   * A problem: this request cannot be put into words that the target understands. `isForgetful`: with nothing that was
   * remembered of earlier answers.
   */
  prepare(target: Target, how?: { readonly isForgetful: boolean }): Prepared | Problem;
  /** Input and output tokens to reserve. `meanOutput`: of the model's answers so far; null when there was none. */
  estimateTokens(meanOutput: number | null): number;
}

/** What is known of a model besides its name. */
export type ModelTraits = {
  readonly reasoning: ReasoningTraits;
  readonly maxOutputTokens: number | null;
  readonly hasStructuredOutput: boolean | null;
};

export type ChatTools = {
  readonly traitsOf: (provider: string, model: string) => ModelTraits;
  readonly memory: ReasoningMemory;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
};

/**
 * Who asks, and in which protocol. `requestId` makes ids that the answer needs; the client is whose thoughts may be
 * remembered; `continues` names the earlier answer whose conversation stands in the envelope.
 */
export type ChatCall = Pick<GatewayCall, 'codec' | 'requestId' | 'continues' | 'showsRoute'> & {
  readonly client: Pick<GatewayCall['client'], 'id'>;
};

/** The client's bytes as they go on in the passthrough lane. */
type Amended = { readonly envelope: Envelope; readonly isRestored: boolean; readonly changes: readonly string[] };

/** A chat in the protocol of the surface that was called. */
export class ChatJob implements Job {
  readonly isStream: boolean;
  readonly #codec: Codec;
  readonly #envelope: Envelope;
  readonly #client: string;
  readonly #requestId: string;
  readonly #continues: string | null;
  readonly #showsRoute: boolean;
  readonly #reasoning: ReasoningWish | null;
  readonly #tools: ChatTools;
  #decoded: Warned<ChatRequest> | Problem | null = null;

  /** `reasoning`: what the model's suffix asks for; null: it has none. */
  constructor(call: ChatCall, envelope: Envelope, reasoning: ReasoningWish | null, tools: ChatTools) {
    this.isStream = envelope.isStream;
    this.#codec = call.codec;
    this.#envelope = envelope;
    this.#client = call.client.id;
    this.#requestId = call.requestId;
    this.#continues = call.continues ?? null;
    this.#showsRoute = call.showsRoute;
    this.#reasoning = reasoning;
    this.#tools = tools;
  }

  /** Ids that the answer needs are made from it. */
  get #seed(): string {
    return this.#requestId.replace(/[^A-Za-z0-9]/g, '').slice(-MAX_SEED_LENGTH);
  }

  estimateTokens(meanOutput: number | null): number {
    const { index } = this.#envelope;
    return estimateTokens(index.bytes, this.#codec.layout.maxOutputTokens(index), meanOutput);
  }

  prepare(target: Target, how?: { readonly isForgetful: boolean }): Prepared | Problem {
    const isForgetful = how?.isForgetful === true;
    const protocol = upstreamProtocol(target.runtime.provider, target.model, this.#codec.id);
    if (protocol === this.#codec.id) {
      const amended = this.#amended(target, isForgetful);
      if (isProblem(amended)) return amended;
      const prepared = prepareSame(target, this.#codec, amended.envelope);
      const watch = target.runtime.provider.wantsReasoningBack ? this.#watch(target) : null;
      // Nearly all pass as they are, and then there is nothing to add.
      if (amended.envelope === this.#envelope && !watch) return prepared;
      const changes = [...amended.changes, ...prepared.changes];
      return { ...prepared, changes, isRestored: amended.isRestored, watch };
    }
    const decoded = this.#decode();
    if (isProblem(decoded)) return decoded;
    try {
      return this.#translated(target, protocol, decoded, isForgetful);
    } catch (error) {
      // JSON is read however deep it is, but written only as deep as the stack goes: some thousands of levels.
      if (!(error instanceof RangeError)) throw error;
      return wrong(`the request is nested too deeply to be written as ${protocol}, which ${target.name} speaks`);
    }
  }

  /** Once, however many targets are tried. The model's suffix goes before what the body asks for. */
  #decode(): Warned<ChatRequest> | Problem {
    this.#decoded ??= withReasoning(this.#codec.decodeRequest(this.#envelope), this.#reasoning);
    return this.#decoded;
  }

  /**
   * In the passthrough lane: the client's own bytes, with the fields that the model's suffix or lost reasoning change.
   * Which those are is seen by writing the request anew, with and without the change.
   */
  #amended(target: Target, isForgetful: boolean): Amended | Problem {
    const { runtime, model } = target;
    const { memory, now, traitsOf } = this.#tools;
    const unchanged: Amended = { envelope: this.#envelope, isRestored: false, changes: NO_CHANGES };
    const mayHaveLost =
      !isForgetful && runtime.provider.wantsReasoningBack === true && memory.size > 0 && this.#hasCalls();
    const holdsOthers = this.#codec.holdsOthers?.(this.#conversation()) ?? false;
    if (!this.#reasoning && !mayHaveLost && !holdsOthers) return unchanged;
    const plain = this.#codec.decodeRequest(this.#envelope);
    const wanted = this.#decode();
    if (isProblem(plain) || isProblem(wanted)) return isProblem(plain) ? plain : unchanged;
    const restored = mayHaveLost ? memory.restore(wanted.value, runtime.id, this.#client, now()) : wanted.value;
    if (restored === plain.value && !holdsOthers) return unchanged;
    const context = { model, isStream: this.isStream, ...traitsOf(runtime.id, model) };
    // What others said is left out by writing the conversation anew, with the fields that depend on it.
    const compared = holdsOthers ? { ...plain.value, turns: [] } : plain.value;
    const before = this.#codec.encodeRequest(compared, context).value.body;
    const after = this.#codec.encodeRequest(restored, context).value.body;
    const set = Object.fromEntries(
      Object.entries(after).filter(([name, value]) => !Bun.deepEquals(value, before[name])),
    );
    const remove = new Set(Object.keys(before).filter((name) => !Object.hasOwn(after, name)));
    const index = JsonIndex.of(this.#envelope.index.edit({ set, remove }));
    if (!index) throw new Error('an edited request is no object');
    return {
      envelope: { ...this.#envelope, index },
      isRestored: restored !== wanted.value,
      changes: holdsOthers ? ['history of another provider rewritten'] : [],
    };
  }

  #conversation(): Buffer {
    const { buffer, byteOffset, byteLength } = this.#envelope.index.slice(this.#codec.layout.conversation) ?? NOTHING;
    return Buffer.from(buffer, byteOffset, byteLength);
  }

  #hasCalls(): boolean {
    return this.#conversation().includes(TOOL_CALLS);
  }

  /** Remembers the reasoning of an answer that passes as it is. */
  #watch({ runtime }: Target): Watch {
    const { memory, now } = this.#tools;
    const context: DecodeContext = { toolNames: new Map(), answerTool: null, seed: this.#seed };
    const witness = memory.witness(runtime.id, this.#client, now);
    return {
      reply: (bytes) => witness.reply(this.#codec.decodeReply(objectOf(bytes), context)),
      stream: () => {
        const decoder = this.#codec.streamDecoder(context);
        return {
          push: ({ event }, json) => {
            for (const said of decoder.push({ event, json })) witness.event(said);
          },
        };
      },
    };
  }

  /** The translate lane: written anew in the upstream's protocol, then adapted to the vendor like any other. */
  #translated(target: Target, protocol: ProtocolId, decoded: Warned<ChatRequest>, isForgetful: boolean): Prepared {
    const { runtime, model } = target;
    const { memory, now, traitsOf } = this.#tools;
    const codec = codecOf(protocol);
    const context: AdaptContext = { model, isStream: this.isStream, protocol };
    const request = isForgetful ? decoded.value : memory.restore(decoded.value, runtime.id, this.#client, now());
    const { value: encoded, warnings } = codec.encodeRequest(
      { ...request, model, wantsUsage: runtime.asksStreamUsage },
      { model, isStream: this.isStream, ...traitsOf(runtime.id, model) },
    );
    const index = JsonIndex.of(new TextEncoder().encode(JSON.stringify(encoded.body)));
    if (!index) throw new Error(`${protocol} wrote a request that is no object`);
    const adapted = adaptRequest(runtime.provider, index, context, {});
    const edited = editBody(adapted.bytes, target.edits, protocol);
    return {
      url: callUrl(runtime.provider, runtime.baseUrl, context),
      body: edited.bytes,
      changes: [...decoded.warnings, ...warnings, ...adapted.changes, ...edited.changes],
      codec,
      dropsUsageFrame: false,
      context,
      isSameProtocol: false,
      translation: translationBetween(
        { codec, context: { ...encoded.trace, seed: this.#seed } },
        {
          codec: this.#codec,
          showsLosses: this.#showsRoute,
          context: {
            request: decoded.value,
            seed: this.#seed,
            model: target.shownName,
            now: Math.floor(now() / 1000),
            ...(this.#continues !== null && { continues: this.#continues }),
          },
        },
        memory.witness(runtime.id, this.#client, now),
      ),
      isRestored: request !== decoded.value,
      watch: null,
    };
  }
}

function withReasoning(
  decoded: Warned<ChatRequest> | Problem,
  reasoning: ReasoningWish | null,
): Warned<ChatRequest> | Problem {
  if (!reasoning || isProblem(decoded)) return decoded;
  return { ...decoded, value: { ...decoded.value, reasoning } };
}
