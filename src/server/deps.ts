import type { CountCall, Counted } from '../gateway/count.ts';
import type { ModelSurface } from '../gateway/create-model-surface.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Operations } from '../gateway/operations.ts';
import type { ResponseStore } from '../gateway/response-store.ts';
import type { Log } from '../observe/log.ts';
import type { Problem } from '../protocols/problem.ts';
import type { Clock } from '../shared/clock.ts';
import type { ServerSettings } from './settings.ts';

/** Everything the server stands on. */
export type ServerDeps = {
  settings(): ServerSettings;
  readonly gateway: Gateway;
  readonly operations: Operations;
  readonly models: ModelSurface;
  /** Hash of this run's nonce, told by `/health`: how a command knows that it talks to the server it looked for. */
  readonly instance: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  countTokens(call: CountCall): Promise<Counted | Problem>;
  /** Where answers of the Responses surface are kept; null: nowhere. */
  responses(): ResponseStore | null;
  /** What Prometheus reads. */
  metrics(): Promise<{ readonly text: string; readonly contentType: string }>;
  /** At least one credential is enabled and not rejected. */
  isReady(): boolean;
};
