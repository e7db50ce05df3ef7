// A server of Messages that nobody here wrote: what it streams and what it answers whole mean the same.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/index.ts';
import { framesOf } from '../../../src/protocols/frames-of.ts';
import type { ChatReply } from '../../../src/protocols/ir.ts';
import { ReplyBuilder } from '../../../src/protocols/reply-builder.ts';
import { isObject, parseJson } from '../../../src/shared/json-shape.ts';
import { type Aimock, CHAT_ANSWERS, startAimock } from '../../support/aimock.ts';
import { type TempHome, tempHome } from '../../support/temp-home.ts';
import { decodeContext, encode } from './requests.ts';

const KEY = 'sk-messages-test';
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
  const { body } = encode(
    {
      turns: [{ role: 'user', parts: [{ type: 'text', text: question }] }],
      tools: [{ type: 'function', name: 'weather', description: null, parameters: null, isStrict: null }],
    },
    { isStream },
  );
  const response = await fetch(`${mock.baseUrl}/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'x-api-key': KEY, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!isStream) {
    expect(anthropicMessages.readReply(new TextEncoder().encode(text))).toMatchObject({ state: 'answer' });
    const json = parseJson(text);
    if (!isObject(json)) throw new Error('no object');
    return anthropicMessages.decodeReply(json, decodeContext);
  }
  const reader = anthropicMessages.streamReader();
  const decoder = anthropicMessages.streamDecoder(decodeContext);
  const builder = new ReplyBuilder();
  for (const frame of framesOf(text)) {
    const { json } = reader.push(frame);
    for (const event of decoder.push({ event: frame.event, json })) builder.push(event);
  }
  for (const event of decoder.end()) builder.push(event);
  expect(reader.end()).toEqual({ state: 'complete', isEndSeen: true });
  return builder.reply();
}

describe('an answer of', () => {
  for (const isStream of [false, true]) {
    const way = isStream ? 'streamed' : 'whole';

    test(`text, ${way}`, async () => {
      const { choices } = await ask('text', isStream);
      expect(choices).toEqual([
        { parts: [{ type: 'text', text: 'Hello from elsewhere' }], finish: { unified: 'stop', raw: 'end_turn' } },
      ]);
    });

    test(`thoughts and text, ${way}`, async () => {
      const { choices } = await ask('think', isStream);
      expect(choices[0]?.parts).toMatchObject([
        { type: 'reasoning', text: 'let me see' },
        { type: 'text', text: 'done' },
      ]);
    });

    test(`parallel calls, ${way}`, async () => {
      const { choices } = await ask('tools', isStream);
      expect(choices[0]).toMatchObject({
        finish: { unified: 'tool-calls', raw: 'tool_use' },
        parts: [
          { type: 'tool-call', name: 'weather', arguments: '{"q":"A"}' },
          { type: 'tool-call', name: 'weather', arguments: '{"q":"B"}' },
        ],
      });
    });
  }
});
