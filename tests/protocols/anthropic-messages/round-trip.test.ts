// What a client of this protocol says, read into the neutral form and written again, means the same.
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/index.ts';
import { isProblem } from '../../../src/protocols/codec.ts';
import type { ChatEvent } from '../../../src/protocols/ir.ts';
import { decode, decodeContext, encode, replyContext } from './requests.ts';
import { fixture } from './fixture.ts';

const MODEL = 'claude-sonnet-4-6';

function again(body: object) {
  const request = decode(body);
  return encode(request, { model: request.model, isStream: request.isStream });
}

describe('a request', () => {
  test('of Claude Code comes home with all it said', () => {
    const body = {
      model: MODEL,
      max_tokens: 32000,
      stream: true,
      system: [
        { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.330; cch=1;' },
        { type: 'text', text: 'You are a tool.', cache_control: { type: 'ephemeral', ttl: '1h' } },
      ],
      tools: [
        {
          name: 'Bash',
          description: 'Runs',
          input_schema: { type: 'object', properties: {} },
          eager_input_streaming: true,
        },
        { type: 'web_search_20250305', name: 'web_search', max_uses: 8 },
      ],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'go' }] },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 'S' },
            { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command: 'ls' }, caller: { type: 'direct' } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'toolu_1', content: 'a.txt', cache_control: { type: 'ephemeral' } },
            {
              type: 'document',
              source: { type: 'base64', media_type: 'application/pdf', data: 'aGk=' },
              citations: { enabled: true },
            },
          ],
        },
      ],
      metadata: { user_id: '{"session_id":"s"}' },
      thinking: { type: 'adaptive' },
      output_config: { effort: 'high', task_budget: { type: 'tokens', total: 9 } },
      context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
    };
    const { body: written, warnings } = again(body);
    expect(written).toEqual(body);
    expect(warnings).toEqual([]);
  });

  const thinking: readonly object[] = [
    { thinking: { type: 'enabled', budget_tokens: 2000 } },
    { thinking: { type: 'enabled', budget_tokens: 2000, display: 'omitted' } },
    { thinking: { type: 'enabled', budget_tokens: 2000 }, output_config: { effort: 'low' } },
    { thinking: { type: 'adaptive', display: 'summarized' } },
    { thinking: { type: 'adaptive' }, output_config: { effort: 'max' } },
    { thinking: { type: 'between_tools' } },
    { thinking: { type: 'disabled' } },
    { thinking: { type: 'disabled' }, output_config: { effort: 'low' } },
    { output_config: { effort: 'medium' } },
  ];
  for (const fields of thinking) {
    test(`with ${JSON.stringify(fields)} comes home with it`, () => {
      const body = { model: MODEL, max_tokens: 9000, messages: [{ role: 'user', content: 'a' }], ...fields };
      expect(again(body).body).toMatchObject(fields);
    });
  }

  const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
  const said = fc.string({ minLength: 1 }).map((text) => `a${text}`);
  const mark = fc.constantFrom({}, { cache_control: { type: 'ephemeral' } });
  const text = fc.record({ type: fc.constant('text'), text: said });
  const data = fc.base64String({ minLength: 4 }).filter((one) => one !== '');
  const image = fc.oneof(
    fc.record({ type: fc.constant('base64'), media_type: fc.constantFrom('image/png', 'image/webp'), data }),
    fc.record({ type: fc.constant('url'), url: fc.webUrl() }),
    fc.record({ type: fc.constant('file'), file_id: name }),
  );
  const userBlock = fc.oneof(
    text,
    image.map((source) => ({ type: 'image', source })),
    said.map((one) => ({ type: 'document', source: { type: 'text', media_type: 'text/plain', data: one } })),
    said.map((one) => ({ type: 'search_result', source: one, title: 't', content: [] })),
  );
  /** A user's message, and perhaps a call with its answer behind it. */
  const exchange = fc
    .record({
      user: fc.array(userBlock, { minLength: 1, maxLength: 3 }),
      marks: mark,
      said: fc.array(text, { minLength: 1, maxLength: 2 }),
      calls: fc.uniqueArray(name, { maxLength: 3 }),
      input: fc.dictionary(name, fc.oneof(fc.string(), fc.nat(), fc.constant(null), fc.constant([1]))),
      isError: fc.boolean(),
    })
    .map(({ user, marks, said: words, calls, input, isError }) => ({ user, marks, words, calls, input, isError }));
  const body = fc
    .record({
      exchanges: fc.array(exchange, { minLength: 1, maxLength: 4 }),
      system: fc.array(text, { maxLength: 2 }),
      stop: fc.array(said, { maxLength: 2 }),
      temperature: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      extra: fc.constantFrom({}, { container: 'c' }, { mcp_servers: [{ name: 'm' }] }),
    })
    .map(({ exchanges, system, stop, temperature, extra }) => ({
      model: MODEL,
      max_tokens: 100,
      system,
      stop_sequences: stop,
      tools: [{ name: 'f', input_schema: { type: 'object', properties: {} } }],
      ...(temperature !== null && { temperature }),
      ...extra,
      messages: exchanges.flatMap(({ user, marks, words, calls, input, isError }, at) => {
        const ids = calls.map((id) => `t${at}_${id}`);
        const results = ids.map((id) => ({
          type: 'tool_result',
          tool_use_id: id,
          content: 'r',
          ...(isError && { is_error: true }),
        }));
        return [
          {
            role: 'user',
            content: user.map((block, place) => (at === 0 && place === 0 ? { ...block, ...marks } : block)),
          },
          { role: 'assistant', content: [...words, ...ids.map((id) => ({ type: 'tool_use', id, name: 'f', input }))] },
          ...(results.length > 0 ? [{ role: 'user', content: results }] : []),
        ];
      }),
    }));

  test('comes home as it went, whatever it holds', () => {
    fc.assert(
      fc.property(body, (sent) => {
        const { turns: _, ...once } = decode(sent);
        const written = again(sent);
        const { turns: __, ...twice } = decode(written.body);
        expect(twice).toEqual(once);
        // Messages of one role in a row become one; apart from that they are the same.
        const blocks = (messages: unknown) =>
          Array.isArray(messages)
            ? messages.flatMap(({ role, content }) => content.map((block: object) => ({ role, ...block })))
            : [];
        expect(blocks(written.body.messages)).toEqual(trimmed(blocks(sent.messages)));
        expect(written.warnings).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  /** An answer that was begun loses the white space at its end. */
  function trimmed(blocks: readonly { role: string; text?: string }[]) {
    return blocks.map((block, at) =>
      at === blocks.length - 1 && block.role === 'assistant' && block.text !== undefined
        ? { ...block, text: block.text.trimEnd() }
        : block,
    );
  }

  test('of any shape is read or refused, and written, without a throw', () => {
    const anything = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.constant([]),
      fc.constant({ type: 'base64' }),
    );
    const odd = fc.record(
      {
        type: fc.constantFrom('text', 'image', 'tool_use', 'tool_result', 'thinking', 'document', 7),
        text: anything,
        source: anything,
        content: anything,
        id: anything,
        name: anything,
        input: anything,
        tool_use_id: anything,
        cache_control: fc.constantFrom({ type: 'ephemeral', ttl: 3 }, null, 7),
      },
      { requiredKeys: [] },
    );
    const fields = fc.dictionary(
      fc.constantFrom(
        'system',
        'tools',
        'tool_choice',
        'thinking',
        'output_config',
        'metadata',
        'stop_sequences',
        'max_tokens',
      ),
      fc.oneof(anything, fc.array(odd, { maxLength: 3 })),
    );
    const turn = fc.record({
      role: fc.constantFrom('user', 'assistant', 'system', 'x', null),
      content: fc.oneof(anything, fc.array(odd, { maxLength: 3 })),
    });
    fc.assert(
      fc.property(fields, fc.array(turn), (rest, messages) => {
        const bytes = new TextEncoder().encode(JSON.stringify({ ...rest, model: MODEL, messages }));
        const envelope = anthropicMessages.readRequest(bytes, null);
        if (isProblem(envelope)) return;
        const decoded = anthropicMessages.decodeRequest(envelope);
        if (!isProblem(decoded)) encode(decoded.value);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a reply', () => {
  for (const name of ['text', 'thinking-text-tool']) {
    test(`${name} comes home as it went`, async () => {
      const { usage: _, ...message } = JSON.parse(await fixture(`${name}.json`));
      const reply = anthropicMessages.decodeReply(message, decodeContext);
      const { value } = anthropicMessages.encodeReply(reply, { ...replyContext, seed: 'x' });
      expect(value).toMatchObject({ ...message });
    });
  }
});

test('a stream of any events is one message, in order, with one end', () => {
  const choice = fc.constantFrom(0, 0, 0, 1);
  const call = fc.nat({ max: 2 });
  const text = fc.string();
  const signature = fc.constantFrom(
    { protocol: 'anthropic-messages', value: 'S' } as const,
    { protocol: 'gemini', value: 'G' } as const,
  );
  const event: fc.Arbitrary<ChatEvent> = fc.oneof(
    fc.record({ type: fc.constant('text-delta' as const), choice, text }),
    fc.record({ type: fc.constant('reasoning-delta' as const), choice, text }),
    fc.record({ type: fc.constant('reasoning-signature' as const), choice, signature }),
    fc.record({ type: fc.constant('redacted-reasoning' as const), choice, signature }),
    fc.record({
      type: fc.constant('tool-call-start' as const),
      choice,
      call,
      id: text,
      name: text,
      kind: fc.constantFrom('function' as const, 'custom' as const),
    }),
    fc.record({ type: fc.constant('tool-call-delta' as const), choice, call, text }),
    fc.record({ type: fc.constant('tool-call-end' as const), choice, call }),
    fc.record({
      type: fc.constant('finish' as const),
      choice,
      finish: fc.constantFrom({ unified: 'stop', raw: null } as const, { unified: 'tool-calls', raw: null } as const),
    }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const encoder = anthropicMessages.streamEncoder(replyContext);
      const stream = events.map((one) => encoder.push(one)).join('') + encoder.end();
      const types = [...stream.matchAll(/^event: (.*)$/gm)].map(([, type]) => type);
      const indexes = [...stream.matchAll(/^data: \{"type":"content_block_(start|stop|delta)","index":(\d+)/gm)];
      let open: number | null = null;
      let next = 0;
      for (const [, kind, index] of indexes) {
        if (kind === 'start') {
          expect([open, Number(index)]).toEqual([null, next]);
          open = next++;
        } else expect(Number(index)).toBe(open ?? -1);
        if (kind === 'stop') open = null;
      }
      expect(open).toBeNull();
      expect(types[0]).toBe('message_start');
      expect(types.slice(-2)).toEqual(['message_delta', 'message_stop']);
      expect(types.filter((type) => type === 'message_delta')).toHaveLength(1);
      const texts = events.flatMap((one) => (one.type === 'text-delta' && one.choice === 0 ? [one.text] : []));
      const told = [...stream.matchAll(/"delta":\{"type":"text_delta","text":("(?:[^"\\]|\\.)*")\}/g)];
      expect(told.map(([, said]) => JSON.parse(said ?? '""')).join('')).toBe(texts.join(''));
    }),
    { numRuns: 100 },
  );
});
