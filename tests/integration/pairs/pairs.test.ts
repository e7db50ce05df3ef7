// Clients that nobody here wrote, of every protocol, in front; a vendor of every protocol behind; real sockets between.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { ProtocolId } from '../../../src/protocols/codec.ts';
import { clientKey, type Rotator, startRotator } from '../../support/server.ts';
import cells from './cells.json' with { type: 'json' };
import { aiSdkClients, officialClients, type PairClient } from './clients.ts';
import { PICTURE, THOUGHT, USAGE } from './mind.ts';
import { KEY, startVendor, type Vendor } from './vendors.ts';

const protocols: readonly ProtocolId[] = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'];

/** Models whose families have rules of their own. */
const models: Readonly<Record<ProtocolId, string>> = {
  'openai-chat': 'deepseek-v4',
  'openai-responses': 'gpt-5.5',
  'anthropic-messages': 'claude-sonnet-4-5',
  gemini: 'gemini-2.5-flash',
};

let rotator: Rotator;
const vendors = new Map<ProtocolId, Vendor>();

beforeAll(async () => {
  for (const protocol of protocols) vendors.set(protocol, startVendor(protocol));
  rotator = await startRotator({
    providers: Object.fromEntries(
      [...vendors].map(([protocol, { baseUrl }]) => [`v-${protocol}`, { base_url: baseUrl, protocol, keys: [KEY] }]),
    ),
  });
});
afterAll(async () => {
  await rotator.stop();
  for (const vendor of vendors.values()) await vendor[Symbol.asyncDispose]();
});

/** Reads nothing but OpenAI's own fields, which have no thoughts. */
const SEES_NO_THOUGHTS = '@ai-sdk/openai chat';

type Feature = (client: PairClient, model: string) => Promise<void>;

const run = (city: string) => `${city} 21°`;
const ask = { prompt: 'ping', isStream: false };
const counts = { input: USAGE.input, output: USAGE.output, cached: USAGE.cached };

const features: Readonly<Record<string, Feature>> = {
  async text(client, model) {
    const { text } = await client.ask(model, { ...ask, instructions: 'be brief' });
    expect(text).toBe('pong: ping (be brief) Zürich 😀');
  },
  async tools(client, model) {
    for (const isStream of [false, true]) {
      const asked: string[] = [];
      const { text } = await client.runTools(model, { prompt: 'weather in Paris', isStream }, (city) => {
        asked.push(city);
        return run(city);
      });
      expect([text, asked]).toEqual(['So: Paris 21°.', ['Paris']]);
    }
  },
  async 'parallel tools'(client, model) {
    for (const isStream of [false, true]) {
      const { text } = await client.runTools(model, { prompt: 'weather in Paris and Rome', isStream }, run);
      expect(text).toBe('So: Paris 21°, Rome 21°.');
    }
  },
  async images(client, model) {
    const { text } = await client.ask(model, { ...ask, hasPicture: true });
    expect(text).toBe(`I see image/png: ${PICTURE}`);
  },
  async reasoning(client, model) {
    for (const isStream of [false, true]) {
      if (client.name === SEES_NO_THOUGHTS) return;
      const { thoughts, text } = await client.ask(model, { ...ask, isStream, thinks: true });
      expect([thoughts, text]).toEqual([THOUGHT, 'pong: ping Zürich 😀']);
    }
  },
  async 'reasoning in a tool loop'(client, model) {
    for (const isStream of [false, true]) {
      const { text } = await client.runTools(
        model,
        { prompt: 'weather in Paris and Rome', isStream, thinks: true },
        run,
      );
      expect(text).toBe('So: Paris 21°, Rome 21°.');
    }
  },
  async 'structured output'(client, model) {
    expect(await client.structured(model)).toEqual({ city: 'Paris', degrees: 21 });
  },
  async streaming(client, model) {
    const { text } = await client.ask(model, { ...ask, isStream: true, instructions: 'be brief' });
    expect(text).toBe('pong: ping (be brief) Zürich 😀');
  },
  async usage(client, model) {
    for (const isStream of [false, true]) {
      const { usage } = await client.ask(model, { ...ask, isStream });
      expect(usage).toEqual(counts);
    }
  },
};

// The clients must be there when the tests are named; where they call is known when the server is.
const urlOf = () => rotator.url;
const named = [...officialClients('http://127.0.0.1:1', clientKey), ...aiSdkClients('http://127.0.0.1:1', clientKey)];

/** What the README says of a pair: true, or why it cannot be. */
const told = (client: ProtocolId, upstream: ProtocolId, feature: string): unknown =>
  new Map<string, unknown>(Object.entries(cells[client][upstream])).get(feature);

/** Parts of another feature in the README. */
const PART_OF: Readonly<Record<string, string>> = { 'reasoning in a tool loop': 'reasoning' };

test('the table in the README is about these protocols and features', () => {
  const shown = Object.keys(features).filter((feature) => !(feature in PART_OF));
  for (const client of protocols) {
    expect(Object.keys(cells[client])).toEqual([...protocols]);
    for (const upstream of protocols) expect(Object.keys(cells[client][upstream]).sort()).toEqual(shown.sort());
  }
  expect(Object.keys(cells)).toEqual([...protocols]);
});

describe.each(named.map(({ name, protocol }) => [name, protocol] as const))('%s', (name, protocol) => {
  describe.each(protocols.map((upstream) => [upstream] as const))('on %s', (upstream) => {
    for (const [feature, prove] of Object.entries(features)) {
      const claim = told(protocol, upstream, PART_OF[feature] ?? feature);
      const isPromised = claim === true;
      test(isPromised ? feature : `no ${feature}: ${String(claim)}`, async () => {
        const all = [...officialClients(urlOf(), clientKey), ...aiSdkClients(urlOf(), clientKey)];
        const client = all.find((candidate) => candidate.name === name && candidate.protocol === protocol);
        if (!client) throw new Error(name);
        const proof = prove(client, `v-${upstream}/${models[upstream]}`);
        // A reason that no longer holds does not belong in the table.
        await (isPromised ? proof : expect(proof).rejects.toThrow());
      });
    }
  });
});
