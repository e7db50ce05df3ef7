// Streams as vendors write them. The same bytes pass the reader of the other lane, which must call them complete.
import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AssistantPart, FinishReason } from '../../../src/protocols/ir.ts';
import { framesOf } from '../../../src/protocols/frames-of.ts';
import { openAiChat } from '../../../src/protocols/openai-chat/index.ts';
import { built, encoded, decoded, names } from '../../support/chat-codec.ts';

function read(name: string) {
  const text = readFileSync(join(import.meta.dir, '../../fixtures/openai-chat', `${name}.chunks.txt`), 'utf8');
  const reader = openAiChat.streamReader();
  const decoder = openAiChat.streamDecoder({ ...names, seed: 'S' });
  const events = [...framesOf(text)].flatMap((frame) => {
    const { json, isEnd } = reader.push(frame);
    return isEnd || json === undefined ? [] : decoder.push({ event: frame.event, json });
  });
  return { end: reader.end(), reply: built([...events, ...decoder.end()]) };
}

const thought = { type: 'reasoning', text: 'Two plus two.', signature: null } as const;
const four = { type: 'text', text: 'Four.' } as const;
const call = (id: string, q: string) =>
  ({ type: 'tool-call', id, name: 'weather', arguments: JSON.stringify({ q }), kind: 'function' }) as const;
const details = [
  { type: 'reasoning.text', text: 'Two plus two.', format: 'anthropic-claude-v1', index: 0, signature: 'EqQBCgIYAhIM' },
];

describe('is read:', () => {
  const cases: readonly [string, string, readonly AssistantPart[], FinishReason][] = [
    [
      'OpenRouter’s, with thoughts in two places and a signature behind them',
      'openrouter-signed-thoughts',
      [
        { ...thought, signature: { protocol: 'openai-chat', value: JSON.stringify({ reasoning_details: details }) } },
        four,
      ],
      { unified: 'stop', raw: 'stop' },
    ],
    [
      'Mistral’s, with thoughts as parts of the content',
      'mistral-thinking-parts',
      [thought, four],
      { unified: 'length', raw: 'model_length' },
    ],
    [
      'NVIDIA’s, which says at every chunk that it has finished',
      'nvidia-early-finish',
      [thought, four],
      { unified: 'length', raw: 'length' },
    ],
    [
      'Google’s, whose parallel calls all have index 0 and end with stop',
      'google-parallel-calls',
      [
        { ...call('function-call-1', 'A'), signature: { protocol: 'gemini', value: 'CiIBjz1rX0' } },
        call('function-call-2', 'B'),
      ],
      { unified: 'tool-calls', raw: 'stop' },
    ],
    ['Groq’s, with the usage beside the answer', 'groq-usage-aside', [thought, four], { unified: 'stop', raw: 'stop' }],
  ];
  for (const [name, fixture, parts, finish] of cases) {
    test(name, () => {
      const { end, reply } = read(fixture);
      expect(end).toEqual({ state: 'complete', isEndSeen: true });
      expect(reply.choices).toEqual([{ parts, finish }]);
      expect(reply.usage).toMatchObject({ inputTokens: 12, outputTokens: 9 });
      expect(reply.created).toBe(1_764_100_000);
    });
  }
});

test('what OpenRouter signed returns to it as it was', () => {
  const { choices } = read('openrouter-signed-thoughts').reply;
  const turns = [{ role: 'assistant', parts: choices[0]?.parts ?? [] }] as const;
  expect(encoded({ ...decoded({}).request, turns }).body.messages).toEqual([
    { role: 'assistant', content: 'Four.', reasoning_details: details },
  ]);
});
