import type { Secret } from '../shared/secret.ts';
import type { Upstream } from '../transport/upstream.ts';
import type { Account, Client, Details, Identity } from './accounts/account.ts';
import type { TokenAnswer } from './engine/token-answer.ts';
import type { JsonObject } from './json-object.ts';

/** What is known of a service's attitude to clients that are not its own, and since when. */
export type ServiceStatus =
  /** `caution`: a sentence that a person should read before the login. */
  | { readonly kind: 'works'; readonly since: string; readonly caution: string | null }
  /** Answers, and may punish: a login asks for `--accept-risk`. */
  | { readonly kind: 'restricted'; readonly since: string; readonly reason: string }
  /** The vendor has ended it. It still works against a server named in the config. */
  | { readonly kind: 'closed'; readonly since: string; readonly reason: string; readonly instead: string };

export type AuthorizePage = {
  readonly url: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** The redirect that the vendor has registered for the client; a loopback listener answers there. */
  readonly redirect: { readonly port: number; readonly path: string };
  readonly isPkce: boolean;
  /** What the parameter with the redirect is called; `redirect_uri` in the standard. */
  readonly redirectParameter?: string;
  /** The token request repeats the state. */
  readonly echoesState?: boolean;
};

export type DeviceEntry =
  /** RFC 8628; which of its dialects is spoken shows in the answers. */
  | { readonly kind: 'standard'; readonly url: string; readonly isPkce: boolean }
  /** A device code that is redeemed for an authorization code: JSON, pending is 403 or 404. */
  | {
      readonly kind: 'code-exchange';
      readonly url: string;
      readonly verificationUrl: string;
      readonly redirectUri: string;
    };

/** Where the vendor's own command line tool carries the client it was registered with. */
export type InstalledClient = {
  readonly command: string;
  /** Relative to the directories above the command's real place. */
  readonly files: readonly string[];
  readonly secret: RegExp;
};

/** One account-based service: data, and hooks where data does not reach. */
export type Profile = {
  /** The provider's id. */
  readonly id: string;
  readonly names?: readonly string[];
  readonly title: string;
  readonly status: ServiceStatus;
  /** `GEMINI_CLI` in `GEMINI_CLI_REFRESH_TOKEN`. */
  readonly envPrefix: string;
  /** Public: it is no secret and names the application that asks. */
  readonly clientId: string;
  /** Whether the vendor wants a client secret too. It is never part of this program. */
  readonly hasClientSecret: boolean;
  readonly installed?: InstalledClient;
  readonly scopes: readonly string[];
  readonly authorize: AuthorizePage | null;
  readonly device: DeviceEntry | null;
  readonly token: {
    readonly url: string;
    readonly body: 'form' | 'json';
    readonly secretIn: 'form' | 'both';
    readonly refreshScope?: string;
  };
  readonly apiUrl: string;
  /** Where an account's calls go, for services that tell each account. `configured`: `api_url` of the user's own. */
  readonly callUrl?: (details: Details, configured: string | null) => string;
  /** Asked for the e-mail address when the tokens do not tell it. */
  readonly userinfoUrl?: string;
  /** How long before its end a token is renewed. */
  readonly leadMs: number;
  /** A refresh token is good for one use: the next one comes with the answer. */
  readonly isRotating: boolean;
  /** Which of an account's tokens its API takes. */
  readonly apiToken: 'access-token' | 'api-key';
  /** Tier → priority, 1 best. */
  readonly priorities: Readonly<Record<string, number>>;
  /** What a token answer says of the account beyond the standard's claims. */
  readonly identify?: (answer: JsonObject) => Partial<Identity> & { readonly details?: Details };
  /** What of `afterLogin` an account still wants before it can be used, as a reason; null: nothing. */
  readonly lacks?: (account: Account, service: Service) => string | null;
  /** What has to be asked once per login, such as the project to bill. Must not reject but for `signal`. */
  readonly afterLogin?: (account: Account, service: Service, tools: ServiceTools) => Promise<Account>;
  /** Replaces the standard's refresh where the service, or this account of it, has a way of its own; null: it has none. */
  readonly renew?: (account: Account, service: Service, tools: ServiceTools) => Promise<TokenAnswer> | null;
  /** Takes a cookie of the vendor's web site for a login. */
  readonly cookie?: {
    readonly name: string;
    readonly redeem: (cookie: Secret, service: Service, tools: ServiceTools) => Promise<TokenAnswer>;
  };
};

export type Endpoints = {
  readonly authorizeUrl: string | null;
  readonly tokenUrl: string;
  readonly deviceUrl: string | null;
  readonly apiUrl: string;
  readonly userinfoUrl: string | null;
};

/** A profile with the user's own settings applied. */
export type Service = {
  readonly profile: Profile;
  readonly endpoints: Endpoints;
  /** Where the user's own server stands in for the vendor's. */
  readonly isOverridden: boolean;
  /** For logins, and for accounts that carry none. */
  readonly client: Client;
  readonly redirectPort: number;
  readonly projectId: string | null;
  readonly proxy: Secret | null;
};

/** What hooks and the engine do their work with. */
export type ServiceTools = {
  readonly upstream: Upstream;
  readonly version: string;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};
