import { expect, test } from 'bun:test';
import type { CredentialId, PoolCredential } from '../../src/pool/credential.ts';
import { createPool } from '../../src/pool/create-pool.ts';
import type { Outcome } from '../../src/pool/outcome.ts';
import { isRefusal, type Lease, type Pool, type PoolSettings, type Refusal, type Want } from '../../src/pool/pool.ts';
import { type Random, seededRandom } from '../../src/shared/random.ts';
import { matchesAny, namePattern } from '../../src/shared/wildcard.ts';
import { credential, DAY, HOUR, MINUTE, SECOND, settings } from '../pool/pool-fixture.ts';
import { ManualClock } from '../support/manual-clock.ts';

/**
 * The real pool under virtual time, in worlds drawn from a seed: keys that fail in their own ways, clients that wait,
 * retry and leave, outages, reloads and resets. What must always hold is checked after every step of time and at every
 * lease, against a record of the outcomes that the pool was told and not against the pool's own view.
 *
 * One world alone: `SIMULATION_SEED=42 bun test ./tests/simulation/pool.test.ts`. More: `SIMULATION_WORLDS=10000`.
 */
const WORLDS = Number(process.env.SIMULATION_WORLDS ?? 400);
const ONLY = process.env.SIMULATION_SEED;

test(`in ${ONLY === undefined ? `${WORLDS} worlds` : `world ${ONLY}`} nothing that must hold is broken`, async () => {
  const totals = { leases: 0, waits: 0, refusals: 0, checks: 0 };
  const seeds = ONLY === undefined ? Array.from({ length: WORLDS }, (_, index) => index + 1) : [Number(ONLY)];
  for (const seed of seeds) {
    const world = new World(seed);
    try {
      await world.run();
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      const replay = `SIMULATION_SEED=${seed} bun test ./tests/simulation/pool.test.ts`;
      throw new Error(`world ${seed}: ${words}\nreplay: ${replay}`, { cause: error });
    }
    totals.leases += world.leases;
    totals.waits += world.waits;
    totals.refusals += world.refusals;
    totals.checks += world.checks;
  }
  // A world in which nothing happens proves nothing.
  if (ONLY === undefined) {
    expect(totals.leases).toBeGreaterThan(WORLDS * 20);
    expect(totals.waits).toBeGreaterThan(WORLDS);
    expect(totals.refusals).toBeGreaterThan(WORLDS);
    expect(totals.checks).toBeGreaterThan(WORLDS * 20);
  }
}, 120_000);

test('the same seed gives the same world', async () => {
  const run = async () => {
    const world = new World(12);
    await world.run();
    return world.diary;
  };
  const first = await run();
  expect(first.length).toBeGreaterThan(10);
  expect(await run()).toEqual(first);
});

/** What the pool was told and must obey, from `at` (exclusive) to `until` (exclusive). */
type Truth = {
  readonly id: CredentialId | null;
  readonly model: string | null;
  readonly kind: string;
  readonly at: number;
  readonly until: number;
  liftedAt: number;
};

type Waiting = {
  readonly want: Want;
  readonly deadline: number;
  readonly blockedDeadline: number;
  readonly order: number;
};

const MODELS = ['alpha', 'beta', 'gamma'];
const PRIORITIES = [10, 1, 10, 2, 10];

const isWanted = (want: Want, id: CredentialId) =>
  !want.exclude.has(id) && (want.only === undefined || want.only === id);

class World {
  leases = 0;
  waits = 0;
  refusals = 0;
  checks = 0;
  readonly diary: string[] = [];
  readonly #random: Random;
  readonly #clock = new ManualClock();
  readonly #settings: PoolSettings;
  readonly #pool: Pool;
  #credentials: PoolCredential[];
  #truths: Truth[] = [];
  readonly #held = new Map<Lease, CredentialId>();
  /** Acquires that have not ended, in the order in which they were made. */
  readonly #waiting = new Set<Waiting>();
  #order = 0;
  #begun = 0;
  #ended = 0;
  #settled = 0;
  #broken: Error | null = null;

  constructor(seed: number) {
    const random = seededRandom(seed);
    this.#random = random;
    this.#settings = {
      ...settings,
      tolerance: this.#pick([0, 3, 50]),
      maxWaiting: this.#pick([0, 2, 5, 1000]),
      concurrency: {
        maxPerKey: this.#pick([0, 1, 1, 2, 3]),
        optimalPerKey: this.#pick([0, 1, 2]),
        priorityMultipliers: this.#pick([{}, { 1: 3, 2: 2 }]),
      },
    };
    // Some pools are large enough to be sampled.
    const size = this.#chance(0.05) ? 150 : this.#whole(1, 7);
    this.#credentials = Array.from({ length: size }, (_, index) => this.#newCredential(`k${index}`));
    this.#pool = createPool({
      provider: 'acme',
      credentials: this.#credentials,
      settings: this.#settings,
      clock: this.#clock,
      random: seededRandom(seed ^ 0x5f3759df),
    });
  }

  async run(): Promise<void> {
    const clients = Array.from({ length: this.#whole(2, 16) }, () => this.#client());
    let isDone = false;
    const all = Promise.all(clients).then(() => {
      isDone = true;
    });
    for (let step = 0; !isDone; step++) {
      if (step > 20_000) throw new Error('the world does not end');
      if (this.#chance(0.03)) this.#reload();
      if (this.#chance(0.01)) this.#reset();
      // Who was served by that notices now, not after the next step.
      await this.#clock.advance(0);
      // From a millisecond to a minute, all orders of magnitude alike.
      await this.#clock.advance(Math.round(60_000 ** this.#random()));
      this.#check();
      if (this.#broken) throw this.#broken;
    }
    await all;
    this.#checkEnd();
    if (this.#broken) throw this.#broken;
  }

  async #client(): Promise<void> {
    try {
      for (let left = this.#whole(2, 8); left > 0; left--) {
        await this.#clock.sleep(this.#chance(0.05) ? this.#whole(0, 20 * MINUTE) : this.#whole(0, 4 * SECOND));
        await this.#request();
      }
    } catch (error) {
      this.#broken ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  /** A small gateway: tries up to four credentials, then rests those that met 5xx where another served. */
  async #request(): Promise<void> {
    const model = this.#pick(MODELS);
    const abort = new AbortController();
    const exclude = new Set<CredentialId>();
    const met5xx: CredentialId[] = [];
    let last: CredentialId | null = null;
    if (this.#chance(0.1)) void this.#clock.sleep(this.#whole(0, 10 * SECOND)).then(() => abort.abort());
    for (let tries = 0; tries < 4; tries++) {
      // A try may be a repeat on the very key that failed.
      const isRepeat = this.#chance(0.2);
      const want: Want =
        last !== null && isRepeat
          ? { model, exclude: new Set(), bytes: 1000, only: last }
          : { model, exclude: new Set(exclude), bytes: 1000 };
      const result = this.#chance(0.2) ? this.#leaseNow(want) : await this.#acquire(want, abort.signal);
      if (isRefusal(result)) return;
      last = result.credentialId;
      await this.#clock.sleep(this.#whole(1, this.#chance(0.1) ? 5 * MINUTE : 5 * SECOND), abort.signal);
      const outcome: Outcome = abort.signal.aborted ? { kind: 'neutral' } : this.#outcome(result);
      this.#settle(result, outcome);
      if (outcome.kind === 'success' && met5xx.length > 0) this.#pool.rest(met5xx, model);
      if (outcome.kind === 'success' || abort.signal.aborted) return;
      if (outcome.kind === 'upstream-error') met5xx.push(result.credentialId);
      if (this.#chance(0.8)) exclude.add(result.credentialId);
    }
  }

  #leaseNow(want: Want): Lease | Refusal {
    const result = this.#pool.lease(want, this.#clock.now());
    if (isRefusal(result)) this.refusals++;
    else this.#granted(result, want, this.#order++);
    return result;
  }

  async #acquire(want: Want, signal: AbortSignal): Promise<Lease | Refusal> {
    const now = this.#clock.now();
    const deadline = now + this.#pick([0, 500, 5 * SECOND, 30 * SECOND, 10 * MINUTE]);
    const blockedDeadline = this.#chance(0.5) ? deadline : now + this.#pick([0, 10 * SECOND]);
    const waiting: Waiting = { want, deadline, blockedDeadline, order: this.#order++ };
    const inLine = this.#pool.status().waiting;
    this.#begun++;
    this.#waiting.add(waiting);
    const result = await this.#pool.acquire(want, { deadline, blockedDeadline, signal });
    this.#waiting.delete(waiting);
    this.#ended++;
    const ended = this.#clock.now();
    if (ended > now) this.waits++;
    this.#demand(ended <= deadline, `an acquire ended ${ended - deadline} ms after its deadline`);
    if (!isRefusal(result)) {
      this.#granted(result, want, waiting.order);
      return result;
    }
    this.refusals++;
    this.diary.push(`${ended} ${waiting.order} ${result.cause}`);
    const { cause, retryAt } = result;
    if (cause === 'aborted') this.#demand(signal.aborted, 'aborted without a signal');
    if (cause === 'busy') this.#demand(ended >= deadline, 'busy before the deadline');
    if (cause === 'queue-full') this.#demand(inLine >= this.#settings.maxWaiting, `queue full with ${inLine} in it`);
    if (cause === 'excluded') this.#demand(want.exclude.size > 0, 'excluded without exclusions');
    if (cause === 'blocked') {
      const isTooLate = retryAt === null || retryAt > Math.min(deadline, blockedDeadline);
      this.#demand(isTooLate && result.blocks.length > 0, `refused as blocked, though back at ${retryAt}`);
    }
    return result;
  }

  #granted(lease: Lease, want: Want, order: number): void {
    this.leases++;
    this.diary.push(`${lease.at} ${order} ${lease.credentialId}`);
    const { credentialId, model, at } = lease;
    this.#held.set(lease, credentialId);
    this.#demand(isWanted(want, credentialId), `${credentialId} was not wanted`);
    for (const truth of this.#truths) {
      const isMeant =
        (truth.id === null || truth.id === credentialId) && (truth.model === null || truth.model === model);
      const isLive = truth.at < at && at < truth.until && at < truth.liftedAt;
      this.#demand(!isMeant || !isLive, `${credentialId} was leased for ${model} under ${truth.kind}`);
    }
    for (const older of this.#waiting) {
      const couldUse = older.want.model === model && isWanted(older.want, credentialId);
      this.#demand(older.order > order || !couldUse, `request ${order} overtook ${older.order} on ${credentialId}`);
    }
  }

  #settle(lease: Lease, outcome: Outcome): void {
    this.#held.delete(lease);
    this.#settled++;
    const now = this.#clock.now();
    this.#remember(lease, outcome, now);
    this.#pool.settle(lease, { outcome, usage: null, reason: outcome.kind });
    let isThrown = false;
    try {
      this.#pool.settle(lease, { outcome, usage: null, reason: outcome.kind });
    } catch {
      isThrown = true;
    }
    this.#demand(isThrown, 'settled twice without an error');
  }

  /** Only what the contract makes exact, or at least as long as this. */
  #remember({ credentialId: id, model, at: startedAt }: Lease, outcome: Outcome, now: number): void {
    const add = (truth: { id: CredentialId | null; model: string | null; kind: string; until: number }) =>
      this.#truths.push({ ...truth, at: now, liftedAt: Number.POSITIVE_INFINITY });
    const lift = (isLifted: (truth: Truth) => boolean) => {
      for (const truth of this.#truths) if (isLifted(truth)) truth.liftedAt = Math.min(truth.liftedAt, now);
    };
    switch (outcome.kind) {
      case 'success':
        lift((truth) => truth.id === id && truth.model === model && truth.kind === 'ladder');
        lift((truth) => truth.id === null && truth.model === model && truth.kind !== 'told overload');
        lift((truth) => truth.kind === 'unreachable');
        // Proven by a request that began after the block.
        lift(
          (t) =>
            t.id === id && /auth|forbidden|permanent/.test(t.kind) && (t.model ?? model) === model && startedAt >= t.at,
        );
        return;
      case 'rate-limited': {
        if (outcome.isPermanent) return void add({ id, model, kind: `permanent ${outcome.isQuota}`, until: Infinity });
        const where = { id, model: outcome.scope === 'model' ? model : null, kind: `told limit ${outcome.isQuota}` };
        if (outcome.waitMs === null) return void add({ ...where, kind: 'limit', until: now });
        lift((truth) => truth.id === id && truth.model === where.model && truth.kind === where.kind);
        return void add({ ...where, until: now + Math.min(outcome.waitMs, 8 * DAY) });
      }
      case 'auth':
        return void add({ id, model: null, kind: 'auth', until: now + 0.9 * settings.cooldowns.authMs });
      case 'forbidden': {
        const isKey = outcome.scope === 'credential';
        const ms = isKey ? settings.cooldowns.authMs : HOUR;
        return void add({ id, model: isKey ? null : model, kind: 'forbidden', until: now + 0.9 * ms });
      }
      case 'billing':
        return void add({ id, model: null, kind: 'billing', until: Infinity });
      case 'failed':
        return void add({ id, model, kind: 'ladder', until: now + 9 * SECOND });
      case 'overloaded':
        if (outcome.waitMs === null) return void add({ id: null, model, kind: 'overload', until: now + 27 * SECOND });
        lift((truth) => truth.model === model && truth.id === null && truth.kind.endsWith('overload'));
        return void add({ id: null, model, kind: 'told overload', until: now + outcome.waitMs });
      case 'unreachable':
        return void add({ id: null, model: null, kind: 'unreachable', until: now + 900 });
      case 'model-missing':
        return void add({ id: null, model, kind: 'model missing', until: now + 5 * MINUTE });
      case 'neutral':
      case 'upstream-error':
        return;
    }
  }

  #outcome({ credentialId, model }: Lease): Outcome {
    const number = Number(credentialId.slice(1));
    // Every third key has a temper of its own; outages come and go for one model at all keys.
    const isMoody = number % 3 === 1;
    const isOutage = model === 'beta' && Math.floor(this.#clock.now() / (3 * MINUTE)) % 4 === 1;
    if (isOutage && this.#chance(0.7)) {
      return this.#chance(0.8) ? { kind: 'upstream-error' } : { kind: 'overloaded', waitMs: this.#pick([null, 4000]) };
    }
    if (!this.#chance(isMoody ? 0.6 : 0.15)) return { kind: 'success' };
    const limit = (waitMs: number | null, isPermanent = false): Outcome => ({
      kind: 'rate-limited',
      waitMs,
      source: 'retry-after',
      isQuota: this.#chance(0.3),
      scope: this.#chance(0.8) ? 'model' : 'credential',
      isPermanent,
    });
    const draw = this.#random();
    if (draw < 0.3) return limit(this.#pick([0, 700, 3000, 12_000, MINUTE, 6 * MINUTE]));
    if (draw < 0.4) return limit(null);
    if (draw < 0.42) return limit(null, true);
    if (draw < 0.47) return { kind: 'auth' };
    if (draw < 0.52) return { kind: 'forbidden', scope: this.#pick(['model', 'credential']) };
    if (draw < 0.54) return { kind: 'billing' };
    if (draw < 0.7) return { kind: 'failed' };
    if (draw < 0.85) return { kind: 'upstream-error' };
    if (draw < 0.9) return { kind: 'unreachable' };
    if (draw < 0.92) return { kind: 'model-missing' };
    return { kind: 'neutral' };
  }

  #reload(): void {
    const kept = this.#credentials.filter(() => !this.#chance(0.1));
    const changed = kept.map((one) => (this.#chance(0.1) ? { ...one, isEnabled: !one.isEnabled } : one));
    const next = this.#chance(0.3) ? [...changed, this.#newCredential(`k${this.#whole(0, 9)}`)] : changed;
    // What is remembered of a credential that was away may be forgotten, also what its last requests said.
    const before = new Set(this.#credentials.map((one) => one.id));
    const after = new Set(next.map((one) => one.id));
    this.#truths = this.#truths.filter(({ id }) => id === null || (before.has(id) && after.has(id)));
    this.#credentials = next.filter((one, index) => next.findIndex((other) => other.id === one.id) === index);
    this.#pool.update(this.#credentials, this.#settings);
  }

  #reset(): void {
    const one = this.#chance(0.5) ? this.#credentials[this.#whole(0, this.#credentials.length)] : undefined;
    if (one) this.#pool.reset(one.id);
    else this.#pool.reset();
    const now = this.#clock.now();
    for (const truth of this.#truths) if (!one || truth.id === one.id) truth.liftedAt = Math.min(truth.liftedAt, now);
  }

  /** After every step, when all promises have settled. */
  #check(): void {
    this.checks++;
    const status = this.#pool.status();
    // Looking lets the pool catch up; had anybody been left to serve or to refuse, the counts would differ now.
    this.#demand(
      status.waiting === this.#waiting.size,
      `${this.#waiting.size} wait, but the pool counts ${status.waiting}`,
    );
    this.#demand(status.waiting <= this.#settings.maxWaiting, 'the line is too long');
    const inFlight = new Map<CredentialId, number>();
    for (const id of this.#held.values()) inFlight.set(id, (inFlight.get(id) ?? 0) + 1);
    const { maxPerKey, priorityMultipliers } = this.#settings.concurrency;
    for (const one of status.credentials) {
      const held = inFlight.get(one.id) ?? 0;
      this.#demand(one.inFlight === held, `${one.id}: ${held} in flight, but the pool counts ${one.inFlight}`);
      const most = maxPerKey * (priorityMultipliers[one.priority] ?? 1);
      this.#demand(maxPerKey === 0 || held <= most, `${one.id}: ${held} in flight of ${most}`);
      for (const block of one.blocks) {
        this.#demand(block.until === null || block.until > this.#clock.now(), `${one.id} shows a block that is over`);
      }
    }
    for (const { want, deadline, blockedDeadline } of this.#waiting) {
      this.#demand(this.#clock.now() < deadline, 'somebody waits after the deadline');
      let soonest = Infinity;
      for (const { id, verdict, blocks } of this.#pool.explain(want)) {
        if (!isWanted(want, id) || verdict === 'disabled' || verdict === 'model_not_allowed') continue;
        soonest = Math.min(soonest, Math.max(0, ...blocks.map((block) => block.until ?? Infinity)));
        const isReady = (verdict === 'ready' || verdict === 'chosen') && isWanted(want, id);
        this.#demand(!isReady, `${id} is ready while somebody waits who could use it`);
      }
      this.#demand(soonest <= Math.min(deadline, blockedDeadline) || soonest === 0, 'somebody waits in vain');
      const isAnybody = this.#credentials.some(
        (one) =>
          one.isEnabled && isWanted(want, one.id) && (one.models.length === 0 || matchesAny(one.models, want.model)),
      );
      this.#demand(isAnybody, 'somebody waits for nobody');
    }
  }

  #checkEnd(): void {
    const status = this.#pool.status();
    this.#demand(this.#begun === this.#ended, `${this.#begun} acquires began, ${this.#ended} ended`);
    this.#demand(this.#held.size === 0 && this.#settled === this.leases, 'a lease is left');
    this.#demand(status.waiting === 0, 'somebody is left in the line');
    this.#demand(
      status.credentials.every((one) => one.inFlight === 0),
      'the pool counts a lease that was settled',
    );
    this.#pool.reset();
    for (const model of MODELS) {
      const want = { model, exclude: new Set<CredentialId>(), bytes: 0 };
      for (const { id, verdict } of this.#pool.explain(want)) {
        const isFine = verdict !== 'busy' && verdict !== 'blocked';
        this.#demand(isFine, `${id} is ${verdict} for ${model} after a reset`);
      }
    }
  }

  #newCredential(name: string): PoolCredential {
    return credential(name, {
      // A limit that shrinks under requests in flight cannot be kept; so a name keeps its priority when it comes back.
      priority: PRIORITIES[Number(name.slice(1)) % PRIORITIES.length] ?? 10,
      weight: this.#pick([1, 1, 2]),
      models: this.#chance(0.15) ? [namePattern(this.#pick(['alpha', '*a', 'b*']))] : [],
      isEnabled: !this.#chance(0.1),
    });
  }

  #demand(isTrue: boolean, otherwise: string): void {
    if (!isTrue) this.#broken ??= new Error(otherwise);
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #whole(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  #pick<Value>(values: readonly Value[]): Value {
    const value = values[Math.floor(this.#random() * values.length)];
    if (value === undefined) throw new Error('nothing to pick from');
    return value;
  }
}
