import { expect, test } from 'bun:test';
import { paint } from '../../../src/cli/ui/colour.ts';
import { glyphs } from '../../../src/cli/ui/glyphs.ts';
import { requestLineText } from '../../../src/cli/ui/logs-text.ts';
import type { RequestView } from '../../../src/gateway/operations.ts';

const refused: RequestView = {
  seq: 7,
  id: 'req_01a217f5-4324-7280-a6b7-d071e65222af',
  at: '2026-01-01T00:00:00Z',
  client: 'laptop',
  model: 'groq/llama-3.3-70b-versatile',
  target: null,
  credential: null,
  status: 429,
  failure: 'client-limit',
  stream: true,
  queue_ms: 0,
  first_byte_ms: null,
  total_ms: 1.5,
  overhead_ms: 1.5,
  input_tokens: null,
  output_tokens: null,
  cached_tokens: null,
  reasoning_tokens: null,
  cost_usd: null,
  attempts: [],
};

test.each([40, 80, 200])('a request says why it failed and what it is called in %d columns', (maxColumns) => {
  const text = requestLineText(refused, { paint: paint(false), glyphs: glyphs({}), maxColumns });
  expect(text).toContain('client-limit');
  expect(text).toContain(refused.id);
  for (const line of text.split('\n'))
    expect(line.length).toBeLessThanOrEqual(Math.max(maxColumns, refused.id.length + 4));
});

test('it is one line where there is room', () => {
  const text = requestLineText(refused, { paint: paint(false), glyphs: glyphs({}), maxColumns: 200 });
  expect(text.trimEnd().split('\n')).toHaveLength(1);
});
