import { type Codec, type Envelope, isProblem } from '../protocols/codec.ts';
import type { ChatRequest, JsonRecord } from '../protocols/ir.ts';
import { codecOf } from '../protocols/index.ts';
import { plainReader } from '../protocols/plain-json.ts';
import type { Problem } from '../protocols/problem.ts';
import type { Counting } from '../providers/provider.ts';
import { endpointUrl } from '../providers/request.ts';
import { countOr, isObject, parseJson } from '../shared/json-shape.ts';
import type { CountedInput, TokenCount } from '../models/token-count.ts';
import { countedInput } from './counted-input.ts';
import { forward, type ForwardTools, NO_ALTERNATIVES, Trace } from './forward.ts';
import type { GatewayCall } from './gateway.ts';
import type { GatewayDeps } from './handle.ts';
import { isUnlisted, planWithLists } from './plan-with-lists.ts';
import type { ChatTools, Job } from './job.ts';
import type { Prepared } from './lane.ts';
import { isPlan, plan, type Target } from './plan.ts';

export type CountCall = Pick<
  GatewayCall,
  'requestId' | 'codec' | 'path' | 'body' | 'headers' | 'client' | 'signal' | 'arrivedAt' | 'timeoutMs'
>;

/** `provider`: the vendor's own counter. `tokenizer`: a real tokenizer here. `estimate`: measured. */
export type Counted = { readonly tokens: number; readonly source: 'provider' | 'tokenizer' | 'estimate' };

export type CountDeps = Pick<GatewayDeps, 'routes' | 'warmLists' | 'clock' | 'chat' | 'budgets'> &
  ForwardTools & {
    /** Never rejects. */
    readonly countHere: (model: string, input: CountedInput) => Promise<TokenCount>;
  };

/** How many tokens a request has: asked of its vendor where that is possible, else counted here. */
export async function countTokens(call: CountCall, deps: CountDeps): Promise<Counted | Problem> {
  const envelope = call.codec.readRequest(call.body, call.path);
  if (isProblem(envelope)) return envelope;
  const first = plan(envelope.model, call.client, deps.routes());
  const planned = isUnlisted(first) ? await planWithLists(envelope.model, call, deps) : first;
  // A name that nobody here serves has tokens all the same.
  if (!isPlan(planned) && planned.kind !== 'model-not-found') return planned;
  const decoded = call.codec.decodeRequest(envelope);
  if (isProblem(decoded)) return decoded;
  if (!isPlan(planned)) return deps.countHere(envelope.model, countedInput(decoded.value));
  const [target] = planned.targets;
  if (!target) throw new Error('a plan without targets');
  const counting = target.runtime.provider.counting;
  if (counting) {
    const told = await askWithin(call, deps, (trace) =>
      askVendor(call, envelope, decoded.value, target, counting, deps, trace),
    );
    if (told !== null) return { tokens: told, source: 'provider' };
  }
  return deps.countHere(target.model, countedInput(decoded.value));
}

/** What is sent upstream for a client is one of its requests. With no room for it the vendor is not asked. */
async function askWithin(
  { client }: CountCall,
  { budgets, clock }: CountDeps,
  ask: (trace: Trace) => Promise<number | null>,
): Promise<number | null> {
  const reserved = budgets?.reserve(client, { inputTokens: 0, tokens: 0, usd: 0 }, clock.now()) ?? null;
  if (reserved !== null && isProblem(reserved)) return null;
  const trace = new Trace();
  try {
    return await ask(trace);
  } finally {
    reserved?.end(
      trace.attempts.length === 0 ? { kind: 'nothing' } : { kind: 'known', tokens: 0, usd: 0 },
      clock.now(),
    );
  }
}

/** A counter that takes longer is as good as none. */
const MAX_ASK_MS = 10_000;

/** Null: the vendor could not be asked, or did not say. Counting here is always possible. */
async function askVendor(
  call: CountCall,
  envelope: Envelope,
  request: ChatRequest,
  target: Target,
  counting: Counting,
  deps: CountDeps,
  trace: Trace,
): Promise<number | null> {
  const job = countJob(call.codec, envelope, request, counting, deps.chat);
  const forwarded = await forward(
    {
      job,
      headers: call.headers,
      clientSignal: call.signal,
      arrivedAt: call.arrivedAt,
      timeoutMs: Math.min(call.timeoutMs ?? MAX_ASK_MS, MAX_ASK_MS),
      // Nobody waits in line for a number that can be had here.
      patienceMs: 0,
      targets: [target],
      maxTargets: 1,
      onContext: 'stop',
      alternatives: NO_ALTERNATIVES,
      affinity: null,
    },
    trace,
    deps,
  );
  if (forwarded.kind !== 'answer') return null;
  const { attempted, lease } = forwarded;
  // A count uses none of the model's tokens.
  lease.settle(null, null);
  if (attempted.kind !== 'reply') return null;
  const reply = parseJson(new TextDecoder().decode(attempted.bytes));
  return isObject(reply) ? counting.read(reply) : null;
}

function countJob(codec: Codec, envelope: Envelope, request: ChatRequest, counting: Counting, tools: ChatTools): Job {
  return {
    isStream: false,
    // Vendors count without charging for it.
    estimateTokens: () => 0,
    prepare({ runtime, model }): Prepared {
      const { provider } = runtime;
      const upstream = codecOf(provider.protocol);
      const isSame = upstream.id === codec.id;
      const body = isSame
        ? asRecord(parseJson(new TextDecoder().decode(envelope.index.bytes)))
        : upstream.encodeRequest(
            { ...request, model, isStream: false },
            { model, isStream: false, ...tools.traitsOf(runtime.id, model) },
          ).value.body;
      return {
        url: endpointUrl(runtime.baseUrl, counting.path, model),
        body: new TextEncoder().encode(JSON.stringify(counting.body(body, model))),
        changes: [],
        codec: plainReader(upstream, (reply) => countOr(counting.read(reply)) !== null),
        dropsUsageFrame: false,
        context: { model, isStream: false, protocol: provider.protocol },
        translation: null,
        isRestored: false,
        isSameProtocol: isSame,
        watch: null,
      };
    },
  };
}

const asRecord = (value: unknown): JsonRecord => (isObject(value) ? value : {});
