import { expect, test } from 'bun:test';
import { aliasesOf } from '../../src/gateway/aliases.ts';
import type { CredentialAccess, Gateway, ProviderRuntime } from '../../src/gateway/gateway.ts';
import type { RequestRecord } from '../../src/observe/request-record.ts';
import { createGateway } from '../../src/gateway/handle.ts';
import { FirstByteTimes } from '../../src/gateway/first-byte-times.ts';
import { Pins } from '../../src/gateway/pins.ts';
import { ReasoningMemory } from '../../src/gateway/reasoning-memory.ts';
import { OutputMeans } from '../../src/gateway/token-estimate.ts';
import { NO_EDITS } from '../../src/gateway/user-edits.ts';
import { bareRoutes } from '../gateway/routes-fixture.ts';
import { createPool } from '../../src/pool/create-pool.ts';
import type { Block } from '../../src/pool/pool.ts';
import { openAiChat } from '../../src/protocols/openai-chat/index.ts';
import { ownProvider } from '../../src/providers/index.ts';
import type { Clock } from '../../src/shared/clock.ts';
import { type Random, seededRandom } from '../../src/shared/random.ts';
import { Secret } from '../../src/shared/secret.ts';
import { TransportError, type UpstreamCall } from '../../src/transport/upstream.ts';
import { credential, NO_LIMITS, withSettings } from '../pool/pool-fixture.ts';
import { ManualClock } from '../support/manual-clock.ts';

/**
 * The real loop of a request under virtual time, in worlds drawn from a seed: one to three providers, each a real pool of
 * a few keys and an upstream that answers, streams, breaks off, refuses, is slow or hangs; they stand in for one another by
 * tier or in an alias, and clients come at any time and leave when they like. What must hold of every request, whatever
 * its upstreams did, is checked on what the client was given, on the calls that were made and on what the log tells.
 *
 * One world alone: `SIMULATION_SEED=42 bun test ./tests/simulation/gateway.test.ts`. Fewer: `SIMULATION_GATEWAY_WORLDS=50`;
 * others: `SIMULATION_FROM=20001`.
 */
const WORLDS = Number(process.env.SIMULATION_GATEWAY_WORLDS ?? 300);
const FROM = Number(process.env.SIMULATION_FROM ?? 1);
const ONLY = process.env.SIMULATION_SEED;

/** Longer than any request, stream and drained tail of these worlds can take. */
const LONGEST_WORLD_MS = 600_000;
/** Timers are exact here; what follows them takes no virtual time. */
const MARGIN_MS = 5;
/** How long the tail of an upstream's stream is read behind its end mark. */
const DRAIN_MS = 1000;
const MODELS = ['m1', 'm2'] as const;
const VENDORS = ['one', 'two', 'three'] as const;
/** Every target of the world, in an order of its own, under models of its own. */
const ALIAS = 'any';

test(`in ${ONLY === undefined ? `${WORLDS} worlds` : `world ${ONLY}`} every request ends as it must`, async () => {
  const totals = { calls: 0, fallbacks: 0, served: 0, streams: 0, broken: 0, failed: 0, aborted: 0 };
  const seeds = ONLY === undefined ? Array.from({ length: WORLDS }, (_, index) => FROM + index) : [Number(ONLY)];
  for (const seed of seeds) {
    const world = new World(seed);
    try {
      await world.run();
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      const replay = `SIMULATION_SEED=${seed} bun test ./tests/simulation/gateway.test.ts`;
      throw new Error(`world ${seed}: ${words}\n${world.diary.join('\n')}\nreplay: ${replay}`, { cause: error });
    }
    totals.calls += world.calls.length;
    for (const request of world.requests) {
      totals.fallbacks +=
        new Set(world.calls.filter((call) => call.request === request.id).map(({ target }) => target)).size > 1 ? 1 : 0;
      if (request.isAborted) totals.aborted++;
      else if (request.status !== 200) totals.failed++;
      else if (!request.isStream) totals.served++;
      else if (request.text.includes('"error":{')) totals.broken++;
      else totals.streams++;
    }
  }
  // A world in which nothing happens proves nothing.
  if (ONLY === undefined && WORLDS >= 50) {
    for (const count of Object.values(totals)) expect(count).toBeGreaterThan(WORLDS / 4);
  }
}, 120_000);

/** One part of a world's view of its one clock, which knows what that part has scheduled. */
class WatchedClock implements Clock {
  readonly due = new Set<{ readonly at: number }>();
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  elapsed(): number {
    return this.#clock.elapsed();
  }

  schedule(ms: number, run: () => void): () => void {
    const timer = { at: this.now() + Math.max(0, ms) };
    this.due.add(timer);
    const cancel = this.#clock.schedule(ms, () => {
      this.due.delete(timer);
      run();
    });
    return () => {
      this.due.delete(timer);
      cancel();
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = () => {
        cancel();
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const cancel = this.schedule(ms, wake);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }
}

type Request = {
  readonly id: string;
  readonly isStream: boolean;
  /** Targets in the order in which they may be tried. */
  readonly route: readonly Place[];
  readonly deadline: number;
  readonly client: AbortController;
  isAborted: boolean;
  status: number | null;
  answeredAt: number | null;
  /** When the first bytes came that are no heartbeat. */
  firstDataAt: number | null;
  text: string;
  isOver: boolean;
  finished: number;
  logged: RequestRecord['attempts'];
};

/** A provider of a world. */
type Vendor = {
  readonly id: string;
  readonly runtime: ProviderRuntime;
  readonly tier: number | null;
  readonly lists: readonly string[];
};

type Place = { readonly vendor: Vendor; readonly model: string; readonly name: string };

/** One call of the upstream, and what became of it. */
type Call = {
  readonly id: string;
  readonly request: string;
  readonly target: string;
  readonly key: string;
  readonly kind: string;
  /** Whole bodies: the text. Streams: the pieces of content. */
  body: string | readonly string[] | null;
  /** It has answered wholly, failed, or was told to stop. */
  isOver: boolean;
  /** Its 400 has left; one that was overtaken by a timeout has not. */
  isRefused: boolean;
};

type Piece = { readonly afterMs: number; readonly text: string };

const WHOLE_KINDS = ['whole', 'whole', 'whole', 'whole', 'cut', 'half-hang', 'half-lost'];
const STREAM_KINDS = ['sse', 'sse', 'sse', 'sse', 'no-mark', 'early', 'broken', 'sse-error', 'sse-hang', 'whole'];
const FAULTS = [
  ...['429', '429-after', '500', '503', '529', '401', '402', '403', '400', 'html'],
  ...['not-sent', 'lost', 'connect-timeout', 'hang'],
];

/** After these another target may serve as well as this one. */
const GOES_ON = [
  ...['rate-limited', 'billing', 'key-rejected', 'forbidden', 'overloaded'],
  ...['upstream-error', 'unclassified', 'empty', 'not-sent'],
];

class World {
  readonly diary: string[] = [];
  readonly requests: Request[] = [];
  readonly calls: Call[] = [];
  readonly #random: Random;
  readonly #time = new ManualClock();
  readonly #own = new WatchedClock(this.#time);
  readonly #pools = new WatchedClock(this.#time);
  readonly #gateways = new WatchedClock(this.#time);
  readonly #faultShare: number;
  readonly #slownessMs: number;
  /** By credential: when a block last came upon it. */
  readonly #blockedAt = new Map<string, number>();
  readonly #broken: string[] = [];
  readonly #vendors: readonly Vendor[];
  readonly #alias: readonly Place[];
  readonly #maxTargets: number;
  readonly #gateway: Gateway;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#faultShare = this.#pick([0, 0.2, 0.5, 0.8]);
    this.#slownessMs = this.#pick([50, 400, 2500]);
    this.#vendors = VENDORS.slice(0, this.#pick([1, 2, 3])).map((id) => this.#newVendor(id));
    this.#maxTargets = this.#pick([1, 2, 5]);
    const places = this.#vendors.map((vendor) => placeOf(vendor, this.#pick(MODELS)));
    this.#alias = places.toSorted(() => this.#random() - 0.5);
    const holdMs = this.#pick([100, 800, 20_000]);
    const heartbeatMs = this.#pick([0, 250]);
    const lists = new Map(this.#vendors.map(({ id, lists: models }) => [id, models.map((model) => ({ id: model }))]));
    const aliases = aliasesOf({
      [ALIAS]: { targets: this.#alias.map(({ name }) => name), strategy: 'order', on_context: 'next' },
    });
    this.#gateway = createGateway({
      upstream: (call) => this.#answer(call),
      clock: this.#gateways,
      random: this.#random,
      version: '0',
      instance: 'simulated',
      outputMeans: new OutputMeans(),
      pins: new Pins(),
      chat: {
        memory: new ReasoningMemory(),
        now: () => this.#gateways.now(),
        traitsOf: () => ({ reasoning: { kind: 'unknown' }, maxOutputTokens: null, hasStructuredOutput: null }),
      },
      addedCredential: () => undefined,
      settings: () => ({ holdMs, heartbeatMs, embeddings: { isOn: true, size: 64, waitMs: 20 } }),
      firstByteTimes: new FirstByteTimes(),
      routes: () => ({
        ...bareRoutes,
        runtimes: new Map(this.#vendors.map(({ id, runtime }) => [id, runtime])),
        knownId: (name) => this.#vendors.find(({ id }) => id === name)?.id ?? null,
        listed: ({ id }) => lists.get(id) ?? [],
        providerNames: () => [],
        fallback: { isEnabled: true, maxTargets: this.#maxTargets },
        aliases,
      }),
      warmLists: async () => {},
      onFinished: (record) => {
        const request = this.requests.find(({ id }) => id === record.id);
        if (request) this.#finished(request, record);
        else this.#fault(`an unknown request ${record.id} finished`);
      },
      onBug: (bug) => this.#fault(`a bug: ${bug instanceof Error ? bug.stack : String(bug)}`),
    });
  }

  #newVendor(id: string): Vendor {
    const names = Array.from({ length: 1 + this.#upTo(this.#pick([2, 6])) }, (_, index) => `${id}-${index}`);
    const credentials = names.map((name) =>
      credential(name, {
        priority: this.#pick([10, 10, 20]),
        limits: {
          ...NO_LIMITS,
          concurrency: this.#pick([null, 1, 2]),
          requestsPerMinute: this.#pick([null, null, 3]),
        },
      }),
    );
    const pool = createPool({
      provider: id,
      credentials,
      clock: this.#pools,
      random: this.#random,
      settings: withSettings({
        mode: this.#pick(['balanced', 'sequential']),
        maxWaiting: this.#pick([2, 1000]),
        cooldowns: { ladderMs: [500, 2000], rateLimitMs: 1500, authMs: 3000, transientMs: 700 },
        concurrency: { maxPerKey: this.#pick([0, 1, 3]) },
      }),
      onEvent: (event) => {
        if (event.kind === 'credential-blocked') this.#blockedAt.set(event.credential, event.at);
      },
    });
    const access = (key: CredentialAccess['id']): CredentialAccess => ({
      id: key,
      label: null,
      key: new Secret(`key-of-${key}`),
      proxy: null,
      source: 'config',
      sourceName: null,
      isEnabledInConfig: true,
      priority: 10,
    });
    const tier = this.#pick([1, 2, 3, null]);
    const runtime: ProviderRuntime = {
      id,
      provider: ownProvider(id, 'openai-chat'),
      baseUrl: `http://127.0.0.1:1/${id}`,
      headers: {},
      isHttp2: false,
      asksStreamUsage: this.#chance(0.5),
      timeouts: {
        acquireMs: this.#pick([300, 2000]),
        connectMs: 300,
        firstByteMs: this.#pick([600, 2000]),
        totalMs: this.#pick([900, 3000]),
        idleMs: this.#pick([500, 1500]),
        requestMs: this.#pick([1500, 4000, 10_000]),
      },
      retriesSameKey: this.#upTo(3),
      waitSameKeyMs: this.#pick([0, 800, 3000]),
      pool,
      credentials: new Map(credentials.map((one) => [one.id, access(one.id)])),
      allow: [],
      deny: [],
      define: new Map(),
      tier,
      edits: NO_EDITS,
    };
    return { id, runtime, tier, lists: this.#pick([MODELS, MODELS, ['m1']]) };
  }

  /** A name that is asked for, and where it may lead, as the words of the contract have it. */
  #newWish(): { readonly name: string; readonly route: readonly Place[] } {
    if (this.#chance(0.3)) {
      // What its provider does not list is passed over, where another one is listed.
      const listed = this.#alias.filter(({ vendor, model }) => vendor.lists.includes(model));
      return { name: ALIAS, route: listed.length > 0 ? listed : this.#alias };
    }
    const vendor = this.#pick(this.#vendors);
    const place = placeOf(vendor, this.#pick(MODELS));
    const { tier } = vendor;
    const isBelow = (other: Vendor) => other !== vendor && tier !== null && other.tier !== null && other.tier >= tier;
    // In one alias with it, or listed under the same name.
    const modelsOf = (other: Vendor) => [
      ...(other.lists.includes(place.model) ? [place.model] : []),
      ...(this.#alias.some(({ name }) => name === place.name)
        ? this.#alias.filter((one) => one.vendor === other).map(({ model }) => model)
        : []),
    ];
    const others = this.#vendors
      .filter(isBelow)
      .toSorted((a, b) => (a.tier ?? 0) - (b.tier ?? 0) || (a.id < b.id ? -1 : 1))
      .flatMap((other) =>
        modelsOf(other)
          .slice(0, 1)
          .map((model) => placeOf(other, model)),
      );
    return { name: place.name, route: [place, ...others] };
  }

  /** The log's word on a request, at the moment of its end. */
  #finished(request: Request, record: RequestRecord): void {
    request.finished++;
    request.logged = record.attempts;
    const last = request.route.at(-1);
    const failure = record.attempts.at(-1)?.failure;
    const isOpen =
      record.attempts.length === 0 || (failure !== undefined && failure !== null && GOES_ON.includes(failure));
    const tried = new Set(record.attempts.map(({ target }) => target));
    if (record.status === 200 || !isOpen || !last || tried.has(last.name) || tried.size >= this.#maxTargets) return;
    if (request.isAborted || this.#time.now() >= request.deadline) return;
    if (last.vendor.runtime.pool.isReadyFor({ model: last.model, tokens: 0 })) {
      this.#fault(`${request.id} failed although ${last.name} stood ready and was not asked`);
    }
  }

  async run(): Promise<void> {
    const count = 5 + this.#upTo(16);
    const spreadMs = this.#pick([200, 5000, 20_000]);
    const lives: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      this.#own.schedule(this.#upTo(spreadMs), () => lives.push(this.#live(i)));
    }
    const endAt = this.#time.now() + LONGEST_WORLD_MS;
    while (lives.length < count || this.requests.some(({ isOver }) => !isOver) || this.#gateways.due.size > 0) {
      const dues = [this.#own, this.#pools, this.#gateways].flatMap(({ due }) => [...due]);
      const next = dues.reduce((soonest, { at }) => Math.min(soonest, at), Number.POSITIVE_INFINITY);
      if (next > endAt) break;
      const isIdle = lives.length === count && this.requests.every(({ isOver }) => isOver);
      const late = [...this.#gateways.due].find(({ at }) => at > this.#time.now() + DRAIN_MS);
      if (isIdle && late) this.#fault('a timer of the gateway outlives its request');
      await this.#time.advance(next - this.#time.now());
      await settle();
      this.#check();
    }
    await settle();
    for (const request of this.requests) this.#judge(request);
    expect(lives.length).toBe(count);
    for (const { runtime } of this.#vendors) {
      const { credentials, waiting } = runtime.pool.status();
      const inFlight = credentials.reduce((sum, one) => sum + one.inFlight, 0);
      if (inFlight !== 0) this.#fault(`${inFlight} leases were left out`);
      if (waiting !== 0) this.#fault(`${waiting} requests were left waiting in the pool`);
    }
    if (this.#gateways.due.size > 0) this.#fault(`${this.#gateways.due.size} timers of the gateway were left`);
    for (const call of this.calls) if (!call.isOver) this.#fault(`call ${call.id} (${call.kind}) was left open`);
    this.#check();
  }

  /** A client from its request to the end of its answer, or until it leaves. */
  async #live(index: number): Promise<void> {
    const arrivedAt = this.#time.now();
    const timeoutMs = this.#chance(0.2) ? 200 + this.#upTo(2000) : null;
    const wish = this.#newWish();
    const isFallbackOff = this.#chance(0.15);
    const requestMs = wish.route[0]?.vendor.runtime.timeouts.requestMs ?? 0;
    const request: Request = {
      id: `r${index}`,
      isStream: this.#chance(0.6),
      route: isFallbackOff ? wish.route.slice(0, 1) : wish.route,
      deadline: arrivedAt + Math.min(requestMs, timeoutMs ?? Number.POSITIVE_INFINITY),
      client: new AbortController(),
      isAborted: false,
      status: null,
      answeredAt: null,
      firstDataAt: null,
      text: '',
      isOver: false,
      finished: 0,
      logged: [],
    };
    this.requests.push(request);
    this.#note(`${request.id} comes for ${wish.name}${request.isStream ? ', a stream' : ''}`);
    // Some just stop reading, others say so as well.
    const isCancelling = this.#chance(0.5);
    const left = Promise.withResolvers<null>();
    const isLeaving = this.#chance(0.25);
    if (isLeaving) {
      this.#own.schedule(this.#upTo(3000), () => {
        left.resolve(null);
        if (request.isOver) return;
        this.#note(`${request.id} leaves`);
        request.isAborted = true;
        request.client.abort();
      });
    }
    const body = JSON.stringify({
      model: wish.name,
      messages: [{ role: 'user', content: request.id }],
      ...(request.isStream && { stream: true }),
    });
    try {
      const response = await this.#gateway.handle({
        requestId: request.id,
        codec: openAiChat,
        path: null,
        framing: 'events',
        body: new TextEncoder().encode(body),
        headers: new Headers(),
        client: { id: '', name: null, models: [] },
        signal: request.client.signal,
        arrivedAt,
        isFallbackOff,
        timeoutMs,
        showsRoute: true,
      });
      request.status = response.status;
      request.answeredAt = this.#time.now();
      this.#note(`${request.id} is answered ${response.status}`);
      if (request.isAborted && !isCancelling) return;
      // Gone before the first byte was read: nobody ever asks this body for any.
      if (isLeaving && this.#chance(0.3)) return void (await left.promise);
      const reader = response.body?.getReader();
      if (!reader) return;
      const decoder = new TextDecoder();
      for (;;) {
        const read = await Promise.race([reader.read(), left.promise]);
        if (read === null) {
          if (isCancelling) void reader.cancel().catch(() => undefined);
          return;
        }
        if (read.done) return;
        const text = decoder.decode(read.value, { stream: true });
        if (/^[^:\n]/m.test(text)) request.firstDataAt ??= this.#time.now();
        request.text += text;
      }
    } catch (error) {
      this.#fault(`${request.id} threw ${error instanceof Error ? error.stack : String(error)}`);
    } finally {
      request.isOver = true;
    }
  }

  /** What its client was given in the end. */
  #judge(request: Request): void {
    const { id, text } = request;
    if (!request.isOver) return this.#fault(`${id} never ended`);
    if (request.finished !== 1) this.#fault(`${id} finished ${request.finished} times`);
    const calls = this.calls.filter((call) => call.request === id);
    this.#judgeRoute(request, calls);
    if (request.isAborted) return;
    const latest = request.deadline + MARGIN_MS;
    if ((request.answeredAt ?? 0) > latest) this.#fault(`${id} was answered after its deadline`);
    if (request.status !== 200) {
      if (!text.includes('"error":{')) this.#fault(`${id} got ${request.status} without an error: ${text}`);
      return;
    }
    if (!request.isStream) {
      if (!calls.some(({ body }) => body === text)) this.#fault(`${id} got a body that nobody sent: ${text}`);
      return;
    }
    if ((request.firstDataAt ?? 0) > latest) this.#fault(`${id} began after its deadline`);
    if (!text.endsWith('data: [DONE]\n\n')) this.#fault(`${id} got a stream without its end mark: ${text}`);
    if (text.split('[DONE]').length !== 2) this.#fault(`${id} got more than one end mark: ${text}`);
    const content = [...text.matchAll(/<[^>]+>/g)].join('');
    const sources = calls.filter(({ body }) => body !== null && contentOf(body).startsWith(content));
    if (content !== '' && sources.length === 0) this.#fault(`${id} got content that nobody sent so: ${text}`);
    const isComplete =
      text.includes('"finish_reason":"stop"') &&
      sources.some(({ body }) => body !== null && contentOf(body) === content);
    if (!isComplete && !text.includes('"error":{')) this.#fault(`${id} got half an answer for a whole one: ${text}`);
  }

  /** Targets come in their order, each once; never one of a better tier; and the log has the calls that were made. */
  #judgeRoute({ id, route, logged, isAborted }: Request, calls: readonly Call[]): void {
    const told = logged.map(({ target, credential: key }) => `${target} ${key}`);
    const made = calls.map(({ target, key }) => `${target} ${key}`);
    // What was given up before it could leave is told, too.
    const isTold = isAborted ? told.join().startsWith(made.join()) : told.join() === made.join();
    if (!isTold) this.#fault(`${id} made the calls ${made.join()}, and the log has ${told.join()}`);
    for (const [index, { status }] of logged.entries()) {
      const { kind } = calls[index] ?? {};
      const sent = kind === undefined ? null : (/^\d{3}/.exec(kind)?.[0] ?? '200');
      // An error inside a 200 has a status of its own.
      if (status !== null && String(status) !== sent && kind !== 'sse-error')
        this.#fault(`${id}: ${kind} is told as ${status}`);
    }
    const legs = calls.map(({ target }) => target).filter((target, index, all) => target !== all[index - 1]);
    // Who was passed by because another stood ready may be waited for when all have failed.
    const ahead = this.#isAhead(route, legs) ? legs : legs.slice(0, -1);
    const order = [...new Set(legs)];
    if (!this.#isAhead(route, ahead)) {
      this.#fault(`${id} may go ${route.map(({ name }) => name).join()}, and went ${legs.join()}`);
    }
    if (order.length > this.#maxTargets) this.#fault(`${id} tried ${order.length} targets of ${this.#maxTargets}`);
  }

  #isAhead(route: readonly Place[], legs: readonly string[]): boolean {
    const places = legs.map((target) => route.findIndex(({ name }) => name === target));
    return places.every((place, index) => place >= 0 && place > (places[index - 1] ?? -1));
  }

  async #answer(upstreamCall: UpstreamCall): Promise<Response> {
    const sent = new TextDecoder().decode(upstreamCall.body ?? undefined);
    const request = this.requests.find(({ id }) => sent.includes(`"content":"${id}"`));
    if (!request) throw new Error('a call that belongs to no request');
    const key = upstreamCall.headers.get('authorization')?.replace('Bearer key-of-', '') ?? '';
    // Nothing leaves with a signal that has already aborted.
    if (upstreamCall.signal.aborted) throw upstreamCall.signal.reason;
    const place = request.route.find(
      ({ vendor, model }) =>
        upstreamCall.url.startsWith(`${vendor.runtime.baseUrl}/`) && sent.includes(`"model":"${model}"`),
    );
    if (!place)
      throw new Error(
        `${request.id} went to ${upstreamCall.url} ${sent}, which is not on its way ${JSON.stringify(request.route.map(({ name }) => name))} ${JSON.stringify(this.#vendors.map((v) => [v.id, v.tier, v.lists]))} ${JSON.stringify(this.#alias.map((v) => v.name))}`,
      );
    this.#mayCall(key, request, place);
    const isFault = this.#chance(this.#faultShare);
    const kind = this.#pick(isFault ? FAULTS : request.isStream ? STREAM_KINDS : WHOLE_KINDS);
    const call: Call = {
      id: `c${this.calls.length}`,
      request: request.id,
      target: place.name,
      key,
      kind,
      body: null,
      isOver: false,
      isRefused: false,
    };
    this.calls.push(call);
    this.#note(`${call.id} of ${call.request} to ${place.name} with ${key}: ${kind}`);
    const { signal } = upstreamCall;
    signal.addEventListener('abort', () => (call.isOver = true), { once: true });
    if (kind === 'hang') await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    else await this.#own.sleep(this.#chance(0.2) ? 0 : this.#upTo(this.#slownessMs), signal);
    if (signal.aborted) throw signal.reason;
    return this.#reply(call, signal);
  }

  #reply(call: Call, signal: AbortSignal): Response {
    const refuse = (status: number, message: string, headers: Record<string, string> = {}) => {
      call.isOver = true;
      return Response.json({ error: { message, type: 'error', code: null } }, { status, headers });
    };
    const lost = () => new TransportError('lost', 'ECONNRESET', 'connection reset');
    const whole = wholeBody(call.id);
    const pieces = Array.from({ length: 1 + this.#upTo(6) }, (_, index) => `<${call.id}.${index}>`);
    const frames = [chunk({ role: 'assistant', content: '' }), ...pieces.map((content) => chunk({ content }))];
    const stop = chunk({}, 'stop');
    const usage = `data: {"id":"x","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}\n\n`;
    const mark = 'data: [DONE]\n\n';
    const sse = (texts: readonly string[], end: 'close' | 'lost' | 'hang') => {
      call.body = pieces;
      return this.#body(call, signal, 'text/event-stream', texts, end === 'lost' ? lost() : end);
    };
    const some = frames.slice(0, this.#upTo(frames.length + 1));
    switch (call.kind) {
      case 'whole':
        call.body = whole;
        return this.#body(call, signal, 'application/json', [whole], 'close');
      case 'cut':
        return this.#body(call, signal, 'application/json', [whole.slice(0, this.#upTo(whole.length))], 'close');
      case 'half-hang':
        return this.#body(call, signal, 'application/json', [whole.slice(0, 40)], 'hang');
      case 'half-lost':
        return this.#body(call, signal, 'application/json', [whole.slice(0, 40)], lost());
      case 'sse':
        return sse([...frames, stop, usage, mark], this.#pick(['close', 'lost', 'hang']));
      case 'no-mark':
        return sse([...frames, stop], this.#pick(['close', 'lost', 'hang']));
      case 'early':
        return sse(some, 'close');
      case 'broken':
        return sse(some, 'lost');
      case 'sse-hang':
        return sse(some, 'hang');
      case 'sse-error':
        return sse([...some, 'data: {"error":{"message":"it broke","type":"server_error","code":500}}\n\n'], 'close');
      case '429':
        return refuse(429, 'too many requests');
      case '429-after':
        return refuse(429, 'too many requests', { 'retry-after': `${this.#upTo(4)}` });
      case '500':
        return refuse(500, 'internal error');
      case '503':
        return refuse(503, 'unavailable');
      case '529':
        return refuse(529, 'overloaded');
      case '401':
        return refuse(401, 'invalid api key');
      case '402':
        return refuse(402, 'insufficient balance');
      case '403':
        return refuse(403, 'not allowed');
      case '400':
        call.isRefused = true;
        return refuse(400, 'temperature must be a number');
      case 'html':
        return this.#body(call, signal, 'text/html', ['<html><body>Sign in</body></html>'], 'close');
      case 'not-sent':
      case 'connect-timeout':
        call.isOver = true;
        throw new TransportError(call.kind, 'ECONNREFUSED', 'refused');
      case 'lost':
        call.isOver = true;
        throw lost();
      default:
        throw new Error(`no such kind of reply: ${call.kind}`);
    }
  }

  /** A body whose texts come one by one, with pauses; like a real one it fails with the signal's reason. */
  #body(
    call: Call,
    signal: AbortSignal,
    type: string,
    texts: readonly string[],
    end: 'close' | 'hang' | TransportError,
  ): Response {
    const pauseMs = this.#pick([0, 20, this.#slownessMs]);
    const pieces: Piece[] = texts.map((text) => ({ afterMs: pauseMs === 0 ? 0 : this.#upTo(pauseMs), text }));
    const encoder = new TextEncoder();
    let isClosed = false;
    const own = this.#own;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        const close = (how: () => void) => {
          if (isClosed) return;
          isClosed = true;
          call.isOver = true;
          how();
        };
        signal.addEventListener('abort', () => close(() => controller.error(signal.reason)), { once: true });
        const produce = async () => {
          for (const { afterMs, text } of pieces) {
            if (afterMs > 0) await own.sleep(afterMs, signal);
            if (isClosed) return;
            controller.enqueue(encoder.encode(text));
          }
          if (end === 'close') close(() => controller.close());
          else if (end !== 'hang') close(() => controller.error(end));
        };
        void produce();
      },
      cancel() {
        isClosed = true;
        call.isOver = true;
      },
    });
    return new Response(body, { status: 200, headers: { 'content-type': type } });
  }

  /** A call that its key's blocks or the request's own history forbid is a fault. */
  #mayCall(key: string, request: Request, { vendor, model }: Place): void {
    const now = this.#time.now();
    if (this.calls.some((call) => call.request === request.id && call.isRefused)) {
      this.#fault(`${request.id} was sent again after a 400`);
    }
    if (request.isAborted) this.#fault(`${request.id} was sent although its client is gone`);
    const status = vendor.runtime.pool.status();
    const known = status.credentials.find(({ id }) => id === key);
    if (!known) return this.#fault(`${request.id} was sent with an unknown key "${key}"`);
    if (known.inFlight < 1) this.#fault(`${key} was called without a lease`);
    // A sibling's answer can come between the lease and its call.
    if (this.#blockedAt.get(key) === now) return;
    const scopes = ['key', `model:${model}`, 'provider', `provider+model:${model}`];
    const forbids = ({ scope, until }: Block) => scopes.includes(scope) && (until === null || until > now);
    const block = known.blocks.find(forbids);
    if (block) this.#fault(`${key} was called in spite of ${JSON.stringify(block)}`);
  }

  #fault(text: string): void {
    this.#note(`BROKEN: ${text}`);
    this.#broken.push(text);
  }

  #check(): void {
    if (this.#broken.length > 0) throw new Error(this.#broken.join('\n'));
  }

  #note(text: string): void {
    this.diary.push(`${this.#time.now() - Date.UTC(2026, 0, 1)} ms: ${text}`);
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[this.#upTo(items.length)];
    if (item === undefined) throw new Error('nothing to choose from');
    return item;
  }

  /** A whole number from 0 to below `end`. */
  #upTo(end: number): number {
    return Math.floor(this.#random() * end);
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }
}

const placeOf = (vendor: Vendor, model: string): Place => ({ vendor, model, name: `${vendor.id}/${model}` });

function wholeBody(id: string): string {
  return JSON.stringify({
    id: 'x',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: `<${id}>` } }],
    usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 },
  });
}

function chunk(delta: object, finishReason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`;
}

/** All content that a body has for its reader. */
const contentOf = (body: string | readonly string[]): string =>
  typeof body === 'string' ? (body.match(/<[^>]+>/)?.[0] ?? '') : body.join('');

/** Streams of the runtime pass their pieces on in turns of the event loop, not in promises alone. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
