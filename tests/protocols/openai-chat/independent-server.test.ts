// A chat server that nobody here wrote: what it streams and what it answers whole mean the same.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { ChatReply } from '../../../src/protocols/ir.ts';
import { openAiChat } from '../../../src/protocols/openai-chat/index.ts';
import { isObject } from '../../../src/shared/json-shape.ts';
import { type Aimock, CHAT_ANSWERS, startAimock } from '../../support/aimock.ts';
import { built, dataOf, decoded, encoded, events, names } from '../../support/chat-codec.ts';
import { type TempHome, tempHome } from '../../support/temp-home.ts';

const KEY = 'sk-chat-test';
let home: TempHome;
let mock: Aimock;

beforeAll(async () => {
  home = await tempHome();
  mock = await startAimock(home, [KEY], CHAT_ANSWERS);
});
afterAll(async () => {
  await mock[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

async function ask(question: string, isStream: boolean): Promise<ChatReply> {
  const { request } = decoded({
    messages: [{ role: 'user', content: question }],
    tools: [{ type: 'function', function: { name: 'weather' } }],
  });
  const { body } = encoded(request, { model: 'gpt-4o', isStream });
  const response = await fetch(`${mock.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (isStream) return built(events(dataOf(await response.text()).filter((data) => data !== '[DONE]')));
  const json: unknown = await response.json();
  if (!isObject(json)) throw new Error('no object');
  return openAiChat.decodeReply(json, { ...names, seed: 'S' });
}

describe('an answer of', () => {
  for (const isStream of [false, true]) {
    const way = isStream ? 'streamed' : 'whole';

    test(`text, ${way}`, async () => {
      const { choices } = await ask('text', isStream);
      expect(choices).toEqual([
        { parts: [{ type: 'text', text: 'Hello from elsewhere' }], finish: { unified: 'stop', raw: 'stop' } },
      ]);
    });

    test(`thoughts and text, ${way}`, async () => {
      const { choices } = await ask('think', isStream);
      expect(choices[0]?.parts).toEqual([
        { type: 'reasoning', text: 'let me see', signature: null },
        { type: 'text', text: 'done' },
      ]);
    });

    test(`parallel calls, ${way}`, async () => {
      const { choices } = await ask('tools', isStream);
      expect(choices[0]?.finish.unified).toBe('tool-calls');
      expect(choices[0]?.parts).toMatchObject([
        { type: 'tool-call', name: 'weather', arguments: '{"q":"A"}' },
        { type: 'tool-call', name: 'weather', arguments: '{"q":"B"}' },
      ]);
    });
  }
});
