import { expect, test } from 'bun:test';
import { gemini } from '../../../src/protocols/gemini/index.ts';
import { FROM_ANOTHER } from '../../../src/protocols/gemini/signature.ts';
import type { ChatReply, ToolCallPart } from '../../../src/protocols/ir.ts';
import { isObject, objectsIn, textOr } from '../../../src/shared/json-shape.ts';
import { chatRequest } from './chat-request.ts';

const call = (id: string, more: Partial<ToolCallPart> = {}): ToolCallPart => ({
  type: 'tool-call',
  id,
  name: 'f',
  arguments: '{}',
  kind: 'function',
  ...more,
});

function signaturesOf(...parts: readonly ToolCallPart[]) {
  const reply: ChatReply = {
    id: null,
    model: null,
    created: null,
    usage: null,
    choices: [{ parts, finish: { unified: 'tool-calls', raw: null } }],
  };
  const context = { request: chatRequest(), seed: 's', model: 'm', now: 0 };
  const [candidate] = objectsIn(gemini.encodeReply(reply, context).value.candidates);
  const content = candidate?.content;
  return isObject(content) ? objectsIn(content.parts).map(({ thoughtSignature }) => textOr(thoughtSignature)) : [];
}

test('the first call of an answer that another model gave is marked, and known by it when it comes back', () => {
  const [first, second] = signaturesOf(call('a'), call('b'));
  expect([first, second]).toEqual([FROM_ANOTHER.thoughtSignature, null]);
  const history = JSON.stringify([
    { role: 'model', parts: [{ functionCall: { name: 'f' }, thoughtSignature: first }] },
  ]);
  expect(gemini.holdsOthers?.(Buffer.from(history))).toBe(true);
});

test('the mark is base64 to every client: letters and digits without padding', () => {
  expect(FROM_ANOTHER.thoughtSignature).toMatch(/^[A-Za-z0-9]+$/);
  expect(FROM_ANOTHER.thoughtSignature.length % 4).toBe(0);
});

test('a call with a signature of Gemini’s own keeps it', () => {
  expect(signaturesOf(call('a', { signature: { protocol: 'gemini', value: 'U0lH' } }), call('b'))).toEqual([
    'U0lH',
    null,
  ]);
});
