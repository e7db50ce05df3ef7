import { describe, expect, test } from 'bun:test';
import { holdsOthers, UNSIGNED } from '../../../src/protocols/anthropic-messages/unsigned.ts';

const holds = (...content: object[]) =>
  holdsOthers(Buffer.from(JSON.stringify([{ role: 'assistant', content }], null, 1)));

describe('a conversation holds what others said', () => {
  test('where thoughts have the mark instead of a signature', () => {
    expect(holds({ type: 'thinking', thinking: 'hm', signature: UNSIGNED })).toBe(true);
  });

  test('where a result answers a call whose id Anthropic would refuse', () => {
    const result = (tool_use_id: string) => ({ type: 'tool_result', tool_use_id, content: 'ok' });
    expect(holds(result('toolu_1'), result('functions.f:0'))).toBe(true);
    expect(holds(result('toolu_1'), result('call-2'))).toBe(false);
  });
});

describe('a conversation holds nothing of others', () => {
  test('where its vendor signs, or signs with nothing', () => {
    for (const signature of ['RXFRQkNn+/=', '']) {
      expect(holds({ type: 'thinking', thinking: 'hm', signature })).toBe(false);
    }
  });

  test('where a text speaks of the mark, or of ids', () => {
    expect(holds({ type: 'text', text: `{"signature":"${UNSIGNED}","tool_use_id":"functions.f:0"}` })).toBe(false);
  });
});
