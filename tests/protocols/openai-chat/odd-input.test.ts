import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { isProblem } from '../../../src/protocols/codec.ts';
import { openAiChat } from '../../../src/protocols/openai-chat/index.ts';
import { built, chunk, encoded, events, frames, replyContext } from '../../support/chat-codec.ts';

/** Values that stand where something else is expected, next to the fields' own names. */
const oddJson = fc.jsonValue({ maxDepth: 3 });
const sometimes = <Value>(value: fc.Arbitrary<Value>) =>
  fc.oneof({ weight: 30, arbitrary: value }, { weight: 1, arbitrary: oddJson });
const record = (fields: Readonly<Record<string, fc.Arbitrary<unknown>>>) =>
  fc.record(Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, sometimes(value)])), {
    requiredKeys: [],
  });

const part = fc.oneof(
  record({
    type: fc.constantFrom('text', 'thinking', 'refusal', 'toString'),
    text: fc.string(),
    thinking: fc.string(),
  }),
  fc.record({ type: fc.constant('image_url'), image_url: fc.record({ url: sometimes(fc.webUrl()) }) }),
  fc.record({ type: fc.constant('file'), file: record({ file_data: fc.base64String(), file_id: fc.string() }) }),
  record({ type: fc.constant('text'), text: fc.string(), cache_control: record({ ttl: fc.string() }) }),
);
const call = record({
  index: fc.constantFrom(0, 1),
  id: fc.constantFrom('', 'a', 'b'),
  function: fc.record({ name: fc.constantFrom('f', 'g'), arguments: fc.constantFrom('', '{', '}', '{}') }),
  extra_content: record({ google: record({ thought_signature: fc.string() }) }),
});
const detail = record({
  type: fc.constantFrom('reasoning.text', 'reasoning.summary', 'reasoning.encrypted'),
  index: fc.constantFrom(0, 1),
  text: fc.string(),
  summary: fc.string(),
  signature: fc.string(),
  data: fc.string(),
  format: fc.constantFrom('anthropic-claude-v1', 'openai-responses-v1', 'google-gemini-v1', 'other'),
});
const role = fc.constantFrom('system', 'user', 'assistant', 'tool', 'function');
const message = record({
  content: fc.oneof(fc.string(), fc.array(sometimes(part), { maxLength: 3 })),
  tool_calls: fc.array(call, { maxLength: 3 }),
  function_call: record({ name: fc.string(), arguments: fc.string() }),
  tool_call_id: fc.constantFrom('a', 'b'),
  reasoning_content: fc.string(),
  reasoning_details: fc.array(sometimes(detail), { maxLength: 3 }),
  thinking_blocks: fc.array(record({ thinking: fc.string(), signature: fc.string(), data: fc.string() })),
  images: fc.array(part),
  audio: record({ id: fc.string(), data: fc.string(), transcript: fc.string() }),
});

test('a request of whatever content is refused with the place, or read and written without an error', () => {
  const tools = fc.array(
    record({ type: fc.string(), function: record({ name: fc.string({ minLength: 1 }), parameters: fc.object() }) }),
  );
  const body = fc.record({
    messages: fc.array(sometimes(fc.tuple(role, message).map(([own, said]) => ({ ...said, role: own }))), {
      maxLength: 5,
    }),
    tools: sometimes(tools),
    tool_choice: oddJson,
    response_format: oddJson,
    reasoning: oddJson,
    stop: oddJson,
    stream_options: oddJson,
    extra_body: oddJson,
    n: oddJson,
  });
  fc.assert(
    fc.property(body, (fields) => {
      const bytes = new TextEncoder().encode(JSON.stringify({ model: 'm', ...fields }));
      const envelope = openAiChat.readRequest(bytes, null);
      if (isProblem(envelope)) throw new Error(envelope.message);
      const read = openAiChat.decodeRequest(envelope);
      if (isProblem(read)) {
        expect(read.param).toMatch(/^(messages|tools)/);
        return;
      }
      expect(encoded(read.value, { isStream: true }).body.model).toBe('m');
    }),
    { numRuns: 300 },
  );
});

test('a stream of whatever deltas becomes events in order, and a stream that ends', () => {
  const delta = fc.tuple(message, fc.constantFrom(null, 'stop', 'tool_calls'), fc.constantFrom(0, 1));
  fc.assert(
    fc.property(fc.array(delta, { maxLength: 8 }), (all) => {
      const seen = events(all.map(([said, finish, index]) => chunk(said, finish, index)));
      expect(seen[0]?.type).toBe('start');
      expect(seen.filter(({ type }) => type === 'start')).toHaveLength(1);
      const open = new Set<string>();
      for (const event of seen) {
        if (event.type === 'tool-call-start') open.add(`${event.choice} ${event.call}`);
        if (event.type === 'tool-call-delta') expect(open.has(`${event.choice} ${event.call}`)).toBe(true);
        if (event.type === 'tool-call-end') open.delete(`${event.choice} ${event.call}`);
        if (event.type === 'finish') expect([...open].filter((key) => key.startsWith(`${event.choice} `))).toEqual([]);
      }
      const context = replyContext();
      expect(frames(seen, context).endsWith('data: [DONE]\n\n')).toBe(true);
      expect(openAiChat.encodeReply(built(seen), context).value.object).toBe('chat.completion');
    }),
    { numRuns: 300 },
  );
});

test('a text means the same however it is cut into chunks', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (pieces) => {
      const [choice] = built(events([...pieces.map((content) => chunk({ content })), chunk({}, 'stop')])).choices;
      const text = pieces.join('');
      expect(choice?.parts).toEqual(text === '' ? [] : [{ type: 'text', text }]);
    }),
    { numRuns: 100 },
  );
});
