import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { framesOf } from '../../../src/protocols/frames-of.ts';
import { gemini } from '../../../src/protocols/gemini/index.ts';
import type { AssistantPart, ChatReply, FinishReason, Signature, Usage } from '../../../src/protocols/ir.ts';
import { ReplyBuilder } from '../../../src/protocols/reply-builder.ts';
import { replyEvents } from '../../../src/protocols/reply-events.ts';
import { parseJson } from '../../../src/shared/json-shape.ts';
import { chatRequest, encodeContext } from './chat-request.ts';

const text = fc.string({ minLength: 1, unit: 'grapheme' });
const signature: fc.Arbitrary<Signature> = fc.record({
  protocol: fc.constant('gemini'),
  value: fc.base64String({ minLength: 4 }),
});
const signed = fc.oneof(fc.constant({}), fc.record({ signature }));
const data = fc.base64String({ minLength: 4 });

const part: fc.Arbitrary<AssistantPart> = fc.oneof(
  fc.tuple(text, signed).map(([said, sign]) => ({ type: 'text', text: said, ...sign }) as const),
  fc.record({ type: fc.constant('reasoning'), text, signature: fc.constant(null) }),
  fc
    .tuple(text, fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), fc.uuid(), signed)
    .map(([name, args, id, sign]) => {
      return { type: 'tool-call', id, name, arguments: JSON.stringify(args), kind: 'function', ...sign } as const;
    }),
  fc
    .tuple(data, signed)
    .map(
      ([bytes, sign]) =>
        ({ type: 'image', source: { kind: 'data', mediaType: 'image/png', data: bytes }, ...sign }) as const,
    ),
);
/** Pieces of one text are one text: only where something stands between are they two. */
const parts = fc
  .array(part, { maxLength: 6 })
  .map((list) => list.filter((one, at) => at === 0 || one.type !== list[at - 1]?.type || one.type === 'tool-call'));

const count = fc.nat(1_000_000);
const usage: fc.Arbitrary<Usage> = fc.tuple(count, count, count, count).map(([input, output, cached, reasoning]) => ({
  inputTokens: input,
  outputTokens: output + reasoning,
  cachedTokens: cached,
  cacheWriteTokens: null,
  reasoningTokens: reasoning,
  audioInputTokens: null,
  audioOutputTokens: null,
  costUsd: null,
}));

const finishOf = (list: readonly AssistantPart[], wanted: FinishReason['unified']): FinishReason['unified'] => {
  if (wanted === 'content-filter') return wanted;
  return list.some(({ type }) => type === 'tool-call') ? 'tool-calls' : wanted;
};
const reply: fc.Arbitrary<ChatReply> = fc.record({
  id: text,
  model: text,
  created: fc.constant(null),
  choices: fc.array(
    fc
      .tuple(parts, fc.constantFrom('stop', 'length', 'content-filter', 'other'))
      .map(([list, wanted]) => ({ parts: list, finish: { unified: finishOf(list, wanted), raw: null } })),
    { minLength: 1, maxLength: 3 },
  ),
  usage: fc.oneof(usage, fc.constant(null)),
});

const withoutRaw = (value: ChatReply): ChatReply => ({
  ...value,
  choices: value.choices.map((choice) => ({ ...choice, finish: { ...choice.finish, raw: null } })),
});
const back = { toolNames: new Map<string, string>(), answerTool: null, seed: 'S' };
const forth = { request: chatRequest(), seed: 'S', model: 'm', now: 0 };

test('a reply that is written and read again is the same, whole and streamed', () => {
  fc.assert(
    fc.property(reply, (one) => {
      expect(withoutRaw(gemini.decodeReply(gemini.encodeReply(one, forth).value, back))).toEqual(one);
      const encoder = gemini.streamEncoder(forth);
      let stream = '';
      for (const event of replyEvents(one)) stream += encoder.push(event);
      stream += encoder.end();
      const decoder = gemini.streamDecoder(back);
      const reader = gemini.streamReader();
      const builder = new ReplyBuilder();
      for (const frame of framesOf(stream)) {
        const { json, error } = reader.push(frame);
        expect(error).toBeUndefined();
        for (const event of decoder.push({ event: null, json })) builder.push(event);
      }
      for (const event of decoder.end()) builder.push(event);
      expect(reader.end().state).toBe('complete');
      expect(withoutRaw(builder.reply())).toEqual(one);
      const collected = gemini.collect(new TextEncoder().encode(stream));
      const whole = parseJson(new TextDecoder().decode(collected ?? undefined)) as Parameters<
        typeof gemini.decodeReply
      >[0];
      expect(withoutRaw(gemini.decodeReply(whole, back))).toEqual(one);
    }),
    { numRuns: 200 },
  );
});

test('no history makes the encoder fail or write what Gemini refuses', () => {
  const turn = fc.oneof(
    parts.map((list) => ({ role: 'assistant', parts: list }) as const),
    fc.record({
      role: fc.constant('user'),
      parts: fc.array(fc.record({ type: fc.constant('text'), text: fc.string() })),
    }),
    fc.record({
      role: fc.constant('system'),
      parts: fc.array(fc.record({ type: fc.constant('text'), text: fc.string() })),
    }),
    fc.record({
      role: fc.constant('tool'),
      parts: fc.array(
        fc.record({
          type: fc.constant('tool-result'),
          callId: fc.string(),
          name: fc.oneof(fc.string(), fc.constant(null)),
          content: fc.array(fc.record({ type: fc.constant('text'), text: fc.string() })),
          isError: fc.boolean(),
          kind: fc.constant('function'),
        }),
      ),
    }),
  );
  type Part = {
    functionCall?: { name: string };
    functionResponse?: { name: string };
    text?: string;
    thoughtSignature?: string;
  };
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 6 }), fc.constantFrom('gemini-2.5-pro', 'gemini-3-pro'), (turns, model) => {
      const { body } = gemini.encodeRequest(chatRequest({ turns }), encodeContext({ model })).value;
      const contents = body.contents as readonly { role: string; parts: readonly Part[] }[];
      if (contents[0]) expect(contents[0].role).toBe('user');
      for (const [at, content] of contents.entries()) {
        expect(content.parts.length).toBeGreaterThan(0);
        expect(content.role).not.toBe(contents[at - 1]?.role ?? 'model');
        for (const one of content.parts) expect(one.text === '' && one.thoughtSignature === undefined).toBe(false);
        const called = content.parts.flatMap((one) => one.functionCall?.name ?? []);
        const answered = contents[at + 1]?.parts.flatMap((one) => one.functionResponse?.name ?? []) ?? [];
        if (content.role === 'model') expect(answered).toEqual(called);
        for (const name of called) expect(name).toMatch(/^[A-Za-z_][\w.:-]{0,63}$/);
      }
    }),
    { numRuns: 300 },
  );
});
