import type { ClientLimits } from '../gateway/client-limits.ts';
import type { Secret } from '../shared/secret.ts';
import type { NamePattern } from '../shared/wildcard.ts';

/** One client key as the server knows it: its digest, never the key. */
export type ClientKey = {
  /** Name in the config; null for the single key of the environment or the state directory. */
  readonly name: string | null;
  /** SHA-256 of the key, 64 hex digits. */
  readonly sha256: string;
  /** Allow-list over `provider/model` and aliases; empty means all. */
  readonly models: readonly NamePattern[];
  /** Absent: none. */
  readonly limits?: ClientLimits;
};

/** What a reload may change about the server. Read once per request, so that one request sees one config. */
export type ServerSettings = {
  /** The address it listens on; decides whether the Host rule applies. */
  readonly host: string;
  /** `open`: no key asked, for loopback only. */
  readonly clientKeys: 'open' | readonly ClientKey[];
  /** Origins of web pages that may call; `*` is every origin. */
  readonly cors: readonly string[];
  /** Further Host names accepted on a loopback bind, with or without a port. */
  readonly allowedHosts: readonly string[];
  /** Bytes of a request body, before and after inflation. */
  readonly maxBodyBytes: number;
  /** Tell clients targets, credentials and attempts. */
  readonly exposeRoute: boolean;
  readonly adminToken: Secret;
};
