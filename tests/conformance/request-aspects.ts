import fc from 'fast-check';
import type { ProtocolId } from '../../src/protocols/codec.ts';
import type {
  AssistantPart,
  CacheMark,
  ChatRequest,
  ForeignPart,
  ReasoningWish,
  Signature,
  Tool,
  ToolResultPart,
  Turn,
  UserPart,
} from '../../src/protocols/ir.ts';

/**
 * What a chat request can say, one aspect at a time: how to say it in ever other words, and what of a request to look at
 * to see whether it is still said. `of`: the protocol the request is written in, for what only its issuer can read.
 */
export type Aspect = {
  readonly name: string;
  readonly arbitrary: (of: ProtocolId) => fc.Arbitrary<Partial<ChatRequest>>;
  readonly view: (request: ChatRequest) => unknown;
};

// --- words ---------------------------------------------------------------------------------------------------------

/** Texts as people write them: no white space at the ends, which Messages forbids at one place and trims. */
export const words = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
    fc.constantFrom('Zürich → 東京', '{"a":1}', '"quoted"\\n', '</think>', 'data: [DONE]', '😀😀', 'line\nline'),
  )
  .map((text) => `a${text}z`);
export const names = fc.stringMatching(/^[a-z_][a-zA-Z0-9_]{0,20}$/);
export const ids = fc.stringMatching(/^[a-z]{2,5}_[a-zA-Z0-9]{4,12}$/);
const base64 = fc.uint8Array({ minLength: 3, maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('base64'));
export const jsonText = fc
  .dictionary(
    names,
    fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string(), { maxLength: 2 })),
    {
      maxKeys: 3,
    },
  )
  .map((value) => JSON.stringify(value));

const text = (value: string) => ({ type: 'text', text: value }) as const;
/** As its protocol writes one: chat servers sign with lists. */
export function signatureOf(protocol: ProtocolId, value: string, said: string | null = null): Signature {
  if (protocol !== 'openai-chat') return { protocol, value };
  const detail =
    said === null
      ? { type: 'reasoning.encrypted', data: value, index: 0 }
      : { type: 'reasoning.text', text: said, signature: value, index: 0 };
  return { protocol, value: JSON.stringify({ reasoning_details: [detail] }) };
}
const fileId = (protocol: ProtocolId, id: string) =>
  protocol === 'gemini' ? `https://generativelanguage.googleapis.com/v1beta/files/${id}` : id;

export const otherThan = (protocol: ProtocolId): ProtocolId => (protocol === 'gemini' ? 'openai-chat' : 'gemini');

// --- views ---------------------------------------------------------------------------------------------------------

/** Texts of a turn, joined: how they were cut into parts is no meaning. */
const textsOf = (parts: readonly { readonly type: string }[]): string =>
  parts.map((part) => ('text' in part && part.type === 'text' ? part.text : '')).join('');

/** The conversation as those who read it hear it: neighbours of one role are one. */
export function spoken(request: ChatRequest): readonly (readonly [role: string, text: string])[] {
  const heard: [string, string][] = [];
  for (const { role, parts } of request.turns) {
    const said = textsOf(parts);
    if (said === '') continue;
    const last = heard.at(-1);
    if (last?.[0] === role) last[1] += said;
    else heard.push([role, said]);
  }
  return heard;
}

const partsIn = (request: ChatRequest) => request.turns.flatMap((turn): readonly Turn['parts'][number][] => turn.parts);
const typed = (request: ChatRequest, ...types: readonly string[]) =>
  partsIn(request).filter(({ type }) => types.includes(type));

export const callsIn = (request: ChatRequest) =>
  partsIn(request).flatMap((part) =>
    part.type === 'tool-call'
      ? [{ id: part.id, name: part.name, arguments: part.kind === 'custom' ? part.arguments : parsed(part.arguments) }]
      : [],
  );

export const parsed = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
};

export const resultsIn = (request: ChatRequest) =>
  partsIn(request).flatMap((part) =>
    part.type === 'tool-result' ? [{ call: part.callId, content: textsOf(part.content) }] : [],
  );

// --- turns ---------------------------------------------------------------------------------------------------------

const user = (...parts: readonly UserPart[]): Turn => ({ role: 'user', parts });
const assistant = (...parts: readonly AssistantPart[]): Turn => ({ role: 'assistant', parts });
const tool = (...parts: readonly (ToolResultPart | ForeignPart)[]): Turn => ({ role: 'tool', parts });

const functionTool = (name: string, more: Partial<Extract<Tool, { type: 'function' }>> = {}): Tool => ({
  type: 'function',
  name,
  description: 'd',
  parameters: { type: 'object', properties: { q: { type: 'string' } }, required: ['q'] },
  isStrict: null,
  ...more,
});
const call = (id: string, name: string, args: string, more: object = {}) =>
  ({ type: 'tool-call', id, name, arguments: args, kind: 'function', ...more }) as const;
const result = (id: string, name: string, content: ToolResultPart['content'], isError = false): ToolResultPart => ({
  type: 'tool-result',
  callId: id,
  name,
  content,
  isError,
  kind: 'function',
});

/** Calls and their results in any order, and the answer to them. */
const toolLoop = fc
  .record({
    name: names,
    calls: fc.uniqueArray(fc.record({ id: ids, args: jsonText, answer: words }), {
      minLength: 1,
      maxLength: 3,
      selector: ({ id }) => id,
    }),
    isReversed: fc.boolean(),
    said: words,
  })
  .map(({ name, calls, isReversed, said }): Partial<ChatRequest> => {
    const results = calls.map(({ id, answer }) => result(id, name, [text(answer)]));
    return {
      tools: [functionTool(name)],
      turns: [
        user(text('hi')),
        assistant(text(said), ...calls.map(({ id, args }) => call(id, name, args))),
        ...(isReversed ? [...results].reverse().map((one) => tool(one)) : [tool(...results)]),
        user(text('go on')),
      ],
    };
  });

const inUserTurn = (part: fc.Arbitrary<UserPart>) =>
  fc.tuple(words, part).map(([said, one]): Partial<ChatRequest> => ({ turns: [user(text(said), one)] }));

const beforeCall = (part: fc.Arbitrary<AssistantPart>) =>
  fc.tuple(part, names, ids).map(
    ([one, name, id]): Partial<ChatRequest> => ({
      tools: [functionTool(name)],
      reasoning: { amount: { kind: 'level', level: 'high' }, isShown: true },
      turns: [user(text('hi')), assistant(one, call(id, name, '{}')), tool(result(id, name, [text('r')]))],
    }),
  );

const image = base64.map(
  (data): UserPart => ({ type: 'image', source: { kind: 'data', mediaType: 'image/png', data } }),
);
const schemas = fc.record({
  type: fc.constant('object'),
  properties: fc.dictionary(names, fc.constantFrom({ type: 'string' }, { type: 'integer' }, { type: 'boolean' }), {
    minKeys: 1,
    maxKeys: 3,
  }),
});
const cache: fc.Arbitrary<CacheMark> = fc.constantFrom({ ttl: null }, { ttl: '5m' }, { ttl: '1h' });

const only =
  <Name extends keyof ChatRequest>(name: Name) =>
  (request: ChatRequest) =>
    request[name];
const field = <Name extends keyof ChatRequest>(
  name: Name,
  arbitrary: fc.Arbitrary<ChatRequest[Name]>,
  label: string = name,
): Aspect => ({
  name: label,
  arbitrary: () => arbitrary.map((value): Partial<ChatRequest> => ({ [name]: value })),
  view: only(name),
});

/** How much; whether it is shown is an aspect of its own. */
function thinking(name: string, amount: fc.Arbitrary<NonNullable<ReasoningWish['amount']>>): Aspect {
  return {
    name,
    arbitrary: () => amount.map((wanted) => ({ reasoning: { amount: wanted, isShown: null } })),
    view: ({ reasoning }) => reasoning?.amount ?? null,
  };
}

const withTool = (more: Partial<ChatRequest>) =>
  names.map((name): Partial<ChatRequest> => ({ tools: [functionTool(name)], ...more }));

export const aspects: readonly Aspect[] = [
  {
    name: 'instructions',
    arbitrary: () =>
      fc.array(words, { minLength: 1, maxLength: 2 }).map((all) => ({ instructions: all.map((one) => text(one)) })),
    // One text or several: they are read as paragraphs of one.
    view: ({ instructions }) => instructions.map((part) => textsOf([part])).join('\n\n'),
  },
  {
    name: 'a conversation',
    arbitrary: () =>
      fc.array(fc.tuple(words, words), { minLength: 1, maxLength: 3 }).map((pairs) => ({
        turns: [...pairs.flatMap(([one, other]) => [user(text(one)), assistant(text(other))]), user(text('so?'))],
      })),
    view: spoken,
  },
  {
    name: 'an instruction midway',
    arbitrary: () =>
      words.map((said) => ({
        turns: [user(text('hi')), assistant(text('ho')), { role: 'system', parts: [text(said)] }, user(text('so?'))],
      })),
    view: spoken,
  },
  {
    name: 'an image',
    arbitrary: () => inUserTurn(image),
    view: (request) => typed(request, 'image').map((part) => ('source' in part ? part.source : null)),
  },
  {
    name: 'an image by URL',
    arbitrary: () =>
      inUserTurn(
        ids.map((id): UserPart => ({ type: 'image', source: { kind: 'url', url: `https://x.example/${id}.png` } })),
      ),
    view: (request) =>
      typed(request, 'image').map((part) => ('source' in part && part.source.kind === 'url' ? part.source.url : null)),
  },
  {
    name: 'an image’s detail',
    arbitrary: () =>
      fc.tuple(image, fc.constantFrom('low' as const, 'high' as const)).map(([one, detail]) => ({
        turns: [user(one.type === 'image' ? { ...one, detail } : one)],
      })),
    view: (request) => typed(request, 'image').map((part) => ('detail' in part ? part.detail : undefined)),
  },
  {
    name: 'sound',
    arbitrary: () =>
      inUserTurn(
        fc
          .tuple(base64, fc.constantFrom('audio/wav', 'audio/mpeg'))
          .map(([data, mediaType]): UserPart => ({ type: 'audio', source: { kind: 'data', mediaType, data } })),
      ),
    view: (request) => typed(request, 'audio'),
  },
  {
    name: 'a PDF',
    arbitrary: () =>
      inUserTurn(
        base64.map(
          (data): UserPart => ({
            type: 'file',
            source: { kind: 'data', mediaType: 'application/pdf', data },
            filename: null,
          }),
        ),
      ),
    view: (request) => typed(request, 'file').map((part) => ('source' in part ? part.source : null)),
  },
  {
    name: 'a file’s name',
    arbitrary: () =>
      inUserTurn(
        fc.tuple(base64, names).map(
          ([data, name]): UserPart => ({
            type: 'file',
            source: { kind: 'data', mediaType: 'application/pdf', data },
            filename: `${name}.pdf`,
          }),
        ),
      ),
    view: (request) => typed(request, 'file').map((part) => ('filename' in part ? part.filename : null)),
  },
  {
    name: 'a PDF by URL',
    arbitrary: () =>
      inUserTurn(
        ids.map(
          (id): UserPart => ({
            type: 'file',
            source: { kind: 'url', url: `https://x.example/${id}.pdf`, mediaType: 'application/pdf' },
            filename: null,
          }),
        ),
      ),
    view: (request) =>
      typed(request, 'file').map((part) => ('source' in part && part.source.kind === 'url' ? part.source.url : null)),
  },
  {
    name: 'a file uploaded to its vendor',
    arbitrary: (protocol) =>
      inUserTurn(
        ids.map(
          (id): UserPart => ({
            type: 'file',
            source: { kind: 'file-id', protocol, id: fileId(protocol, id) },
            filename: null,
          }),
        ),
      ),
    view: (request) =>
      typed(request, 'file').map((part) =>
        'source' in part && part.source.kind === 'file-id' ? part.source.id : null,
      ),
  },
  {
    name: 'a file uploaded to another vendor',
    arbitrary: (protocol) =>
      inUserTurn(
        ids.map(
          (id): UserPart => ({
            type: 'file',
            source: { kind: 'file-id', protocol: otherThan(protocol), id },
            filename: null,
          }),
        ),
      ),
    view: (request) =>
      typed(request, 'file').map((part) =>
        'source' in part && part.source.kind === 'file-id' ? part.source.id : null,
      ),
  },
  {
    name: 'functions',
    arbitrary: () =>
      fc
        .uniqueArray(fc.tuple(names, words, schemas), { minLength: 1, maxLength: 3, selector: ([name]) => name })
        .map((all) => ({
          tools: all.map(([name, description, parameters]) => functionTool(name, { description, parameters })),
        })),
    view: ({ tools }) =>
      tools.map((one) => (one.type === 'function' ? [one.name, one.description, one.parameters] : one.type)),
  },
  {
    name: 'a strict function',
    arbitrary: () =>
      fc.tuple(names, schemas).map(([name, parameters]) => ({
        tools: [
          functionTool(name, {
            isStrict: true,
            parameters: { ...parameters, required: Object.keys(parameters.properties), additionalProperties: false },
          }),
        ],
      })),
    view: ({ tools }) => tools.map((one) => (one.type === 'function' ? one.isStrict : null)),
  },
  {
    name: 'a custom tool',
    arbitrary: () => names.map((name) => ({ tools: [{ type: 'custom', name, description: 'd', format: null }] })),
    view: ({ tools }) => tools.map(({ type, name }) => [type, name]),
  },
  {
    name: 'a custom tool’s grammar',
    arbitrary: () =>
      names.map((name) => ({
        tools: [
          {
            type: 'custom',
            name,
            description: 'd',
            format: { type: 'grammar', syntax: 'lark', definition: 'start: "a"' },
          },
        ],
      })),
    view: ({ tools }) => tools.map((one) => (one.type === 'custom' ? one.format : null)),
  },
  ...(['auto', 'none', 'required'] as const).map(
    (type): Aspect => ({
      name: `tool choice ${type}`,
      arbitrary: () => withTool({ toolChoice: { type } }),
      view: only('toolChoice'),
    }),
  ),
  {
    name: 'the choice of one tool',
    arbitrary: () => names.map((name) => ({ tools: [functionTool(name)], toolChoice: { type: 'tool', name } })),
    view: only('toolChoice'),
  },
  {
    name: 'one call at a time',
    arbitrary: () => withTool({ allowsParallelCalls: false, toolChoice: { type: 'auto' } }),
    view: only('allowsParallelCalls'),
  },
  { name: 'calls', arbitrary: () => toolLoop, view: callsIn },
  {
    name: 'results',
    arbitrary: () => toolLoop,
    // In the order of the calls, whatever order they came in.
    view: (request) => {
      const order = callsIn(request).map(({ id }) => id);
      return [...resultsIn(request)].sort((one, other) => order.indexOf(one.call) - order.indexOf(other.call));
    },
  },
  {
    name: 'an error as result',
    arbitrary: () =>
      fc.tuple(names, ids, words).map(([name, id, said]) => ({
        tools: [functionTool(name)],
        turns: [user(text('hi')), assistant(call(id, name, '{}')), tool(result(id, name, [text(said)], true))],
      })),
    view: (request) => typed(request, 'tool-result').map((part) => ('isError' in part ? part.isError : null)),
  },
  {
    name: 'an image as result',
    arbitrary: () =>
      fc.tuple(names, ids, base64).map(([name, id, data]) => ({
        tools: [functionTool(name)],
        turns: [
          user(text('hi')),
          assistant(call(id, name, '{}')),
          tool(
            result(id, name, [text('see'), { type: 'image', source: { kind: 'data', mediaType: 'image/png', data } }]),
          ),
        ],
      })),
    // In the result itself, or right behind it.
    view: (request) =>
      request.turns.flatMap(({ parts }) =>
        parts.flatMap((part): readonly unknown[] =>
          part.type === 'tool-result'
            ? part.content.flatMap((one) => (one.type === 'image' ? [one.source] : []))
            : part.type === 'image'
              ? [part.source]
              : [],
        ),
      ),
  },
  {
    name: 'custom calls',
    arbitrary: () =>
      fc.tuple(names, ids, words).map(([name, id, input]) => ({
        tools: [{ type: 'custom', name, description: null, format: null }],
        turns: [
          user(text('hi')),
          assistant(call(id, name, input, { kind: 'custom' })),
          tool({ ...result(id, name, [text('r')]), kind: 'custom' }),
        ],
      })),
    view: (request) =>
      typed(request, 'tool-call').map((part) =>
        'kind' in part && part.type === 'tool-call' ? [part.kind, part.arguments] : null,
      ),
  },
  {
    name: 'signed thoughts',
    arbitrary: (protocol) =>
      beforeCall(
        fc
          .tuple(words, ids)
          .map(([said, value]) => ({ type: 'reasoning', text: said, signature: signatureOf(protocol, value, said) })),
      ),
    view: (request) =>
      typed(request, 'reasoning').map((part) =>
        'signature' in part && part.type === 'reasoning' ? [part.text, part.signature?.value] : null,
      ),
  },
  {
    name: 'thoughts of another vendor',
    arbitrary: (protocol) =>
      beforeCall(
        fc.tuple(words, ids).map(([said, value]) => ({
          type: 'reasoning',
          text: said,
          signature: signatureOf(otherThan(protocol), value),
        })),
      ),
    view: (request) =>
      typed(request, 'reasoning').map((part) =>
        'signature' in part && part.type === 'reasoning' ? part.signature?.value : null,
      ),
  },
  {
    name: 'thoughts without a signature',
    arbitrary: () => beforeCall(words.map((said) => ({ type: 'reasoning', text: said, signature: null }))),
    view: (request) => typed(request, 'reasoning').map((part) => ('text' in part ? part.text : null)),
  },
  {
    name: 'hidden thoughts',
    arbitrary: (protocol) =>
      beforeCall(ids.map((value) => ({ type: 'redacted-reasoning', signature: signatureOf(protocol, value) }))),
    // Hidden, or seen without a text: that is the same.
    view: (request) =>
      typed(request, 'reasoning', 'redacted-reasoning').map((part) =>
        'signature' in part ? part.signature?.value : null,
      ),
  },
  {
    name: 'a signed call',
    // Gemini alone signs calls.
    arbitrary: () =>
      fc.tuple(names, ids, ids).map(([name, id, value]) => ({
        tools: [functionTool(name)],
        turns: [
          user(text('hi')),
          assistant(call(id, name, '{}', { signature: signatureOf('gemini', value) })),
          tool(result(id, name, [text('r')])),
        ],
      })),
    view: (request) => typed(request, 'tool-call').map((part) => ('signature' in part ? part.signature?.value : null)),
  },
  {
    name: 'a refusal in the history',
    arbitrary: () =>
      words.map((said) => ({
        turns: [user(text('hi')), assistant({ type: 'refusal', text: said }), user(text('so?'))],
      })),
    view: (request) => typed(request, 'refusal').map((part) => ('text' in part ? part.text : null)),
  },
  {
    name: 'cache marks',
    arbitrary: () =>
      fc.tuple(cache, words).map(([mark, said]) => ({
        instructions: [{ type: 'text', text: said, cache: mark }],
        turns: [user({ type: 'text', text: said, cache: mark })],
      })),
    view: (request) => [
      ...request.instructions.map((part) => ('cache' in part ? part.cache : undefined)),
      ...typed(request, 'text').map((part) => ('cache' in part ? part.cache : undefined)),
    ],
  },
  {
    name: 'own content without a neutral form',
    arbitrary: (protocol) =>
      words.map((said) => ({
        turns: [user(text('hi'), { type: 'foreign', protocol, name: 'odd', value: ownPart(protocol, said) })],
      })),
    view: (request) => typed(request, 'foreign').map((part) => ('value' in part ? part.value : null)),
  },
  {
    name: 'another’s content without a neutral form',
    arbitrary: (protocol) =>
      words.map((said) => ({
        turns: [
          user(text('hi'), {
            type: 'foreign',
            protocol: otherThan(protocol),
            name: 'odd',
            value: { type: 'odd', said },
          }),
        ],
      })),
    view: (request) => typed(request, 'foreign'),
  },
  {
    name: 'a tool that the vendor runs',
    arbitrary: (protocol) =>
      fc.constant({ tools: [{ type: 'foreign', protocol, name: 'search', value: ownTool(protocol) }] }),
    view: ({ tools }) => tools.map((one) => (one.type === 'foreign' ? one.value : one.type)),
  },
  {
    name: 'a tool that another vendor runs',
    arbitrary: (protocol) =>
      fc.constant({
        tools: [
          { type: 'foreign', protocol: otherThan(protocol), name: 'search', value: ownTool(otherThan(protocol)) },
        ],
      }),
    view: ({ tools }) => tools,
  },
  {
    name: 'own fields without a neutral form',
    arbitrary: (protocol) => words.map((said) => ({ foreign: { protocol, fields: { x_new_field: { said } } } })),
    view: ({ foreign }) => foreign?.fields,
  },
  {
    name: 'another’s fields without a neutral form',
    arbitrary: (protocol) =>
      words.map((said) => ({ foreign: { protocol: otherThan(protocol), fields: { x_new_field: { said } } } })),
    view: ({ foreign }) => foreign?.fields.x_new_field,
  },
  field('output', fc.constant({ type: 'json' as const }), 'JSON as answer'),
  {
    name: 'an answer in a schema',
    arbitrary: () =>
      fc.tuple(names, schemas).map(([name, schema]) => ({
        output: {
          type: 'json-schema',
          name,
          description: null,
          schema: { ...schema, required: Object.keys(schema.properties) },
          isStrict: null,
        },
      })),
    view: ({ output }) => (output?.type === 'json-schema' ? output.schema : output),
  },
  ...(['low', 'medium', 'high'] as const).map((level) =>
    thinking(`reasoning ${level}`, fc.constant({ kind: 'level', level })),
  ),
  thinking(
    'a reasoning budget',
    fc.integer({ min: 1024, max: 20_000 }).map((tokens) => ({ kind: 'budget', tokens })),
  ),
  thinking('reasoning off', fc.constant({ kind: 'off' })),
  thinking('reasoning as it likes', fc.constant({ kind: 'dynamic' })),
  {
    name: 'thoughts to be shown',
    arbitrary: () => fc.constant({ reasoning: { amount: { kind: 'level', level: 'high' }, isShown: true } }),
    view: ({ reasoning }) => reasoning?.isShown,
  },
  field('maxOutputTokens', fc.integer({ min: 16, max: 30_000 })),
  field('stop', fc.uniqueArray(words, { minLength: 1, maxLength: 4 })),
  field(
    'temperature',
    fc.double({ min: 0, max: 1, noNaN: true }).map((n) => Math.round(n * 100) / 100),
  ),
  field(
    'topP',
    fc.double({ min: 0, max: 1, noNaN: true }).map((n) => Math.round(n * 100) / 100),
  ),
  field('topK', fc.integer({ min: 1, max: 100 })),
  field('seed', fc.nat()),
  field('presencePenalty', fc.constantFrom(0.5, 1, -1)),
  field('frequencyPenalty', fc.constantFrom(0.5, 1, -1)),
  field('choices', fc.constantFrom(2, 3), 'several answers'),
  field('logprobs', fc.constantFrom(2, 5)),
  field('modalities', fc.constant(['text', 'audio'])),
  field('verbosity', fc.constantFrom('low' as const, 'high' as const)),
  field('user', ids),
  field('cacheKey', ids),
  field('serviceTier', fc.constant('priority')),
  field('metadata', fc.dictionary(names, fc.string(), { minKeys: 1, maxKeys: 2 })),
];

function ownPart(protocol: ProtocolId, said: string) {
  switch (protocol) {
    case 'openai-chat':
    case 'openai-responses':
      return { type: 'odd_part', said };
    case 'anthropic-messages':
      return { type: 'odd_block', said };
    case 'gemini':
      return { oddPart: { said } };
  }
}

function ownTool(protocol: ProtocolId) {
  switch (protocol) {
    case 'openai-chat':
      return { type: 'odd_search', odd_search: { depth: 1 } };
    case 'openai-responses':
      return { type: 'web_search', search_context_size: 'low' };
    case 'anthropic-messages':
      return { type: 'web_search_20250305', name: 'web_search', max_uses: 2 };
    case 'gemini':
      return { googleSearch: {} };
  }
}
