import { isProblem } from '../protocols/codec.ts';
import type { Problem } from '../protocols/problem.ts';
import { type Alternatives, type Forwarded, type ForwardInput, type ForwardTools, forward } from './forward.ts';
import { type BatchSettings, EmbeddingBatcher } from './embeddings/embedding-batcher.ts';
import type { Gateway, GatewayCall } from './gateway.ts';
import type { ChatTools } from './job.ts';
import { VIA_HEADER } from './lane.ts';
import { ableTargets, isPlan, type Plan, type PlanWish, plan, type Target } from './plan.ts';
import { furtherTargets, isUnlisted, type ListTools, planWithLists } from './plan-with-lists.ts';
import { type LifeTools, RequestLife } from './request-life.ts';
import { readWork, type WorkTools } from './read-work.ts';
import { watchUpstream } from './watch-upstream.ts';
import type { Work } from './work.ts';

export type GatewayDeps = ForwardTools &
  ListTools &
  Omit<LifeTools, 'settings'> & {
    readonly settings: () => ReturnType<LifeTools['settings']> & { readonly embeddings: BatchSettings };
    readonly chat: ChatTools;
  };

/** One request's life: decode → plan → forward → relay. */
export function createGateway(deps: GatewayDeps): Gateway {
  const tools: WorkTools = {
    chat: deps.chat,
    batcher: new EmbeddingBatcher({
      settings: () => deps.settings().embeddings,
      clock: deps.clock,
      forward: (input, trace) => forward(input, trace, deps),
    }),
  };
  return {
    async handle(call) {
      const life = new RequestLife(call, deps);
      const work = readWork(call, tools);
      if (isProblem(work)) return life.refuse(work);
      life.begin(work);
      const loop = loopProblem(call, deps.instance);
      if (loop) return life.refuse(loop);

      const { transcript } = call;
      const watched = transcript ? { ...deps, upstream: watchUpstream(deps.upstream, transcript) } : deps;
      const { model, isStream } = work;
      const wish: PlanWish = { isStream, isFallbackOff: call.isFallbackOff, needs: () => work.needs };
      const along = (planned: Plan | Problem): Promise<Forwarded> => {
        if (!isPlan(planned)) return Promise.resolve({ kind: 'problem', target: null, problem: planned });
        life.askedProvider = planned.asked;
        const routes = deps.routes();
        const job = work.job(planned.reasoning);
        const refused = life.reserve(planned, job);
        if (refused) return Promise.resolve({ kind: 'problem', target: null, problem: refused });
        const input: ForwardInput = {
          job,
          headers: call.headers,
          clientSignal: life.signal,
          arrivedAt: call.arrivedAt,
          timeoutMs: call.timeoutMs,
          affinity: work.affinity,
          targets: planned.targets,
          maxTargets: routes.fallback.maxTargets,
          onContext: planned.onContext,
          alternatives: new OtherTargets(planned, work, call, wish, deps),
        };
        return work.send ? work.send(input, life.trace) : forward(input, life.trace, watched);
      };
      const planned = plan(model, call.client, deps.routes(), wish);
      const pending = isUnlisted(planned) ? planWithLists(model, call, deps, wish).then(along) : along(planned);
      return isStream ? life.stream(pending, work) : life.whole(await pending);
    },
  };
}

class OtherTargets implements Alternatives {
  readonly #planned: Plan;
  readonly #work: Work;
  readonly #call: GatewayCall;
  readonly #wish: PlanWish;
  readonly #tools: ListTools;

  constructor(planned: Plan, work: Work, call: GatewayCall, wish: PlanWish, tools: ListTools) {
    this.#planned = planned;
    this.#work = work;
    this.#call = call;
    this.#wish = wish;
    this.#tools = tools;
  }

  windowOf({ runtime, model }: Target): number | null {
    return this.#tools.routes().abilitiesOf(runtime, model)?.contextLength ?? null;
  }

  inputTokens(): number {
    return this.#work.needs.inputTokens;
  }

  substitutes(): readonly Target[] {
    return ableTargets(this.#planned.substitutes().candidates);
  }

  furtherTargets(): Promise<readonly Target[]> {
    return furtherTargets(this.#work.model, this.#planned, this.#call, this.#wish, this.#tools);
  }
}

function loopProblem(call: GatewayCall, instance: string): Problem | null {
  const via = call.headers.get(VIA_HEADER)?.split(',') ?? [];
  if (!via.some((hop) => hop.trim() === instance)) return null;
  return {
    kind: 'loop',
    status: 508,
    message: 'this request has already passed through this server: a provider leads back to it',
  };
}
