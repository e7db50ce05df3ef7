import fc from 'fast-check';
import type { AssistantPart, ChatRequest, Tool, ToolResultPart, Turn, UserPart } from '../../src/protocols/ir.ts';
import type { ProtocolId } from '../../src/protocols/codec.ts';
import { plainRequest } from './protocol-lane.ts';

/**
 * Requests as clients send them when nobody looks: histories that were cut and merged, results without calls and calls
 * without results, ids and names that nobody takes, empty texts, arguments that are no JSON, schemas of every kind.
 */

const protocol = fc.constantFrom<ProtocolId>('openai-chat', 'openai-responses', 'anthropic-messages', 'gemini');
const said = fc.constantFrom('', ' ', 'hello', 'a\n', '😀', '\u2028', 'x'.repeat(50));
const id = fc.constantFrom('', 'c1', 'c2', 'c3', 'call with spaces', 'töölu', 'x'.repeat(90), 'functions.f:0');
const name = fc.constantFrom(
  'f',
  'g',
  'a.b/c d',
  'ünï',
  '9x',
  'x'.repeat(80),
  `${'x'.repeat(79)}y`,
  'a b',
  'a_b',
  'mcp__s__t',
);
const args = fc.constantFrom('', '{}', '{"q":1}', 'null', '"{\\"q\\":1}"', '[1]', '{"q":', 'text', '7');
const mark = fc.constantFrom({}, {}, { cache: { ttl: null } }, { cache: { ttl: '1h' } });

const text = fc.tuple(said, mark).map(([value, more]) => ({ type: 'text' as const, text: value, ...more }));
const source = fc.oneof(
  fc.constantFrom('image/png', 'application/pdf', 'audio/wav', 'video/mp4', 'text/plain', 'x/y').map((mediaType) => ({
    kind: 'data' as const,
    mediaType,
    data: 'aGVsbG8=',
  })),
  fc.constant({ kind: 'url' as const, url: 'https://x.example/a.png' }),
  protocol.map((of) => ({ kind: 'file-id' as const, protocol: of, id: 'file_1' })),
);
const media = fc.oneof(
  source.map((from): Extract<UserPart, { type: 'image' }> => ({ type: 'image', source: from })),
  source.map((from): Extract<UserPart, { type: 'audio' }> => ({ type: 'audio', source: from })),
  source.map((from): Extract<UserPart, { type: 'file' }> => ({ type: 'file', source: from, filename: null })),
);
const thought: fc.Arbitrary<AssistantPart> = fc.oneof(
  fc.tuple(said, fc.option(protocol)).map(
    ([value, of]): AssistantPart => ({
      type: 'reasoning',
      text: value,
      signature: of && { protocol: of, value: 'sig' },
    }),
  ),
  protocol.map((of): AssistantPart => ({ type: 'redacted-reasoning', signature: { protocol: of, value: 'sig' } })),
);
const call: fc.Arbitrary<AssistantPart> = fc
  .record({ id, name, args, kind: fc.constantFrom('function' as const, 'function' as const, 'custom' as const) })
  .map((one) => ({ type: 'tool-call', id: one.id, name: one.name, arguments: one.args, kind: one.kind }));
const result: fc.Arbitrary<ToolResultPart> = fc
  .record({
    id,
    name: fc.option(name),
    content: fc.array(fc.oneof(text, media), { maxLength: 2 }),
    isError: fc.boolean(),
  })
  .map((one) => ({
    type: 'tool-result',
    callId: one.id,
    name: one.name,
    content: one.content,
    isError: one.isError,
    kind: 'function',
  }));

const turn: fc.Arbitrary<Turn> = fc.oneof(
  fc.array(fc.oneof(text, text, media), { maxLength: 3 }).map((parts): Turn => ({ role: 'user', parts })),
  fc
    .array(
      fc.oneof(
        text,
        thought,
        call,
        call,
        said.map((one): AssistantPart => ({ type: 'refusal', text: one })),
      ),
      { maxLength: 4 },
    )
    .map((parts): Turn => ({ role: 'assistant', parts })),
  fc.array(result, { maxLength: 3 }).map((parts): Turn => ({ role: 'tool', parts })),
  fc.array(text, { maxLength: 2 }).map((parts): Turn => ({ role: 'system', parts })),
);

const isSaid = (turns: readonly Turn[]) =>
  turns.some(
    ({ role, parts }) => role === 'user' && parts.some((part) => part.type === 'text' && part.text.trim() !== ''),
  );

const leaf = fc.constantFrom<unknown>(
  { type: 'string', enum: ['a', 'b'] },
  { enum: [1, 2] },
  { const: null },
  { type: ['string', 'null'] },
  { type: 'array' },
  { type: 'array', items: [{ type: 'string' }, { type: 'integer' }] },
  { $ref: '#/$defs/node' },
  { $ref: '#/$defs/nowhere' },
  true,
  {},
  { type: 'object' },
  { type: 'string', minLength: 3, format: 'uri', pattern: '^a', 'x-hint': 1 },
);
const schema = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'schema' },
    leaf,
    fc
      .dictionary(fc.constantFrom('type', 'const', '$ref', 'properties', 'q', 'title'), tie('any'), { maxKeys: 3 })
      .map((properties) => ({
        type: 'object',
        properties,
        required: ['q', 'missing'],
        additionalProperties: false,
      })),
    fc
      .tuple(fc.constantFrom('anyOf', 'oneOf', 'allOf'), fc.array(tie('any'), { minLength: 1, maxLength: 3 }))
      .map(([word, all]) => ({ [word]: all })),
  ),
})).any;
const parameters = fc.option(
  schema.map((inner) => ({
    type: 'object',
    properties: { q: inner },
    $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } },
  })),
);
const tools = fc.uniqueArray(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(name, parameters).map(
        ([one, shape]): Tool => ({
          type: 'function',
          name: one,
          description: null,
          parameters: shape,
          isStrict: null,
        }),
      ),
    },
    { weight: 1, arbitrary: name.map((one): Tool => ({ type: 'custom', name: one, description: null, format: null })) },
  ),
  { maxLength: 4, selector: ({ name: one }) => one },
);

export const wildRequests: fc.Arbitrary<ChatRequest> = fc
  .record({
    instructions: fc.array(text, { maxLength: 2 }),
    turns: fc.array(turn, { maxLength: 7 }),
    tools,
    choice: fc.constantFrom(
      null,
      { type: 'auto' } as const,
      { type: 'none' } as const,
      { type: 'required' } as const,
      { type: 'tool', name: 'f' } as const,
    ),
    reasoning: fc.constantFrom(
      null,
      { amount: { kind: 'level', level: 'max' }, isShown: null } as const,
      { amount: { kind: 'budget', tokens: 64_000 }, isShown: true } as const,
      { amount: { kind: 'budget', tokens: 3 }, isShown: true } as const,
      { amount: { kind: 'dynamic' }, isShown: null } as const,
      { amount: { kind: 'off' }, isShown: null } as const,
    ),
    maxOutputTokens: fc.constantFrom(null, 1, 100, 2000, 200_000),
    stop: fc.array(fc.constantFrom('', ' ', 'a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 7 }),
    temperature: fc.constantFrom(null, 0, 0.5, 2),
    topK: fc.constantFrom(null, 40),
    output: fc.constantFrom(
      null,
      { type: 'json' } as const,
      {
        type: 'json-schema',
        name: 'a b',
        description: null,
        schema: { type: 'object', properties: { a: { type: 'string' } } },
        isStrict: null,
      } as const,
    ),
    allowsParallelCalls: fc.constantFrom(null, false, true),
  })
  // What says nothing at all is refused by everybody, and may be.
  .filter(({ turns }) => isSaid(turns))
  .map(({ choice, ...rest }) => ({ ...plainRequest, ...rest, toolChoice: choice }));
