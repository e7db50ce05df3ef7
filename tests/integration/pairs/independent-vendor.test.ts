// The same clients against vendors that nobody here wrote either: one mock server that speaks all four protocols.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { ProtocolId } from '../../../src/protocols/codec.ts';
import { type Aimock, startAimock } from '../../support/aimock.ts';
import { clientKey, type Rotator, startRotator } from '../../support/server.ts';
import { type TempHome, tempHome } from '../../support/temp-home.ts';
import { aiSdkClients, officialClients } from './clients.ts';

const KEY = 'sk-independent';
const protocols: readonly ProtocolId[] = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'];
const models: Readonly<Record<ProtocolId, string>> = {
  'openai-chat': 'deepseek-v4',
  'openai-responses': 'gpt-5.5',
  'anthropic-messages': 'claude-sonnet-4-5',
  gemini: 'gemini-2.5-flash',
};

let home: TempHome;
let mock: Aimock;
let rotator: Rotator;

beforeAll(async () => {
  home = await tempHome();
  mock = await startAimock(
    home,
    [KEY],
    [
      { match: { userMessage: 'weather', hasToolResult: true }, response: { content: 'Sunny in both.' } },
      {
        match: { userMessage: 'weather', hasToolResult: false },
        response: {
          toolCalls: [
            { name: 'weather', arguments: '{"city":"Paris"}' },
            { name: 'weather', arguments: '{"city":"Rome"}' },
          ],
        },
      },
      { match: { userMessage: 'think' }, response: { content: 'Thought through.', reasoning: 'Let me see.' } },
      { match: { userMessage: 'hello' }, response: { content: 'Hello — Zürich 😀' } },
    ],
  );
  const origin = mock.baseUrl.replace(/\/v1$/, '');
  rotator = await startRotator({
    providers: Object.fromEntries(
      protocols.map((protocol) => [
        `v-${protocol}`,
        { base_url: `${origin}/${protocol === 'gemini' ? 'v1beta' : 'v1'}`, protocol, keys: [KEY] },
      ]),
    ),
  });
});
afterAll(async () => {
  await rotator.stop();
  await mock[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

/** What does not work without rotator either: client → vendor → why. */
const SKIPS_TOOLS: Readonly<Record<string, Partial<Record<ProtocolId, string>>>> = {
  '@anthropic-ai/sdk': { 'anthropic-messages': 'the mock ignores `thread`, and the SDK sends only what is new' },
  '@ai-sdk/google': { gemini: 'the mock ends with FUNCTION_CALL, which is no reason that the SDK goes on for' },
};

const clients = () => [...officialClients(rotator.url, clientKey), ...aiSdkClients(rotator.url, clientKey)];

describe.each(protocols.map((protocol) => [protocol] as const))('on %s', (upstream) => {
  const model = `v-${upstream}/${models[upstream]}`;

  test('every client hears the same words, whole and streamed', async () => {
    for (const client of clients()) {
      for (const isStream of [false, true]) {
        const { text } = await client.ask(model, { prompt: 'hello', isStream });
        expect([client.name, isStream, text]).toEqual([client.name, isStream, 'Hello — Zürich 😀']);
      }
    }
  });

  test('every client runs a loop of parallel calls', async () => {
    for (const client of clients()) {
      if (SKIPS_TOOLS[client.name]?.[upstream]) continue;
      for (const isStream of [false, true]) {
        const asked: string[] = [];
        const { text } = await client.runTools(model, { prompt: 'weather', isStream }, (city) => {
          asked.push(city);
          return 'sunny';
        });
        expect([client.name, text, asked]).toEqual([client.name, 'Sunny in both.', ['Paris', 'Rome']]);
      }
    }
  });

  test('every client that shows thoughts hears them', async () => {
    for (const client of clients()) {
      if (client.name === '@ai-sdk/openai chat') continue;
      for (const isStream of [false, true]) {
        const { text, thoughts } = await client.ask(model, { prompt: 'think', isStream, thinks: true });
        expect([client.name, thoughts, text]).toEqual([client.name, 'Let me see.', 'Thought through.']);
      }
    }
  });
});
