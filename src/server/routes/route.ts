import type { Client } from '../../gateway/gateway.ts';
import type { ServerDeps } from '../deps.ts';
import type { Refusal } from '../refusal.ts';
import type { ServerSettings } from '../settings.ts';

/** One request that has passed every door, with all that a route may look at. */
export type Exchange = {
  readonly deps: ServerDeps;
  readonly settings: ServerSettings;
  /** Its headers no longer hold a client key. */
  readonly request: Request;
  readonly requestId: string;
  /** Milliseconds since the epoch at which the request's head arrived. */
  readonly arrivedAt: number;
  /** The anonymous client on public and admin routes. */
  readonly client: Client;
  /** What stood for `{id}`, decoded; empty on routes without one. */
  readonly id: string;
  /** Without the `?`, not decoded. It may hold a client key: never log it. */
  readonly query: string;
  /** Read and inflated; empty for GET. */
  readonly body: Uint8Array;
};

/**
 * One line of the route table. `{id}` in the path stands for one or more characters, slashes included, because model
 * names hold them. `public` asks no key, `client` a client key, `admin` the admin token.
 */
export type Route = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly access: 'public' | 'client' | 'admin';
  readonly answer: (exchange: Exchange) => Response | Refusal | Promise<Response | Refusal>;
};
