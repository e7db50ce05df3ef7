// Every provider that the README names first, by a client nobody here wrote, on a vendor that speaks as its documents say.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { findProvider } from '../../src/providers/index.ts';
import { requestFaultsOf } from '../conformance/strict-requests.ts';
import { RECORDED_AT } from '../conformance/provider-fixture.ts';
import { readError } from '../support/expect-error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { clientKey, inOrder, type Rotator, startRotator } from '../support/server.ts';
import { officialClients, type PairClient } from './pairs/clients.ts';
import { USAGE } from './pairs/mind.ts';
import cells from './seed/cells.json' with { type: 'json' };
import {
  GOOD_KEY,
  type Refusal,
  type RunningVendor,
  type SeedVendor,
  seedVendors,
  startSeedVendor,
  TIRED_KEY,
} from './seed/vendors.ts';

let rotator: Rotator;
const running = new Map<string, RunningVendor>();

/** What the vendor's own fixture records of a refusal. */
function tiredOf({ id, tired }: SeedVendor): Refusal {
  const text = readFileSync(new URL(`../fixtures/providers/${id}.json`, import.meta.url), 'utf8');
  const { errors } = JSON.parse(text) as { errors: readonly (Refusal & { name: string })[] };
  const found = errors.find(({ name }) => name === tired.fixture);
  if (!found) throw new Error(`${id} has no recorded "${tired.fixture}"`);
  return found;
}

const start = (vendor: SeedVendor): RunningVendor =>
  startSeedVendor(vendor, tiredOf(vendor), findProvider(vendor.id)?.protocol ?? 'openai-chat', requestFaultsOf);

beforeAll(async () => {
  for (const vendor of seedVendors) running.set(vendor.id, start(vendor));
  rotator = await startRotator({
    providers: Object.fromEntries(
      seedVendors.map((vendor) => [vendor.id, { ...vendor.config(at(vendor).origin), keys: [GOOD_KEY] }]),
    ),
  });
});
afterAll(async () => {
  await rotator.stop();
  for (const vendor of running.values()) await vendor[Symbol.asyncDispose]();
});

function at({ id }: SeedVendor): RunningVendor {
  const vendor = running.get(id);
  if (!vendor) throw new Error(id);
  return vendor;
}

const nameOf = ({ id, model }: SeedVendor) => `${id}/${model}`;
const clients = () => officialClients(rotator.url, clientKey);
function clientOf(protocol: PairClient['protocol']): PairClient {
  const client = clients().find((one) => one.protocol === protocol);
  if (!client) throw new Error(protocol);
  return client;
}
const others = ['openai-responses', 'anthropic-messages', 'gemini'] as const;

async function hears(client: PairClient, vendor: SeedVendor, isStream: boolean): Promise<void> {
  const { text, usage } = await client.ask(nameOf(vendor), { prompt: 'ping', isStream, instructions: 'be brief' });
  expect(text).toBe('pong: ping (be brief) Zürich 😀');
  expect(usage).toMatchObject({ input: USAGE.input, output: USAGE.output });
}

async function loops(client: PairClient, vendor: SeedVendor, isStream: boolean): Promise<void> {
  const asked: string[] = [];
  const { text } = await client.runTools(nameOf(vendor), { prompt: 'weather in Paris and Rome', isStream }, (city) => {
    asked.push(city);
    return `${city} 21°`;
  });
  expect([text, asked]).toEqual(['So: Paris 21°, Rome 21°.', ['Paris', 'Rome']]);
}

/** A vendor's list as the command line and `/v1/models` show it. */
async function lists(vendor: SeedVendor): Promise<void> {
  const list = await new OpenAI({ baseURL: `${rotator.url}/v1`, apiKey: clientKey }).models.list();
  const ids = list.data.map(({ id }) => id).filter((id) => id.startsWith(`${vendor.id}/`));
  expect(ids.sort()).toEqual(vendor.listed.map((id) => `${vendor.id}/${id}`).sort());
}

const TEXTS = Array.from({ length: 12 }, (_, at) => 'x'.repeat(at + 1));

async function embeds(vendor: SeedVendor): Promise<void> {
  const openai = new OpenAI({ baseURL: `${rotator.url}/v1`, apiKey: clientKey, maxRetries: 0 });
  const before = at(vendor).calls.length;
  for (const encoding_format of ['float', 'base64'] as const) {
    const { data } = await openai.embeddings.create({
      model: `${vendor.id}/${vendor.embeddings?.model ?? vendor.model}`,
      input: TEXTS,
      encoding_format,
    });
    const vectors = data.map(({ embedding }) => firstOf(embedding));
    expect(vectors).toEqual(TEXTS.map(({ length }) => length));
  }
  const sent = at(vendor).calls.slice(before);
  expect(sent.length).toBeGreaterThan(0);
  expect(sent.every(({ key }) => key === GOOD_KEY)).toBe(true);
}

/** The client leaves a vector as it came where it asked for `base64` itself. */
function firstOf(embedding: unknown): number | undefined {
  if (typeof embedding !== 'string') return Array.isArray(embedding) ? Number(embedding[0]) : undefined;
  return Buffer.from(embedding, 'base64').readFloatLE(0);
}

async function movesOn(vendor: SeedVendor): Promise<void> {
  for (const isStream of [false, true]) {
    await using own = start(vendor);
    const clock = new ManualClock(RECORDED_AT);
    await using tired = await startRotator({
      clock,
      random: () => 0.5,
      providers: { [vendor.id]: { ...vendor.config(own.origin), keys: inOrder(TIRED_KEY, GOOD_KEY) } },
    });
    const response = await tired.chat({ model: nameOf(vendor), stream: isStream });
    expect([response.status, response.headers.get('x-rotator-attempts')]).toEqual([200, '2']);
    expect(await response.text()).toContain('pong');
    expect(own.calls.filter(({ method }) => method === 'POST').map(({ key }) => key)).toEqual([TIRED_KEY, GOOD_KEY]);
    const [first, second] = await tired.keys();
    expect(first?.blocks.map(({ until }) => until)).toEqual([
      new Date(RECORDED_AT + vendor.tired.restMs).toISOString(),
    ]);
    expect([second?.state, second?.blocks]).toEqual(['ready', []]);
  }
}

async function refusesWrongKey(vendor: SeedVendor): Promise<void> {
  await using own = start(vendor);
  await using wrong = await startRotator({
    providers: { [vendor.id]: { ...vendor.config(own.origin), keys: ['vendor-unknown-key'] } },
  });
  const response = await wrong.chat({ model: nameOf(vendor) });
  expect([response.status, readError(await response.json()).code]).toEqual([502, 'upstream_authentication']);
}

type Feature = keyof (typeof cells)['openai'];

const features: Readonly<Record<Feature, (vendor: SeedVendor) => Promise<void>>> = {
  chat: async (vendor) => {
    await hears(clientOf('openai-chat'), vendor, false);
    const posted = at(vendor).calls.findLast(({ method }) => method === 'POST');
    expect([posted?.path, posted?.key]).toEqual([vendor.chatPath(false), GOOD_KEY]);
  },
  streaming: async (vendor) => {
    await hears(clientOf('openai-chat'), vendor, true);
    const posted = at(vendor).calls.findLast(({ method }) => method === 'POST');
    expect([posted?.path, posted?.key]).toEqual([vendor.chatPath(true), GOOD_KEY]);
  },
  tools: async (vendor) => {
    for (const isStream of [false, true]) await loops(clientOf('openai-chat'), vendor, isStream);
  },
  'other surfaces': async (vendor) => {
    for (const protocol of others) {
      for (const isStream of [false, true]) {
        await hears(clientOf(protocol), vendor, isStream);
        await loops(clientOf(protocol), vendor, isStream);
      }
    }
  },
  'model list': lists,
  embeddings: embeds,
  'next key at a limit': movesOn,
  'wrong key told': refusesWrongKey,
};

const told = (vendor: SeedVendor, feature: string): unknown =>
  new Map<string, unknown>(Object.entries(new Map(Object.entries(cells)).get(vendor.id) ?? {})).get(feature);

test('the table in the README is about these vendors and features, in this order', () => {
  expect(Object.keys(cells)).toEqual(seedVendors.map(({ id }) => id));
  for (const row of Object.values(cells)) expect(Object.keys(row)).toEqual(Object.keys(features));
});

/** Whole conversations of several clients: on a busy machine the default of five seconds is not enough. */
const SLOW_MS = 60_000;

describe.each(seedVendors.map((vendor) => [vendor.id, vendor] as const))('%s', (_, vendor) => {
  for (const [feature, prove] of Object.entries(features)) {
    const claim = told(vendor, feature);
    test(
      claim === true ? feature : `no ${feature}: ${String(claim)}`,
      async () => {
        const before = at(vendor).calls.length;
        const proof = prove(vendor);
        if (claim === true) return proof;
        // What a vendor does not have, it is not asked for either.
        await expect(proof).rejects.toThrow();
        expect(
          at(vendor)
            .calls.slice(before)
            .filter(({ method }) => method === 'POST'),
        ).toEqual([]);
      },
      SLOW_MS,
    );
  }
});
