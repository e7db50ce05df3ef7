import type { ProtocolId } from './protocol-id.ts';

/**
 * The hub: what a chat request, its answer and its stream mean, in no protocol's words. Every codec reads its own format
 * into these and writes them out again; no pair of protocols knows of each other.
 *
 * Lossy steps are told as warnings. What has no neutral form travels as `foreign` and is written only by the protocol it
 * came from.
 */

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonRecord = { readonly [key: string]: unknown };

/**
 * Something opaque that a vendor issued and wants back unchanged: a signed thinking block's signature, Gemini's thought
 * signature, a Responses item's encrypted content. Not portable: only `protocol` can read it.
 */
export type Signature = {
  readonly protocol: ProtocolId;
  readonly value: string;
  /** The id of the item it came in, where the protocol has one (Responses `rs_…`). */
  readonly itemId?: string;
};

/** Fields of one protocol without a neutral form, as they came; written again by that protocol alone. */
export type ForeignFields = { readonly protocol: ProtocolId; readonly fields: JsonRecord };

/** A mark that the prompt up to here may be cached. `ttl` as the vendor writes it (`5m`, `1h`); null: the default. */
export type CacheMark = { readonly ttl: string | null };

/** Where the bytes of an image, a sound or a file are. */
export type MediaSource =
  /** Base64 without white space and without a `data:` prefix; `mediaType` lower case, without parameters. */
  | { readonly kind: 'data'; readonly mediaType: string; readonly data: string }
  /** `mediaType`: where the protocol says what is behind the URL (Gemini), lower case. */
  | { readonly kind: 'url'; readonly url: string; readonly mediaType?: string }
  /** An id of a file that was uploaded to a vendor: means something to that vendor (and credential) alone. */
  | { readonly kind: 'file-id'; readonly protocol: ProtocolId; readonly id: string; readonly mediaType?: string };

/** A token and the natural logarithm of its probability. `bytes`: its UTF-8, null where the protocol does not say. */
export type TokenChance = {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
};

/** A token of an answer, and the likeliest ones at its place as far as they were asked for. */
export type TokenLogprob = TokenChance & { readonly top: readonly TokenChance[] };

export type TextPart = {
  readonly type: 'text';
  readonly text: string;
  readonly cache?: CacheMark;
  readonly citations?: readonly Citation[];
  /** Of an answer's text: of its tokens, in order. */
  readonly logprobs?: readonly TokenLogprob[];
  /** Of an answer's text that belongs to a signature of its own (Gemini 3 signs text parts too). */
  readonly signature?: Signature;
};

export type ImagePart = {
  readonly type: 'image';
  readonly source: MediaSource;
  readonly detail?: 'auto' | 'low' | 'high';
  readonly cache?: CacheMark;
  readonly signature?: Signature;
  readonly foreign?: ForeignFields;
};

export type AudioPart = {
  readonly type: 'audio';
  readonly source: MediaSource;
  readonly cache?: CacheMark;
};

export type FilePart = {
  readonly type: 'file';
  readonly source: MediaSource;
  readonly filename: string | null;
  readonly cache?: CacheMark;
  readonly foreign?: ForeignFields;
};

/** What a model thought. Text as far as it is shown; `signature` proves to its vendor that it was not changed. */
export type ReasoningPart = {
  readonly type: 'reasoning';
  readonly text: string;
  readonly signature: Signature | null;
};

/** Thinking that its vendor shows to nobody, to be given back as it is. */
export type RedactedReasoningPart = {
  readonly type: 'redacted-reasoning';
  readonly signature: Signature;
};

export type ToolCallPart = {
  readonly type: 'tool-call';
  /** As its issuer wrote it. Codecs that cannot carry it map it when they write, the same way for call and result. */
  readonly id: string;
  /** As the client knows it. */
  readonly name: string;
  /** JSON text of an object for functions; free text for custom tools. Never parsed unless a protocol needs it. */
  readonly arguments: string;
  /** `custom`: a Responses tool whose input is free text. */
  readonly kind: 'function' | 'custom';
  /** Gemini signs the first call of a step. */
  readonly signature?: Signature;
  readonly cache?: CacheMark;
  readonly foreign?: ForeignFields;
};

export type ToolResultPart = {
  readonly type: 'tool-result';
  readonly callId: string;
  /** Where the protocol says it or the history holds the call; null: unknown. */
  readonly name: string | null;
  readonly content: readonly (TextPart | ImagePart | AudioPart | FilePart | ForeignPart)[];
  readonly isError: boolean;
  readonly kind: 'function' | 'custom';
  readonly cache?: CacheMark;
  readonly foreign?: ForeignFields;
};

export type RefusalPart = { readonly type: 'refusal'; readonly text: string };

/** Content of one protocol without a neutral form: kept when it returns home, dropped with a warning elsewhere. */
export type ForeignPart = {
  readonly type: 'foreign';
  readonly protocol: ProtocolId;
  /** What a warning calls it: `web_search_call`, `executableCode`. */
  readonly name: string;
  readonly value: JsonRecord;
};

export type UserPart = TextPart | ImagePart | AudioPart | FilePart | ForeignPart;
export type AssistantPart =
  | TextPart
  | ReasoningPart
  | RedactedReasoningPart
  | ToolCallPart
  | ImagePart
  | AudioPart
  | RefusalPart
  | ForeignPart;

/**
 * One turn. Neighbours may have the same role. `tool` holds results only; results stand right behind the assistant turn
 * with their calls wherever the history is well formed. `system` inside the history is an instruction given midway.
 */
export type Turn =
  | { readonly role: 'user'; readonly parts: readonly UserPart[] }
  | { readonly role: 'assistant'; readonly parts: readonly AssistantPart[] }
  | { readonly role: 'tool'; readonly parts: readonly (ToolResultPart | ForeignPart)[] }
  | { readonly role: 'system'; readonly parts: readonly (TextPart | ForeignPart)[] };

export type Tool =
  | {
      readonly type: 'function';
      readonly name: string;
      readonly description: string | null;
      /** JSON Schema as the client wrote it; null: none was given. */
      readonly parameters: JsonRecord | null;
      readonly isStrict: boolean | null;
      readonly cache?: CacheMark;
      readonly foreign?: ForeignFields;
    }
  /** Free text in, no schema. `format`: a grammar, as Responses writes it. */
  | {
      readonly type: 'custom';
      readonly name: string;
      readonly description: string | null;
      readonly format: JsonRecord | null;
    }
  /** A tool that the vendor itself runs: search, code, computer use. */
  | { readonly type: 'foreign'; readonly protocol: ProtocolId; readonly name: string; readonly value: JsonRecord };

export type ToolChoice =
  | { readonly type: 'auto' }
  | { readonly type: 'none' }
  | { readonly type: 'required' }
  | { readonly type: 'tool'; readonly name: string };

export type OutputFormat =
  | { readonly type: 'json' }
  | {
      readonly type: 'json-schema';
      readonly name: string | null;
      readonly description: string | null;
      readonly schema: JsonRecord;
      readonly isStrict: boolean | null;
    };

/** How much a model is to think. Named levels and token budgets are both kept as they were asked for. */
export type ReasoningWish = {
  /** `level`: a name of the neutral scale, `budget`: tokens, `dynamic`: as the model likes, `off`. Null: only `shown` was said. */
  readonly amount:
    | { readonly kind: 'level'; readonly level: ReasoningLevel }
    | { readonly kind: 'budget'; readonly tokens: number }
    | { readonly kind: 'dynamic' }
    | { readonly kind: 'off' }
    | null;
  /** The client wants to see the thoughts (or a summary of them); null: it did not say. */
  readonly isShown: boolean | null;
};

export type ReasoningLevel = 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';

export type ChatRequest = {
  /** As the client wrote it. */
  readonly model: string;
  readonly isStream: boolean;
  /** The client asked for usage at the end of a stream (always true where the protocol always sends it). */
  readonly wantsUsage: boolean;
  /** What stands before the conversation, in order. */
  readonly instructions: readonly (TextPart | ForeignPart)[];
  readonly turns: readonly Turn[];
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice | null;
  /** Null: not said. */
  readonly allowsParallelCalls: boolean | null;
  readonly output: OutputFormat | null;
  readonly reasoning: ReasoningWish | null;
  readonly maxOutputTokens: number | null;
  readonly stop: readonly string[];
  readonly temperature: number | null;
  readonly topP: number | null;
  readonly topK: number | null;
  readonly seed: number | null;
  readonly presencePenalty: number | null;
  readonly frequencyPenalty: number | null;
  /** Number of answers; 1 unless asked otherwise. */
  readonly choices: number;
  /** Top log probabilities to return for each token; 0: those of the chosen tokens alone; null: none. */
  readonly logprobs: number | null;
  /** Lower case: `text`, `image`, `audio`. Empty: not said. */
  readonly modalities: readonly string[];
  readonly verbosity: 'low' | 'medium' | 'high' | null;
  /** The end user, as the client names them. */
  readonly user: string | null;
  readonly cacheKey: string | null;
  readonly serviceTier: string | null;
  readonly metadata: JsonRecord | null;
  /** Of the top level. */
  readonly foreign:
    | (ForeignFields & {
        /**
         * The body as it came, without the conversation, where a protocol's answers repeat what was asked. Holds `fields`
         * too, and much that has a neutral form: nothing of it is lost elsewhere.
         */
        readonly original?: JsonRecord;
      })
    | null;
};

export type Citation = {
  readonly url: string | null;
  readonly title: string | null;
  readonly citedText: string | null;
  /** Character range of the answer's text it supports; null: the whole part. */
  readonly range: { readonly start: number; readonly end: number } | null;
  /** As its protocol writes it, for the way home. */
  readonly foreign?: { readonly protocol: ProtocolId; readonly value: JsonRecord };
};

export type FinishReason = {
  /** `other`: ended, for a reason with no name here. */
  readonly unified: 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'other';
  /** As the upstream wrote it; null when it said nothing. */
  readonly raw: string | null;
  /** The stop sequence that was hit, where the protocol says which. */
  readonly stopSequence?: string | null;
};

export type Choice = {
  readonly parts: readonly AssistantPart[];
  readonly finish: FinishReason;
};

export type ChatReply = {
  /** The upstream's own; null when it gives none. */
  readonly id: string | null;
  readonly model: string | null;
  /** Seconds since the epoch; null when the upstream does not say. */
  readonly created: number | null;
  /** At least one, in order. */
  readonly choices: readonly Choice[];
  readonly usage: Usage | null;
};

/**
 * Tokens of one answer; a field is null where the upstream did not say. `inputTokens` is everything that went in, cached
 * and written tokens included; `outputTokens` everything that came out, reasoning included.
 */
export type Usage = {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** Of the input: read from the vendor's cache. */
  readonly cachedTokens: number | null;
  /** Of the input: written to the vendor's cache. */
  readonly cacheWriteTokens: number | null;
  /** Of the output. */
  readonly reasoningTokens: number | null;
  /** Of the input. */
  readonly audioInputTokens: number | null;
  /** Of the output. */
  readonly audioOutputTokens: number | null;
  /** USD, where the upstream itself says what it charged. */
  readonly costUsd: number | null;
};

/**
 * What one piece of a stream says. `choice` counts from 0. Order: `start` first, then content, then one `finish` for each
 * choice; `usage` may come at any time and more than once, each time as the total so far. After the decoder's `end()`
 * nothing follows.
 *
 * Pieces of one kind that follow each other belong together; a change of kind, or an `-end`, closes what was open. A tool
 * call opens with its id and name known, and only the one opened last of a choice can grow, except where `call` says
 * otherwise: parallel calls may interleave.
 */
export type ChatEvent =
  | {
      readonly type: 'start';
      readonly id: string | null;
      readonly model: string | null;
      readonly created: number | null;
    }
  /** `logprobs`: of these words. The text is empty where they come without words of their own. */
  | {
      readonly type: 'text-delta';
      readonly choice: number;
      readonly text: string;
      readonly logprobs?: readonly TokenLogprob[];
    }
  /** The signature of the text just said. */
  | { readonly type: 'text-signature'; readonly choice: number; readonly signature: Signature }
  | { readonly type: 'reasoning-delta'; readonly choice: number; readonly text: string }
  /** Ends the open reasoning and signs it; without open reasoning it is a part with no text. */
  | { readonly type: 'reasoning-signature'; readonly choice: number; readonly signature: Signature }
  /** One paragraph of a summary has ended and another begins: separate parts to those that count them. */
  | { readonly type: 'reasoning-break'; readonly choice: number }
  | { readonly type: 'redacted-reasoning'; readonly choice: number; readonly signature: Signature }
  | {
      readonly type: 'tool-call-start';
      readonly choice: number;
      /** Counts the calls of a choice from 0. */
      readonly call: number;
      readonly id: string;
      readonly name: string;
      readonly kind: 'function' | 'custom';
      readonly signature?: Signature;
    }
  | { readonly type: 'tool-call-delta'; readonly choice: number; readonly call: number; readonly text: string }
  /** Its arguments are whole. Every started call ends before its choice's `finish`. */
  | { readonly type: 'tool-call-end'; readonly choice: number; readonly call: number }
  | { readonly type: 'refusal-delta'; readonly choice: number; readonly text: string }
  /** A whole image, or sound, made by the model. */
  | { readonly type: 'media'; readonly choice: number; readonly part: ImagePart | AudioPart }
  | { readonly type: 'citation'; readonly choice: number; readonly citation: Citation }
  | { readonly type: 'foreign'; readonly choice: number; readonly part: ForeignPart }
  | { readonly type: 'finish'; readonly choice: number; readonly finish: FinishReason }
  | { readonly type: 'usage'; readonly usage: Usage };
