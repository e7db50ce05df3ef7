import type { Transcript } from '../observe/transcript.ts';
import type { AccountRefusal } from '../oauth/code-assist/refusal.ts';
import type { AccountView, TokenResult } from '../oauth/refresh/accounts.ts';
import type { CredentialId } from '../pool/credential.ts';
import type { Pool } from '../pool/pool.ts';
import type { Codec, RequestPath } from '../protocols/codec.ts';
import type { GeminiMethod } from '../protocols/embeddings/gemini.ts';
import type { JsonRecord } from '../protocols/ir.ts';
import type { AttemptRecord } from '../protocols/problem.ts';
import type { EndpointName } from '../providers/endpoints.ts';
import type { Provider } from '../providers/provider.ts';
import type { Secret } from '../shared/secret.ts';
import type { NamePattern } from '../shared/wildcard.ts';
import type { ClientLimits } from './client-limits.ts';
import type { UserEdits } from './user-edits.ts';

/** Who asks. Open mode and the command line are the anonymous client, which may use every model. */
export type Client = {
  /** Of its key, and the same as long as the key is: what belongs to a client is kept under it. Empty for the anonymous client. */
  readonly id: string;
  /** Name in the config, or `default`; null for the anonymous client. */
  readonly name: string | null;
  /** Allow-list over `provider/model` and aliases; empty means all. */
  readonly models: readonly NamePattern[];
  /** Absent: none. Only a client with a name has any. */
  readonly limits?: ClientLimits;
};

/** What a surface asks for besides chats. */
export type Endpoint =
  | { readonly kind: 'embeddings' }
  | { readonly kind: 'gemini-embeddings'; readonly method: GeminiMethod }
  | { readonly kind: 'passthrough'; readonly name: EndpointName };

/** One call of a model surface, authenticated and read. */
export type GatewayCall = {
  readonly requestId: string;
  /** In whose words it is asked and answered. */
  readonly codec: Codec;
  /** Absent: a chat in the codec's protocol. */
  readonly endpoint?: Endpoint;
  /** What the URL says of the request, where its protocol has it there; else null. */
  readonly path: RequestPath | null;
  /** How a streamed answer is framed. */
  readonly framing: 'events' | 'json-array';
  readonly body: Uint8Array;
  /** The client's own headers; the gateway takes by allow-list what goes upstream. */
  readonly headers: Headers;
  readonly client: Client;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch at which the request's head arrived. */
  readonly arrivedAt: number;
  /** `x-rotator-no-fallback: 1`. */
  readonly isFallbackOff: boolean;
  /** `x-rotator-timeout-ms`; only shortens the request timeout. */
  readonly timeoutMs: number | null;
  /** May this client see targets, credentials and attempts? */
  readonly showsRoute: boolean;
  /** Where all that is said is written down; absent: nowhere. */
  readonly transcript?: Transcript;
  /** Id of the earlier answer whose conversation was put into `body`; absent: none was. */
  readonly continues?: string;
  /** Told once, when the request is over: every upstream call it made. */
  readonly onAttempts?: (attempts: readonly AttemptRecord[]) => void;
  /** Told once of a whole answer as the client got it, streamed or not, where its protocol carries it at the end. */
  readonly onAnswer?: (answer: JsonRecord) => void;
};

export interface Gateway {
  /** Never rejects for a failure of the request: that is a response with its status and body. */
  handle(call: GatewayCall): Promise<Response>;
}

export type Timeouts = {
  readonly acquireMs: number;
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly idleMs: number;
  readonly requestMs: number;
};

/** What stands in a key's place where a credential is an account: its token changes, and is given when it is needed. */
export type AccountAccess = {
  /** As of now. */
  readonly view: AccountView;
  /** `rejected`: the token that the API has just refused. Rejects only with the signal's reason. */
  token(options: { readonly signal: AbortSignal; readonly rejected?: Secret }): Promise<TokenResult>;
  /** The API has said of the account itself that it is not to be used. */
  refuse(refusal: AccountRefusal): void;
};

export type CredentialAccess = {
  readonly id: CredentialId;
  readonly label: string | null;
  /** Null for a server that takes no key, and for an account. */
  readonly key: Secret | null;
  /** Absent: it is a key. */
  readonly account?: AccountAccess;
  /** This key's own outbound proxy; else the provider's. */
  readonly proxy: Secret | null;
  /** For people: `config` or `env GROQ_API_KEY_1`; `account` for an account's file. */
  readonly source: 'config' | 'env' | 'demo' | 'account';
  /** The variable's name, for keys from the environment. */
  readonly sourceName: string | null;
  /** Enabled by the user's config; the operator's override is kept apart. */
  readonly isEnabledInConfig: boolean;
  readonly priority: number;
};

/** Everything one configured provider needs to be called. Replaced as a whole on reload; its pool stays. */
export type ProviderRuntime = {
  /** As shown: built-in ids with `_`, a user's own as written. */
  readonly id: string;
  readonly provider: Provider;
  readonly baseUrl: string;
  /** The user's own extra headers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly isHttp2: boolean;
  readonly asksStreamUsage: boolean;
  readonly timeouts: Timeouts;
  readonly retriesSameKey: number;
  readonly waitSameKeyMs: number;
  readonly pool: Pool;
  readonly credentials: ReadonlyMap<CredentialId, CredentialAccess>;
  readonly allow: readonly NamePattern[];
  readonly deny: readonly NamePattern[];
  /** Shown name → upstream id. */
  readonly define: ReadonlyMap<string, string>;
  /** Place in the fallback order, 1 first; null: neither falls back nor is a fallback. */
  readonly tier: number | null;
  /** What the config changes in the bodies that go there. */
  readonly edits: UserEdits;
};
