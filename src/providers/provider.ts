import type { ProtocolId } from '../protocols/codec.ts';
import type { EmbeddingReply, EmbeddingRequest } from '../protocols/embeddings/embeddings.ts';
import type { JsonRecord } from '../protocols/ir.ts';
import type { JsonIndex } from '../shared/json-bytes.ts';
import type { Secret } from '../shared/secret.ts';
import type { SseFrame } from '../shared/sse.ts';
import type { AccountHooks } from './account-hooks.ts';
import type { Endpoints } from './endpoints.ts';
import type { Failure } from './failure.ts';
import type { QuotaPoll, QuotaReading } from './quota-poll.ts';
import type { VendorField, VendorSettings } from './vendor-settings.ts';

export type JsonObject = { [key: string]: unknown };

/** A vendor's error reply (or error event), ready to be read by a classifier. */
export type ErrorReply = {
  /** 200 for an error inside a 200. */
  readonly status: number;
  readonly headers: Headers;
  /** Body text, at most 64 KB. */
  readonly text: string;
  /** The parsed body, unwrapped from a one-element array; undefined when it is not JSON. */
  readonly json: unknown;
  /** Upstream model id. */
  readonly model: string;
  /** Milliseconds since the epoch, for dates in headers. */
  readonly now: number;
};

/** What an adaptation knows of the call it adapts. */
export type AdaptContext = {
  /** Upstream model id. */
  readonly model: string;
  readonly isStream: boolean;
  /** What the upstream is spoken to in: hooks for one protocol's bodies must leave another's alone. */
  readonly protocol: ProtocolId;
};

/** Changes of top-level request fields that need no parse: they are done on the bytes. */
export type BodyRules = {
  readonly rename?: Readonly<Record<string, string>>;
  readonly drop?: readonly string[];
  /** Only these fields go upstream. For vendors that reject unknown fields with an error. */
  readonly allow?: readonly string[];
  /** Fields that are `null`, and an empty `tools` list with what depends on it, do not go upstream. Default false. */
  readonly dropsEmpty?: boolean;
};

/** Changes of top-level fields that depend on the fields' values. Done on the bytes too: all others stay as they came. */
export type FieldEdit = {
  readonly set?: Readonly<Record<string, unknown>>;
  readonly remove?: readonly string[];
  /** What it did, each as `from → to` or `field removed`. */
  readonly changes: readonly string[];
};

export type ListedModel = {
  /** Upstream id, without the provider. */
  readonly id: string;
  readonly contextLength?: number;
  readonly maxOutputTokens?: number;
  readonly ownedBy?: string;
  /** Seconds since the epoch. */
  readonly created?: number;
  /** What else the list says; absent fields are not said. */
  readonly facts?: ListedFacts;
};

export type ListedFacts = {
  readonly inputModalities?: readonly string[];
  readonly outputModalities?: readonly string[];
  readonly takesTools?: boolean;
  readonly reasons?: boolean;
  readonly hasStructuredOutput?: boolean;
  /** Request fields that are taken. */
  readonly parameters?: readonly string[];
  readonly tokenizer?: string;
  readonly huggingFaceId?: string;
  /** USD per million tokens, and per request. */
  readonly price?: {
    readonly input: number;
    readonly output: number;
    readonly cacheRead?: number;
    readonly cacheWrite?: number;
    readonly perRequest?: number;
  };
};

/** The limits that a vendor's headers can speak of. */
export type LimitName = 'requestsPerMinute' | 'tokensPerMinute' | 'requestsPerDay' | 'tokensPerDay';

/**
 * Limit → name of its three headers, with `*` where `limit`, `remaining` and `reset` stand: `x-ratelimit-*-requests`.
 */
export type RateHeaderNames = Readonly<Partial<Record<LimitName, string>>>;

/** One limit as headers tell it; at least one of the first two is known. */
export type Ceiling = {
  readonly limit: number | null;
  readonly remaining: number | null;
  /** Milliseconds from now until it is full again. */
  readonly resetMs: number | null;
};

export type LearnedLimits = Readonly<Partial<Record<LimitName, Ceiling>>>;

/** A vendor's own counter of tokens. */
export type Counting = {
  /** Path under the base URL; `{model}` stands for the model. */
  readonly path: string;
  /** What it is asked, made of a request in the provider's protocol. */
  body(request: { readonly [key: string]: unknown }, model: string): { readonly [key: string]: unknown };
  /** The count it tells; null: none. */
  read(reply: { readonly [key: string]: unknown }): number | null;
};

/** What a vendor's URL needs besides a key, unless the user gives a `base_url`. One that the config must say. */
export type Need = {
  /** Path of the field below the provider: `resource`, or `url_variables` and a name in it. */
  readonly field: readonly [VendorField, ...(readonly string[])];
  /** What a person is asked. */
  readonly question: string;
  readonly placeholder: string;
  /** The variable of the environment that says it where the config does not. */
  readonly env: string;
  /** It says whose host is called. */
  readonly isInHost: boolean;
};

/** How an application of the user's own signs in, where its token stands in for a key. */
export type ApplicationLogin = {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly scope: string;
};

/** Turns a vendor's stream into the protocol's own, frame by frame. Does no I/O; never throws. */
export type StreamRewriter = {
  /** The frames that go on in the place of this one; often the frame itself. */
  push(frame: SseFrame): readonly SseFrame[];
  /** What was held back when the stream ends without an end mark. */
  end(): readonly SseFrame[];
};

/** How a vendor makes embeddings. */
export type Embeddings = {
  /** Inputs of one call. */
  readonly maxInputs: number;
  /** Takes arrays of tokens in place of texts. */
  readonly takesTokens: boolean;
} & (
  | {
      /** OpenAI's request and reply. */
      readonly form: 'openai-chat';
      /** Under the base URL; `{model}` stands for the model. */
      readonly path: string;
      /** What of a request the vendor calls otherwise or does not take; undefined: nothing to do. */
      edit?(index: JsonIndex, model: string): FieldEdit | undefined;
    }
  | { readonly form: 'gemini' }
  | {
      readonly form: 'own';
      readonly path: string;
      encode(request: EmbeddingRequest, model: string): JsonRecord;
      /** Null: not what was asked for. */
      decode(reply: JsonRecord): EmbeddingReply | null;
    }
);
/** Where whole answers and streams are asked for at different places. */
export type CallPaths = { readonly whole: string; readonly stream: string };

/** A vendor: data, and hooks of a few lines where data is not enough. Everything absent means plain OpenAI chat. */
export interface Provider {
  /** Lower case with `_`. */
  readonly id: string;
  /** Accepted second names. */
  readonly names?: readonly string[];
  readonly title: string;
  readonly protocol: ProtocolId;
  /** With the version segment, without a trailing slash; null: the user must give one. */
  readonly baseUrl: string | null;
  /** Environment names of the key, without `_1`, `_2`; the first is the one shown in hints. */
  readonly keyEnv: readonly string[];
  /**
   * `required`, or `optional` for servers that also answer without a key (one anonymous credential); `account` where only
   * accounts are let in.
   */
  readonly key: 'required' | 'optional' | 'account';
  /** Accounts (`rotator oauth login`) are served beside keys; absent: only keys are. */
  readonly accounts?: AccountHooks;
  /** What it serves, where there is no list to ask for. */
  readonly models?: readonly ListedModel[];
  /** Models that do for this one when the vendor does not have it now, the nearest first. */
  family?(model: string): readonly string[];
  /** Runs on the user's own machine: never contacted unless it is configured. */
  readonly isLocal?: boolean;
  /** The model list answers without a key, so that it proves nothing about one. */
  readonly isListPublic?: boolean;
  /** Serves only when it is asked for by name: never a bare model name, never a fallback. */
  readonly isExplicitOnly?: boolean;
  /** Place in the fallback order, 1 first; null: neither falls back nor is a fallback. */
  readonly tier: number | null;
  /** IANA zone at whose midnight the vendor's days begin; absent: not known, the config's. */
  readonly midnightIn?: string;
  /** Where a person gets a key; shown by `keys add`. */
  readonly keyUrl?: string;
  /** Where the vendor describes itself, when no better place is known. */
  readonly docUrl?: string;
  /** Absent: nothing but a key. */
  readonly needs?: readonly Need[];
  /** Fields of its config that other vendors do not have. */
  readonly fields?: readonly VendorField[];
  /** The entry as those fields, and `needs`, make it. Never throws; what is missing leaves `baseUrl` null. */
  configure?(settings: VendorSettings): Provider;
  /** Set by `configure`: no key is sent, but the token of this application. */
  readonly signsIn?: ApplicationLogin;
  /** Paths under the base URL where they are not the protocol's own; `{model}` stands for the model. */
  readonly paths?: Readonly<Partial<Record<ProtocolId, string | CallPaths> & { models: string }>>;
  /** Another base URL than the configured one, for models that are served elsewhere. */
  baseFor?(model: string): string | undefined;
  /** What the vendor calls the model where that is not the name by which facts and prices know it. */
  callsModel?(model: string): string;
  /** Wire formats it understands for this model, the preferred one first. Absent: `protocol` alone. */
  speaks?(model: string): readonly ProtocolId[];
  /** Default `Authorization: Bearer KEY`. */
  authorize?(headers: Headers, key: Secret): void;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Names of headers, in lower case, that cross besides the common allow-list. */
  readonly headersAcross?: { readonly up?: readonly string[]; readonly down?: readonly string[] };
  /** False where `stream_options` is refused; usage then comes unasked or not at all. Default true. */
  readonly streamUsage?: boolean;
  /** Absent: it makes none. */
  readonly embeddings?: Embeddings;
  /** What it offers besides; absent: nothing. */
  readonly endpoints?: Endpoints;
  /** Absent: it has none, and tokens are counted here. */
  readonly counting?: Counting;
  /** Wants the reasoning before a tool call back with the call's result, and clients tend to drop it. */
  readonly wantsReasoningBack?: boolean;
  readonly bodyRules?: BodyRules | ((context: AdaptContext) => BodyRules | undefined);
  /** Reads single fields through the index and says what to put in their place; undefined: nothing to do. */
  editFields?(index: JsonIndex, context: AdaptContext): FieldEdit | undefined;
  /** `adaptReply` has nothing to do unless the bytes hold one of these ASCII texts. Absent: it looks at every reply. */
  readonly replyMarks?: readonly string[];
  /** Changes a whole reply in place; true when it did. */
  adaptReply?(reply: JsonObject, context: AdaptContext): boolean;
  /** Makes a function for one stream that changes a frame's JSON in place; true when it did. */
  adaptEvents?(context: AdaptContext): (event: JsonObject) => boolean;
  /** For vendors whose streams are not the protocol's own; goes before everything that reads them. */
  rewriteStream?(context: AdaptContext): StreamRewriter | undefined;
  /** Names of the rate-limit headers, or a reading of them. Default: OpenAI's, requests and tokens per minute. */
  readonly rateHeaders?: RateHeaderNames | ((headers: Headers, now: number) => LearnedLimits | null);
  /** Models that draw on one allowance: group → patterns. A group of the same name in the config replaces it. */
  readonly quotaGroups?: Readonly<Record<string, readonly string[]>>;
  /** What the headers of any reply tell of the credential's quota; null: nothing. */
  quotaHeaders?(headers: Headers, now: number): QuotaReading | null;
  /** Asks what is left of a credential's quota; absent: the vendor cannot be asked. */
  readonly pollQuota?: QuotaPoll;
  /** The vendor's own reading of an error; undefined leaves it to the common classifier. */
  classify?(reply: ErrorReply): Failure | undefined;
  /**
   * Reads one page of the model list; `next` is a path with query for the next page, under the base URL as in `paths`.
   * Default: `data[].id`.
   */
  readModels?(page: unknown): { readonly models: readonly ListedModel[]; readonly next?: string };
}
