// One conversation at several vendors in turn: what one of them thought, signed or named is no reason for the next to refuse it.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { ProtocolId } from '../../../src/protocols/codec.ts';
import type { JsonRecord } from '../../../src/protocols/ir.ts';
import { isObject, objectsIn } from '../../../src/shared/json-shape.ts';
import { clientKey, type Rotator, startRotator } from '../../support/server.ts';
import { KEY, startVendor, type Vendor } from './vendors.ts';

const protocols: readonly ProtocolId[] = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'];
const models: Readonly<Record<ProtocolId, string>> = {
  'openai-chat': 'deepseek-v4',
  'openai-responses': 'gpt-5.5',
  'anthropic-messages': 'claude-sonnet-4-5',
  // Checks the signatures of its calls.
  gemini: 'gemini-3-pro-preview',
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

async function post(path: string, body: object): Promise<JsonRecord> {
  const response = await fetch(`${rotator.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${clientKey}` },
    body: JSON.stringify(body),
  });
  const json: unknown = await response.json();
  if (response.status !== 200 || !isObject(json)) throw new Error(`${response.status} ${JSON.stringify(json)}`);
  return json;
}

const QUESTION = 'weather in Paris and Rome';
const SCHEMA = { type: 'object', properties: { city: { type: 'string' } } };
const record = (value: unknown): JsonRecord => (isObject(value) ? value : {});

/** Asks, and adds to the history what was answered and what comes next: the results of two calls, or another question. */
type Client = { readonly name: string; turn(history: object[], model: string): Promise<void> };

const responsesClient = (name: string, more: object): Client => ({
  name,
  async turn(input, model) {
    const tools = [{ type: 'function', name: 'weather', parameters: SCHEMA }];
    const reasoning = { effort: 'high', summary: 'auto' };
    if (input.length === 0) input.push({ role: 'user', content: QUESTION });
    const answer = await post('/v1/responses', { model, input, reasoning, tools, ...more });
    const output = objectsIn(answer.output);
    const calls = output.filter(({ type }) => type === 'function_call');
    input.push(...output, ...calls.map(({ call_id }) => ({ type: 'function_call_output', call_id, output: '21°' })));
    if (calls.length === 0) input.push({ role: 'user', content: QUESTION });
  },
});

const clients: readonly Client[] = [
  {
    name: 'openai-chat',
    async turn(messages, model) {
      if (messages.length === 0) messages.push({ role: 'user', content: QUESTION });
      const tools = [{ type: 'function', function: { name: 'weather', parameters: SCHEMA } }];
      const answer = await post('/v1/chat/completions', { model, messages, tools, reasoning_effort: 'high' });
      const message = record(objectsIn(answer.choices)[0]?.message);
      const calls = objectsIn(message.tool_calls);
      messages.push(message, ...calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: '21°' })));
      if (calls.length === 0) messages.push({ role: 'user', content: QUESTION });
    },
  },
  responsesClient('openai-responses', {}),
  responsesClient('openai-responses, stored nowhere', { store: false, include: ['reasoning.encrypted_content'] }),
  {
    name: 'anthropic-messages',
    async turn(messages, model) {
      if (messages.length === 0) messages.push({ role: 'user', content: QUESTION });
      const thinking = { type: 'enabled', budget_tokens: 1024 };
      const tools = [{ name: 'weather', input_schema: SCHEMA }];
      const { content } = await post('/v1/messages', { model, max_tokens: 4096, messages, thinking, tools });
      const calls = objectsIn(content).filter(({ type }) => type === 'tool_use');
      const results = calls.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: '21°' }));
      messages.push({ role: 'assistant', content }, { role: 'user', content: calls.length > 0 ? results : QUESTION });
    },
  },
  {
    name: 'gemini',
    async turn(contents, model) {
      if (contents.length === 0) contents.push({ role: 'user', parts: [{ text: QUESTION }] });
      const tools = [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: SCHEMA }] }];
      const generationConfig = { thinkingConfig: { includeThoughts: true } };
      const answer = await post(`/v1beta/models/${model}:generateContent`, { contents, tools, generationConfig });
      const content = record(objectsIn(answer.candidates)[0]?.content);
      const calls = objectsIn(content.parts).flatMap(({ functionCall }) => functionCall ?? []);
      const results = objectsIn(calls).map(({ id, name }) => ({
        functionResponse: { ...(id !== undefined && { id }), name, response: { result: '21°' } },
      }));
      contents.push(content, { role: 'user', parts: calls.length > 0 ? results : [{ text: QUESTION }] });
    },
  },
];

describe.each(clients.map((client) => [client.name, client] as const))('a client of %s', (_, client) => {
  test.each(protocols.map((first) => [first] as const))(
    'begins at %s and goes on anywhere, and back',
    async (first) => {
      for (const second of protocols) {
        for (const third of protocols) {
          const history: object[] = [];
          // A step of a tool loop is served by another vendor each time; so is what follows it.
          for (const at of [first, second, third, first, second]) await client.turn(history, `v-${at}/${models[at]}`);
          expect(history.length).toBeGreaterThan(10);
        }
      }
    },
  );
});
