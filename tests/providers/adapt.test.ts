import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { adaptReplyBytes, adaptRequest, eventAdapter } from '../../src/providers/adapt.ts';
import { compatible } from '../../src/providers/compatible.ts';
import { findProvider, ownEntries, ownProvider } from '../../src/providers/index.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { shortToolId } from '../../src/providers/short-tool-id.ts';
import { JsonIndex } from '../../src/shared/json-bytes.ts';

const own = ownProvider('mine', 'openai-chat');
// The long tail has its own suite, and one way for all.
const all = [...ownEntries, own];
const plain = compatible({ id: 'plain', title: 'Plain', baseUrl: null, keyEnv: [], key: 'optional', tier: null });

function indexOf(text: string): JsonIndex {
  const index = JsonIndex.of(new TextEncoder().encode(text));
  if (!index) throw new Error('not an object');
  return index;
}

const adapt = (provider: Provider, text: string, set: Record<string, unknown> = {}, isStream = false) => {
  const { bytes, changes } = adaptRequest(
    provider,
    indexOf(text),
    { model: 'm', isStream, protocol: 'openai-chat' },
    set,
  );
  return { text: new TextDecoder().decode(bytes), changes };
};

// What a careless proxy spoils: order, white space, big numbers, escapes, unknown fields, repeated keys inside.
const BODY = `{ "model" : "a", "messages":[{"role":"user","content":"\\u0041 \\"developer\\" é"}],
  "seed_": 9007199254740993, "temperature":1.0, "x":{"b":1,"a":[1e2, 1E+2]} , "stream":true}`;

describe('a request that needs nothing', () => {
  test.each(
    all
      .filter((provider) => !['mistral', 'deepseek', 'qwen_code', 'cohere', 'g4f'].includes(provider.id))
      .map((p) => [p.id, p] as const),
  )('goes to %s byte for byte', (_id, provider) => {
    const index = indexOf(BODY);
    const adapted = adaptRequest(provider, index, { model: 'a', isStream: true, protocol: 'openai-chat' }, {});
    expect(adapted.bytes).toBe(index.bytes);
    expect(adapted.changes).toEqual([]);
  });

  test('changes in the fields that are set and nowhere else', () => {
    expect(adapt(own, BODY, { model: 'b' }, true).text).toBe(BODY.replace('"a"', '"b"'));
  });
});

describe('a request that needs something', () => {
  test('keeps every other byte', () => {
    const text =
      '{"model": "a", "n": 1.0, "messages":[{"role":"developer","content":"\\u0041"}], "big":9007199254740993}';
    expect(adapt(plain, text).text).toBe(
      '{"model": "a", "n": 1.0, "messages":[{"role":"system","content":"A"}], "big":9007199254740993}',
    );
  });

  test('keeps what was set, also against the vendor’s own rules', () => {
    const mistral = findProvider('mistral');
    if (!mistral) throw new Error('mistral is gone');
    const { text } = adapt(mistral, '{"model":"a","stream_options":null,"tool_choice":"required"}', {
      stream_options: { include_usage: true },
      tool_choice: 'auto',
      user: 'x',
    });
    expect(JSON.parse(text)).toEqual({
      model: 'a',
      stream_options: { include_usage: true },
      tool_choice: 'auto',
      user: 'x',
    });
  });

  test('does not let a repeated key through', () => {
    expect(adapt(plain, '{"max_completion_tokens":1,"model":"a","max_completion_tokens":2}').text).toBe(
      '{"max_tokens":1,"model":"a","max_tokens":2}',
    );
    expect(JSON.parse(adapt(plain, '{"stream_options":1,"model":"a","stream_options":2}').text)).toEqual({
      model: 'a',
    });
  });

  test('whose field is no JSON inside goes out for the upstream to judge', () => {
    const text = '{"model":"a","messages":[{"role":"developer",}],"reasoning_effort":nope}';
    for (const provider of all) expect(() => adapt(provider, text)).not.toThrow();
    expect(adapt(own, text).text).toBe(text);
  });
});

test('adaptRequest never throws, and what is set always wins', () => {
  const role = fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool', 7, null);
  const json = fc.jsonValue({ maxDepth: 2 });
  const message = fc.oneof(
    json,
    fc.record(
      {
        role,
        content: json,
        name: json,
        tool_calls: fc.oneof(json, fc.array(fc.record({ id: json }))),
        tool_call_id: json,
      },
      { requiredKeys: [] },
    ),
  );
  const tool = fc.record({
    type: json,
    function: fc.record({
      strict: json,
      parameters: fc.record({ additionalProperties: json, properties: json, items: json }),
    }),
  });
  const effort = fc.constantFrom('none', 'low', 'medium', 'high', 'xhigh', '', 3, null);
  const body = fc
    .record(
      {
        model: json,
        messages: fc.oneof(json, fc.array(message, { maxLength: 4 })),
        tools: fc.oneof(json, fc.array(tool, { maxLength: 2 }), fc.constant([])),
        tool_choice: fc.oneof(json, fc.constant('required')),
        reasoning_effort: effort,
        reasoning: json,
        thinking: fc.oneof(json, fc.constant({ type: 'disabled' })),
        extra_body: fc.oneof(json, fc.constant({ google: { thinking_config: {} } })),
        chat_template_kwargs: json,
        max_completion_tokens: json,
        max_tokens: json,
        stream_options: json,
        seed: json,
        n: json,
        temperature: json,
        user: json,
      },
      { requiredKeys: [] },
    )
    .chain((fields) => fc.dictionary(fc.string(), json, { maxKeys: 3 }).map((more) => ({ ...more, ...fields })));
  const set = fc.dictionary(
    fc.constantFrom('model', 'stream_options', 'messages', 'tools', 'max_tokens', 'reasoning', 'seed', 'zzz'),
    json,
    { maxKeys: 3 },
  );
  const models = fc.constantFrom(
    'm',
    'deepseek-v4-pro',
    'gemini-3-pro',
    'mistral-small-4',
    'moonshot-v1-8k',
    'kimi-k2.5',
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...all),
      body,
      set,
      models,
      fc.boolean(),
      (provider, fields, wanted, model, isStream) => {
        const index = indexOf(JSON.stringify(fields));
        const { bytes } = adaptRequest(provider, index, { model, isStream, protocol: 'openai-chat' }, wanted);
        const sent: unknown = JSON.parse(new TextDecoder().decode(bytes));
        expect(sent).toMatchObject(JSON.parse(JSON.stringify(wanted)));
      },
    ),
    { numRuns: 1000 },
  );
  // On a machine that is busy with other things, the default of five seconds is not enough.
}, 60_000);

describe('a tool call id for Mistral', () => {
  test('has nine letters or digits, and always the same', () => {
    fc.assert(
      fc.property(fc.string(), (id) => {
        expect(shortToolId(id)).toMatch(/^[a-zA-Z0-9]{9}$/);
        expect(shortToolId(shortToolId(id))).toBe(shortToolId(id));
      }),
    );
  });

  test('stays when it is right already', () => {
    expect(shortToolId('D681PevKs')).toBe('D681PevKs');
  });
});

describe('a reply', () => {
  const mistral = findProvider('mistral') ?? own;

  test('that is no JSON, or no object, is left alone', () => {
    for (const text of ['', 'null', '["model_length"]', '"model_length"', '{"model_length"']) {
      const bytes = new TextEncoder().encode(text);
      expect(adaptReplyBytes(mistral, bytes, { model: 'm', isStream: false, protocol: 'openai-chat' })).toEqual({
        bytes,
        isChanged: false,
      });
    }
  });

  test('of a vendor without a dialect is never looked at', () => {
    expect(eventAdapter(own, { model: 'm', isStream: true, protocol: 'openai-chat' })).toBeNull();
    const bytes = new Uint8Array([0xff, 0xfe]);
    expect(adaptReplyBytes(own, bytes, { model: 'm', isStream: false, protocol: 'openai-chat' }).bytes).toBe(bytes);
  });

  test('can be anything', () => {
    const part = fc.record({
      type: fc.constantFrom('text', 'thinking', 1),
      text: fc.jsonValue(),
      thinking: fc.jsonValue(),
    });
    const inner = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.record({ content: fc.array(fc.oneof(part, fc.jsonValue())), tool_calls: fc.array(fc.jsonValue()) }),
    );
    const finish = fc.constantFrom('stop', 'model_length', 'error', 'insufficient_system_resource', null, 1);
    const choice = fc.oneof(
      fc.jsonValue(),
      fc.record({ index: fc.jsonValue(), message: inner, delta: inner, finish_reason: finish }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.array(choice), (provider, choices) => {
        const bytes = new TextEncoder().encode(JSON.stringify({ choices, x_groq: { usage: {} } }));
        const { isChanged, bytes: adapted } = adaptReplyBytes(provider, bytes, {
          model: 'm',
          isStream: false,
          protocol: 'openai-chat',
        });
        expect(isChanged).toBe(adapted !== bytes);
        eventAdapter(provider, { model: 'm', isStream: true, protocol: 'openai-chat' })?.(
          JSON.parse(JSON.stringify({ choices })),
        );
      }),
      { numRuns: 500 },
    );
  });
});
