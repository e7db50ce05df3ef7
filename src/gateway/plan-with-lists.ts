import type { Problem } from '../protocols/problem.ts';
import type { Clock } from '../shared/clock.ts';
import type { Client, GatewayCall } from './gateway.ts';
import { ableTargets, isPlan, type Plan, type PlanWish, plan, type Routes, type Target } from './plan.ts';

export type ListTools = {
  readonly clock: Clock;
  readonly routes: () => Routes;
  /**
   * Waits until the model lists of all configured providers have been asked for once, until `isEnough` says so after one
   * has come, or for a bounded time, which `maxMs` can only shorten.
   */
  readonly warmLists: (wish?: { readonly maxMs?: number; readonly isEnough?: () => boolean }) => Promise<void>;
};

/** What else serves the model, once the lists are there that were not when the request was planned. */
export async function furtherTargets(
  model: string,
  planned: Plan,
  call: Pick<GatewayCall, 'client' | 'arrivedAt' | 'timeoutMs'>,
  wish: PlanWish,
  tools: ListTools,
): Promise<readonly Target[]> {
  const known = planned.substitutes();
  if (!known.isOpen) return [];
  await tools.warmLists({ maxMs: leftMs(call, tools.clock.now()) });
  const again = plan(model, call.client, tools.routes(), wish);
  if (!isPlan(again)) return [];
  const tried = new Set([...planned.targets, ...ableTargets(known.candidates)].map(({ name }) => name));
  return [...again.targets, ...ableTargets(again.substitutes().candidates)].filter(({ name }) => !tried.has(name));
}

const leftMs = (
  { arrivedAt, timeoutMs }: { readonly arrivedAt: number; readonly timeoutMs: number | null },
  now: number,
): number => (timeoutMs === null ? Number.POSITIVE_INFINITY : arrivedAt + timeoutMs - now);

/** A name that no list holds may stand in one that has not been read yet: then, and only then, planning waits. */
export const isUnlisted = (planned: Plan | Problem) =>
  // Of a bare name a list that is still to come may hold one which this client may use.
  !isPlan(planned) && (planned.kind === 'model-not-found' || planned.kind === 'forbidden');

/** Plans again as the lists come in, until one holds the name, the lists are all there, or the request's time is up. */
export async function planWithLists(
  model: string,
  call: { readonly client: Client; readonly arrivedAt: number; readonly timeoutMs: number | null },
  tools: ListTools,
  wish?: PlanWish,
): Promise<Plan | Problem> {
  const now = () => plan(model, call.client, tools.routes(), wish);
  await tools.warmLists({ maxMs: leftMs(call, tools.clock.now()), isEnough: () => !isUnlisted(now()) });
  return now();
}
