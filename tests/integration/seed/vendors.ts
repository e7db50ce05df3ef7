import type { ProtocolId } from '../../../src/protocols/codec.ts';
import type { JsonRecord } from '../../../src/protocols/ir.ts';
import { isObject, objectsIn } from '../../../src/shared/json-shape.ts';
import { answerTo, type Heard, type Said, USAGE } from '../pairs/mind.ts';
import { NO_THREADS, type Voice, voices } from '../pairs/vendors.ts';

/**
 * The vendors that the README names first, each as its own documents tell of it: where it is called, where it looks for its
 * key, what it refuses, in which shapes it answers, and what it says when somebody has had enough. Nothing of
 * `src/providers` is used.
 */
export type SeedVendor = {
  readonly id: string;
  /** What a client asks for, without the provider. */
  readonly model: string;
  /** What the provider's config says besides its keys. */
  config(origin: string): JsonRecord;
  /** Path with query of a chat. */
  chatPath(isStream: boolean): string;
  /** What else it can be asked: path with query → how it hears and speaks there. */
  readonly doors?: Readonly<Record<string, { readonly protocol: ProtocolId; readonly voice: Voice }>>;
  /** The key that a request bears, wherever this vendor looks for it. */
  key(headers: Headers): string | null;
  readonly voice: Voice;
  /** Why it refuses a body that the strictest server of its protocol would take; null: it does not. */
  refuses?(body: JsonRecord, isStream: boolean): { readonly status: number; readonly body: JsonRecord } | null;
  /** A key that it does not know. */
  readonly wrongKey: { readonly status: number; readonly body: JsonRecord };
  /** Path with query → page of the list of models. */
  readonly pages: Readonly<Record<string, JsonRecord>>;
  /** What the pages name. */
  readonly listed: readonly string[];
  /** Absent: it makes none. */
  readonly embeddings?: {
    readonly model: string;
    readonly maxInputs: number;
    /** Paths with the texts and the reply to them. */
    answer(path: string, body: JsonRecord): JsonRecord | null;
  };
  /** Which recorded refusal of `tests/fixtures/providers` a tired key gives, and for how long it rests then. */
  readonly tired: { readonly fixture: string; readonly restMs: number };
};

const record = (value: unknown): JsonRecord => (isObject(value) ? value : {});
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: unknown): readonly string[] =>
  typeof value === 'string' ? [value] : Array.isArray(value) ? value.map(text) : [];
const bearer = (headers: Headers) => /^Bearer (.+)$/.exec(headers.get('authorization') ?? '')?.[1] ?? null;

// --- OpenAI's protocol, in dialects --------------------------------------------------------------------------------

const chat = voices['openai-chat'];

/** OpenAI's voice with another way of wrapping what is said; `chunks` are those of a stream, the end mark left out. */
function dialect(own: {
  readonly hear?: (heard: Heard) => Heard;
  readonly say?: (said: Said) => Said;
  readonly whole?: (reply: JsonRecord) => JsonRecord;
  readonly chunks?: (chunks: readonly JsonRecord[]) => readonly JsonRecord[];
  /** Comes before the first chunk. */
  readonly prelude?: string;
  /** Usage in a stream is told whether or not it was asked for. */
  readonly countsUnasked?: boolean;
  readonly refusal?: (message: string) => JsonRecord;
}): Voice {
  const say = (said: Said) => own.say?.(said) ?? said;
  return {
    ...chat,
    refusal: own.refusal ?? chat.refusal,
    hear: (body) => {
      const heard = chat.hear(body);
      return own.hear?.(heard) ?? heard;
    },
    whole: (said, model, body) => {
      const reply = chat.whole(say(said), model, body);
      return own.whole?.(reply) ?? reply;
    },
    stream: (said, model, body) => {
      const asked = own.countsUnasked ? { ...body, stream_options: { include_usage: true } } : body;
      const chunks = chat
        .stream(say(said), model, asked)
        .split('\n\n')
        .filter((line) => line.startsWith('data: {'))
        .map((line) => record(JSON.parse(line.slice(6))));
      const told = own.chunks?.(chunks) ?? chunks;
      return `${own.prelude ?? ''}${told.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')}data: [DONE]\n\n`;
    },
  };
}

const withMessages = (reply: JsonRecord, change: (message: JsonRecord) => JsonRecord): JsonRecord => ({
  ...reply,
  choices: objectsIn(reply.choices).map((choice) => ({
    ...choice,
    ...(isObject(choice.message) && { message: change(choice.message) }),
    ...(isObject(choice.delta) && { delta: change(choice.delta) }),
  })),
});

function renamed(from: string, to: string) {
  return (message: JsonRecord): JsonRecord => {
    if (!(from in message)) return message;
    const { [from]: value, ...rest } = message;
    return { ...rest, [to]: value };
  };
}

/** The chunk that has the counts alone, joined to the one that has the finish reason. */
function usageWithFinish(chunks: readonly JsonRecord[]): readonly JsonRecord[] {
  const { usage } = record(chunks.at(-1));
  const said = chunks.slice(0, -1);
  return [...said.slice(0, -1), { ...record(said.at(-1)), usage }];
}

const isOneOf = (names: readonly string[]) => (name: string) => names.includes(name);
const unknownFields = (body: JsonRecord, known: readonly string[]) =>
  Object.keys(body).filter((name) => !known.includes(name));

const openAiList = (...ids: readonly string[]) => ({
  object: 'list',
  data: ids.map((id) => ({ id, object: 'model', created: 1_735_689_600, owned_by: 'vendor' })),
});

/** A vector tells of its text how long it is. */
const vectorOf = (value: string) => [value.length, 0.5];

const openAiVectors = (body: JsonRecord): JsonRecord => {
  const input = texts(body.input);
  return {
    object: 'list',
    data: input.map((value, index) => ({ object: 'embedding', index, embedding: vectorOf(value) })),
    model: body.model,
    usage: { prompt_tokens: input.length, total_tokens: input.length },
  };
};

/** A vendor under a base URL with OpenAI's paths. */
function atBase(
  base: string,
  more: {
    readonly embeddings?: {
      readonly model: string;
      readonly maxInputs: number;
      readonly takes?: (body: JsonRecord) => boolean;
    };
  },
) {
  const { embeddings } = more;
  return {
    config: (origin: string): JsonRecord => ({ base_url: origin + base }),
    chatPath: () => `${base}/chat/completions`,
    key: bearer,
    ...(embeddings && {
      embeddings: {
        ...embeddings,
        answer: (path: string, body: JsonRecord) =>
          path === `${base}/embeddings` && (embeddings.takes?.(body) ?? true) ? openAiVectors(body) : null,
      },
    }),
  };
}

const invalidKey = {
  status: 401,
  body: { error: { message: 'Incorrect API key provided.', type: 'invalid_request_error', code: 'invalid_api_key' } },
};

// --- Mistral -------------------------------------------------------------------------------------------------------

const MISTRAL_FIELDS = [
  ...['model', 'messages', 'temperature', 'top_p', 'max_tokens', 'stream', 'stop', 'random_seed', 'response_format'],
  ...['tools', 'tool_choice', 'parallel_tool_calls', 'presence_penalty', 'frequency_penalty', 'n', 'prediction'],
  ...['prompt_mode', 'reasoning_effort', 'safe_prompt'],
];
const mistralProblem = (message: unknown, type: string) => ({
  object: 'error',
  message,
  type,
  param: null,
  code: null,
});

/** Nine letters and digits, and no others. */
const nine = (id: string) => id.replaceAll('_', '').padEnd(9, '0').slice(-9);

// --- Cohere --------------------------------------------------------------------------------------------------------

const COHERE_FIELDS = [
  ...['model', 'messages', 'stream', 'tools', 'tool_choice', 'strict_tools', 'documents', 'citation_options'],
  ...['response_format', 'safety_mode', 'max_tokens', 'stop_sequences', 'temperature', 'seed', 'k', 'p', 'thinking'],
  ...['frequency_penalty', 'presence_penalty', 'priority', 'logprobs'],
];
const cohereUsage = {
  billed_units: { input_tokens: 1 },
  tokens: { input_tokens: USAGE.input, output_tokens: USAGE.output },
};
const cohereCalls = (said: Said) =>
  said.calls.map(({ id, name, args }) => ({
    id,
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  }));
const cohereFinish = (said: Said) => (said.calls.length > 0 ? 'TOOL_CALL' : 'COMPLETE');
const pieces = (value: string) => value.match(/.{1,5}/gsu) ?? [];

const cohereVoice: Voice = {
  ...chat,
  refusal: (message) => ({ id: 'e1', message }),
  whole: (said) => ({
    id: 'c14c80c3',
    message: {
      role: 'assistant',
      // Beside calls there is a plan, and no text.
      ...(said.calls.length > 0
        ? { tool_plan: said.text, tool_calls: cohereCalls(said) }
        : { content: [{ type: 'text', text: said.text }] }),
    },
    finish_reason: cohereFinish(said),
    usage: cohereUsage,
  }),
  stream: (said) => {
    const events: JsonRecord[] = [
      { type: 'message-start', id: '29f14a5a', delta: { message: { role: 'assistant', content: [], tool_calls: [] } } },
    ];
    const push = (type: string, message: JsonRecord, index: number | null = 0) =>
      void events.push({ type, ...(index !== null && { index }), delta: { message } });
    if (said.calls.length > 0) {
      for (const piece of pieces(said.text)) push('tool-plan-delta', { tool_plan: piece }, null);
      for (const [index, call] of cohereCalls(said).entries()) {
        push('tool-call-start', { tool_calls: { ...call, function: { ...call.function, arguments: '' } } }, index);
        for (const piece of pieces(call.function.arguments))
          push('tool-call-delta', { tool_calls: { function: { arguments: piece } } }, index);
        events.push({ type: 'tool-call-end', index });
      }
    } else {
      push('content-start', { content: { type: 'text', text: '' } });
      for (const piece of pieces(said.text)) push('content-delta', { content: { text: piece } });
      events.push({ type: 'content-end', index: 0 });
    }
    events.push({ type: 'message-end', delta: { finish_reason: cohereFinish(said), usage: cohereUsage } });
    return events.map((event) => `event: ${text(event.type)}\ndata: ${JSON.stringify(event)}\n\n`).join('');
  },
};

// --- Qwen and iFlow ------------------------------------------------------------------------------------------------

const DUMMY = 'do_not_call_me';

/** Thoughts stand in the text, usage comes in a chunk of its own; a tool that asks not to be called is not. */
const qwenVoice = dialect({
  countsUnasked: true,
  hear: (heard) => ({ ...heard, tools: heard.tools.filter(({ name }) => name !== DUMMY) }),
  say: (said) =>
    said.thought === null
      ? said
      : { ...said, thought: null, text: `<think>\n${said.thought}\n</think>\n\n${said.text}` },
});

function qwenRefuses(body: JsonRecord, isStream: boolean) {
  const refuse = (message: string) => ({
    status: 400,
    body: { error: { message, type: 'invalid_request_error', code: 'invalid_parameter_error' } },
  });
  const roles = objectsIn(body.messages).map(({ role }) => text(role));
  if (roles.lastIndexOf('system') > 0) return refuse('System message must be at the beginning.');
  const tools = JSON.stringify(body.tools ?? null);
  if (/"(?:strict|additionalProperties)":/.test(tools)) return refuse('Unknown field in tools.');
  // The real one answers with a corrupt stream.
  return isStream && objectsIn(body.tools).length === 0 ? refuse('A stream without tools.') : null;
}

// --- the vendors ---------------------------------------------------------------------------------------------------

export const seedVendors: readonly SeedVendor[] = [
  {
    id: 'gemini',
    model: 'gemini-2.5-flash',
    config: (origin) => ({ base_url: `${origin}/v1beta` }),
    chatPath: (isStream) =>
      `/v1beta/models/gemini-2.5-flash:${isStream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    key: (headers) => headers.get('x-goog-api-key'),
    voice: voices.gemini,
    wrongKey: {
      status: 400,
      body: {
        error: {
          code: 400,
          message: 'API key not valid. Please pass a valid API key.',
          status: 'INVALID_ARGUMENT',
          details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }],
        },
      },
    },
    pages: {
      '/v1beta/models?pageSize=1000': {
        models: [{ name: 'models/gemini-2.5-flash', inputTokenLimit: 1_048_576, outputTokenLimit: 65_536 }],
        nextPageToken: 'a b',
      },
      '/v1beta/models?pageSize=1000&pageToken=a%20b': { models: [{ name: 'models/gemini-2.5-pro' }] },
    },
    listed: ['gemini-2.5-flash', 'gemini-2.5-pro'],
    embeddings: {
      model: 'gemini-embedding-001',
      maxInputs: 100,
      answer: (path, body) => {
        const valuesOf = (asked: JsonRecord) => ({
          values: vectorOf(
            objectsIn(record(asked.content).parts)
              .map((part) => text(part.text))
              .join(''),
          ),
        });
        const model = '/v1beta/models/gemini-embedding-001';
        if (path === `${model}:embedContent`) return { embedding: valuesOf(body) };
        return path === `${model}:batchEmbedContents` ? { embeddings: objectsIn(body.requests).map(valuesOf) } : null;
      },
    },
    tired: { fixture: 'per minute', restMs: 44_097 },
  },
  {
    id: 'openai',
    model: 'gpt-4o',
    ...atBase('/v1', { embeddings: { model: 'text-embedding-3-small', maxInputs: 2048 } }),
    voice: chat,
    doors: { '/v1/responses': { protocol: 'openai-responses', voice: voices['openai-responses'] } },
    wrongKey: invalidKey,
    pages: { '/v1/models': openAiList('gpt-4o', 'gpt-4o-mini') },
    listed: ['gpt-4o', 'gpt-4o-mini'],
    tired: { fixture: 'tokens per minute', restMs: 1200 },
  },
  {
    id: 'azure',
    model: 'gpt-4o',
    config: (origin) => ({ base_url: origin, deployments: { 'gpt-4o': 'my-gpt4o', vectors: 'my-vectors' } }),
    chatPath: () => '/openai/deployments/my-gpt4o/chat/completions?api-version=2024-10-21',
    key: (headers) => headers.get('api-key'),
    voice: dialect({
      whole: (reply) => ({ ...reply, prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }] }),
      chunks: (chunks) => [
        { id: '', object: '', created: 0, model: '', choices: [], prompt_filter_results: [{ prompt_index: 0 }] },
        ...chunks.map((chunk) => ({
          ...chunk,
          choices: objectsIn(chunk.choices).map((choice) => ({ ...choice, content_filter_results: {} })),
        })),
      ],
    }),
    wrongKey: {
      status: 401,
      body: { error: { code: '401', message: 'Access denied due to invalid subscription key or wrong API endpoint.' } },
    },
    // Of no use: these could be deployed.
    pages: { '/openai/models?api-version=2024-10-21': openAiList('gpt-4o-2024-11-20', 'dall-e-3') },
    listed: ['gpt-4o', 'vectors'],
    embeddings: {
      model: 'vectors',
      maxInputs: 2048,
      answer: (path, body) =>
        path === '/openai/deployments/my-vectors/embeddings?api-version=2024-10-21' ? openAiVectors(body) : null,
    },
    tired: { fixture: 'tokens per minute, with the wait in milliseconds beside whole seconds', restMs: 36_500 },
  },
  {
    id: 'anthropic',
    model: 'claude-sonnet-4-5',
    config: (origin) => ({ base_url: `${origin}/v1` }),
    chatPath: () => '/v1/messages',
    key: (headers) =>
      /^20\d\d-\d\d-\d\d$/.test(headers.get('anthropic-version') ?? '') ? headers.get('x-api-key') : null,
    voice: voices['anthropic-messages'],
    refuses: (body) => (body.thread === undefined ? null : { status: 400, body: NO_THREADS }),
    wrongKey: {
      status: 401,
      body: { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } },
    },
    pages: {
      '/v1/models?limit=1000': {
        data: [{ type: 'model', id: 'claude-sonnet-4-5', display_name: 'Claude Sonnet 4.5' }],
        has_more: true,
        first_id: 'claude-sonnet-4-5',
        last_id: 'claude-sonnet-4-5',
      },
      '/v1/models?limit=1000&after_id=claude-sonnet-4-5': {
        data: [{ type: 'model', id: 'claude-haiku-4-5', display_name: 'Claude Haiku 4.5' }],
        has_more: false,
        first_id: 'claude-haiku-4-5',
        last_id: 'claude-haiku-4-5',
      },
    },
    listed: ['claude-haiku-4-5', 'claude-sonnet-4-5'],
    tired: { fixture: 'rate limit with resets alone', restMs: 45_000 },
  },
  {
    id: 'openrouter',
    model: 'deepseek/deepseek-chat-v3.1:free',
    ...atBase('/api/v1', { embeddings: { model: 'openai/text-embedding-3-small', maxInputs: 2048 } }),
    voice: dialect({
      prelude: ': OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n',
      whole: (reply) => ({ ...withMessages(reply, renamed('reasoning_content', 'reasoning')), provider: 'Chutes' }),
      chunks: (chunks) =>
        chunks.map((chunk) => ({
          ...withMessages(chunk, renamed('reasoning_content', 'reasoning')),
          provider: 'Chutes',
          ...(isObject(chunk.usage) && { usage: { ...chunk.usage, cost: 0 } }),
        })),
    }),
    wrongKey: { status: 401, body: { error: { message: 'No auth credentials found', code: 401 } } },
    pages: {
      '/api/v1/models': {
        data: [
          {
            id: 'deepseek/deepseek-chat-v3.1:free',
            context_length: 163_840,
            pricing: { prompt: '0', completion: '0' },
            supported_parameters: ['tools', 'reasoning'],
            top_provider: { context_length: 163_840, max_completion_tokens: null },
          },
        ],
      },
    },
    listed: ['deepseek/deepseek-chat-v3.1:free'],
    tired: { fixture: 'free models per day', restMs: 3_600_000 },
  },
  {
    id: 'groq',
    model: 'llama-3.3-70b-versatile',
    ...atBase('/openai/v1', {}),
    // Usage stands in `x_groq` of the last chunk.
    voice: dialect({
      countsUnasked: true,
      whole: (reply) => withMessages(reply, renamed('reasoning_content', 'reasoning')),
      chunks: (chunks) =>
        usageWithFinish(chunks).map((chunk, at) => {
          const { usage, ...rest } = withMessages(chunk, renamed('reasoning_content', 'reasoning'));
          return {
            ...rest,
            ...(at === 0 && { x_groq: { id: 'req_01' } }),
            ...(isObject(usage) && { x_groq: { id: 'req_01', usage: { queue_time: 0.01, ...usage } } }),
          };
        }),
    }),
    refuses: (body) => {
      const refused = ['logprobs', 'logit_bias', 'top_logprobs', 'store', 'metadata', 'verbosity'].filter(
        (name) => name in body,
      );
      const isNamed = objectsIn(body.messages).some((message) => 'name' in message || 'reasoning_content' in message);
      return refused.length > 0 || isNamed
        ? { status: 400, body: { error: { message: `property '${refused.join()}' is unsupported` } } }
        : null;
    },
    wrongKey: {
      status: 401,
      body: { error: { message: 'Invalid API Key', type: 'invalid_request_error', code: 'invalid_api_key' } },
    },
    pages: {
      '/openai/v1/models': {
        object: 'list',
        data: [
          {
            id: 'llama-3.3-70b-versatile',
            object: 'model',
            created: 1_735_689_600,
            owned_by: 'Meta',
            active: true,
            context_window: 131_072,
            max_completion_tokens: 32_768,
          },
        ],
      },
    },
    listed: ['llama-3.3-70b-versatile'],
    tired: { fixture: 'tokens per day', restMs: 612_500 },
  },
  {
    id: 'mistral',
    model: 'mistral-small-latest',
    ...atBase('/v1', { embeddings: { model: 'mistral-embed', maxInputs: 2048 } }),
    voice: dialect({
      countsUnasked: true,
      say: (said) => ({ ...said, calls: said.calls.map((call) => ({ ...call, id: nine(call.id) })) }),
      whole: (reply) => withMessages(reply, thinkingInContent),
      chunks: (chunks) => usageWithFinish(chunks).map((chunk) => withMessages(chunk, thinkingInContent)),
      refusal: (message) => mistralProblem(message, 'invalid_request_error'),
    }),
    refuses: (body) => {
      const unknown = unknownFields(body, MISTRAL_FIELDS);
      const detail = unknown.map((name) => ({ type: 'extra_forbidden', loc: ['body', name], msg: 'Extra inputs' }));
      if (detail.length > 0) return { status: 422, body: mistralProblem({ detail }, 'invalid_request_error') };
      const ids = objectsIn(body.messages).flatMap((message) => [
        ...objectsIn(message.tool_calls).map(({ id }) => text(id)),
        ...(message.role === 'tool' ? [text(message.tool_call_id)] : []),
      ]);
      const isWrong = ids.some((id) => !/^[a-zA-Z0-9]{9}$/.test(id));
      return isWrong
        ? { status: 400, body: mistralProblem('Tool call id has to be defined', 'invalid_request_message_order') }
        : null;
    },
    wrongKey: { status: 401, body: { message: 'Unauthorized', request_id: 'r1' } },
    pages: {
      '/v1/models': {
        object: 'list',
        data: [{ id: 'mistral-small-latest', object: 'model', capabilities: {}, max_context_length: 131_072 }],
      },
    },
    listed: ['mistral-small-latest'],
    tired: { fixture: 'requests of the minute used up', restMs: 60_000 },
  },
  {
    id: 'nvidia',
    model: 'meta/llama-3.3-70b-instruct',
    ...atBase('/v1', { embeddings: { model: 'nvidia/nv-embedqa-e5-v5', maxInputs: 2048 } }),
    voice: chat,
    refuses: (body) => {
      const refused = Object.keys(body).filter(isOneOf(['store', 'metadata', 'verbosity', 'prompt_cache_key']));
      return refused.length > 0
        ? { status: 400, body: { detail: `Unsupported parameter(s): ${refused.join()}` } }
        : null;
    },
    wrongKey: { status: 401, body: { status: 401, title: 'Unauthorized', detail: 'Authentication failed' } },
    pages: { '/v1/models': openAiList('meta/llama-3.3-70b-instruct', 'nvidia/nv-embedqa-e5-v5') },
    listed: ['meta/llama-3.3-70b-instruct', 'nvidia/nv-embedqa-e5-v5'],
    tired: { fixture: 'rate', restMs: 60_000 },
  },
  {
    id: 'cohere',
    model: 'command-a-03-2025',
    config: (origin) => ({ base_url: `${origin}/compatibility/v1` }),
    chatPath: () => '/v2/chat',
    key: bearer,
    voice: cohereVoice,
    refuses: (body) => {
      const unknown = unknownFields(body, COHERE_FIELDS);
      return unknown.length > 0
        ? { status: 422, body: { message: `unknown field: parameter '${unknown.join()}'` } }
        : null;
    },
    wrongKey: { status: 401, body: { id: 'e1', message: 'invalid api token' } },
    pages: {
      '/v1/models?page_size=1000&endpoint=chat': {
        models: [{ name: 'command-a-03-2025', endpoints: ['chat'], context_length: 288_000 }],
        next_page_token: 'a b=',
      },
      '/v1/models?page_size=1000&endpoint=chat&page_token=a%20b%3D': {
        models: [{ name: 'command-r7b-12-2024', endpoints: ['chat'], context_length: 132_096 }],
        next_page_token: '',
      },
    },
    listed: ['command-a-03-2025', 'command-r7b-12-2024'],
    embeddings: {
      model: 'embed-v4.0',
      maxInputs: 96,
      answer: (path, body) =>
        path === '/v2/embed' && body.input_type === 'search_document'
          ? {
              id: 'e1',
              texts: body.texts,
              embeddings: { float: texts(body.texts).map(vectorOf) },
              meta: { api_version: { version: '2' }, billed_units: { input_tokens: texts(body.texts).length } },
            }
          : null,
    },
    tired: { fixture: 'trial minute', restMs: 60_000 },
  },
  {
    id: 'chutes',
    model: 'deepseek-ai/DeepSeek-V3',
    ...atBase('/v1', {}),
    voice: chat,
    wrongKey: { status: 401, body: { detail: 'Invalid token.' } },
    pages: { '/v1/models': openAiList('deepseek-ai/DeepSeek-V3') },
    listed: ['deepseek-ai/DeepSeek-V3'],
    // 23:00 UTC is an hour before its day ends.
    tired: { fixture: 'daily quota', restMs: 3_600_000 },
  },
  {
    id: 'qwen_code',
    model: 'qwen3-coder-plus',
    ...atBase('/compatible-mode/v1', {
      embeddings: {
        model: 'text-embedding-v4',
        maxInputs: 10,
        takes: ({ encoding_format: format = 'float' }) => format === 'float',
      },
    }),
    voice: qwenVoice,
    refuses: qwenRefuses,
    wrongKey: invalidKey,
    pages: { '/compatible-mode/v1/models': openAiList('qwen3-coder-plus') },
    listed: ['qwen3-coder-plus'],
    tired: { fixture: 'free allowance as 429', restMs: 60_000 },
  },
  {
    id: 'iflow',
    model: 'glm-4.6',
    ...atBase('/v1', {}),
    voice: qwenVoice,
    refuses: (body) =>
      'stream_options' in body || (Array.isArray(body.tools) && body.tools.length === 0)
        ? { status: 406, body: { status: '406', msg: 'not acceptable' } }
        : null,
    // Its failures come as 200, whole and where a stream was asked for.
    wrongKey: { status: 200, body: { status: '434', msg: 'Invalid apiKey', body: null } },
    pages: {},
    listed: ['glm-4.6'],
    tired: { fixture: 'requests in short order, inside a 200', restMs: 60_000 },
  },
  {
    id: 'g4f',
    model: 'gpt-4o-mini',
    config: (origin) => ({ base_url: `${origin}/v1`, auth: 'key' }),
    chatPath: () => '/v1/chat/completions',
    key: bearer,
    // A call of a tool ends with `stop`, and the prompt has no tokens.
    voice: dialect({
      countsUnasked: true,
      whole: (reply) => ({ ...stopped(reply), provider: 'PollinationsAI' }),
      chunks: (chunks) => usageWithFinish(chunks).map((chunk) => ({ ...stopped(chunk), provider: 'PollinationsAI' })),
    }),
    refuses: (body) =>
      'stream_options' in body || 'api_key' in body
        ? { status: 422, body: { error: { message: 'ValidationError: extra fields' } } }
        : null,
    wrongKey: { status: 401, body: { error: { message: 'Invalid G4F API key' } } },
    pages: {
      '/v1/models': {
        object: 'list',
        data: [
          { id: 'gpt-4o-mini', object: 'model', created: 0, owned_by: 'OpenAI', image: false, provider: false },
          { id: 'flux', object: 'model', created: 0, owned_by: 'Black Forest Labs', image: true, provider: false },
          { id: 'PollinationsAI', object: 'model', created: 0, owned_by: '', image: false, provider: true },
        ],
      },
    },
    listed: ['gpt-4o-mini'],
    tired: { fixture: "a limit of the site behind it is that model's", restMs: 60_000 },
  },
];

/** Thoughts stand in the content, as parts. */
function thinkingInContent(message: JsonRecord): JsonRecord {
  const { reasoning_content: thought, ...rest } = message;
  if (typeof thought !== 'string') return message;
  const said = text(rest.content);
  return {
    ...rest,
    content: [
      { type: 'thinking', thinking: [{ type: 'text', text: thought }] },
      ...(said === '' ? [] : [{ type: 'text', text: said }]),
    ],
  };
}

function stopped(reply: JsonRecord): JsonRecord {
  return {
    ...reply,
    choices: objectsIn(reply.choices).map((choice) => ({
      ...choice,
      finish_reason: choice.finish_reason === 'tool_calls' ? 'stop' : choice.finish_reason,
    })),
  };
}

/** A vendor on a socket, with two keys: one that it has heard too often, and a good one. */
export type RunningVendor = AsyncDisposable & {
  readonly origin: string;
  /** Method, path with query and key of everything that came. */
  readonly calls: readonly { readonly method: string; readonly path: string; readonly key: string | null }[];
};

export const GOOD_KEY = 'vendor-good-key';
export const TIRED_KEY = 'vendor-tired-key';

export type Refusal = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly json?: unknown;
};

/** As a server reads it: `a%20b` and `a+b` are the same there. */
const asRead = (path: string): string => {
  const url = new URL(path, 'http://vendor');
  const query = [...url.searchParams].map(([name, value]) => `${name}=${value}`);
  return query.length === 0 ? url.pathname : `${url.pathname}?${query.join('&')}`;
};

/** `protocol`: its own. `faultsOf`: what the strictest server of a protocol refuses. */
export function startSeedVendor(
  vendor: SeedVendor,
  tired: Refusal,
  protocol: ProtocolId,
  faultsOf: (protocol: ProtocolId, body: JsonRecord) => readonly string[],
): RunningVendor {
  const calls: { method: string; path: string; key: string | null }[] = [];
  const pages = new Map(Object.entries(vendor.pages).map(([path, page]) => [asRead(path), page]));

  function doorOf(path: string, body: JsonRecord) {
    const other = vendor.doors?.[path];
    if (other) return { ...other, isStream: body.stream === true };
    const isStream = protocol === 'gemini' ? path === vendor.chatPath(true) : body.stream === true;
    return path === vendor.chatPath(isStream) ? { protocol, voice: vendor.voice, isStream } : null;
  }

  function answer(path: string, body: JsonRecord): Response {
    const { voice } = vendor;
    const refuse = (message: string, status = 400) => Response.json(voice.refusal(message), { status });
    const vectors = vendor.embeddings?.answer(path, body);
    if (vectors) {
      const inputs = texts(body.input ?? body.texts).length + objectsIn(body.requests).length;
      return inputs > (vendor.embeddings?.maxInputs ?? 0) ? refuse('batch size is invalid') : Response.json(vectors);
    }
    const door = doorOf(path, body);
    if (!door) return refuse(`nothing is at ${path}`, 404);
    const refused = vendor.refuses?.(body, door.isStream);
    if (refused) return Response.json(refused.body, { status: refused.status });
    const fault = faultsOf(door.protocol, body)[0] ?? door.voice.check?.(body);
    if (fault) return refuse(fault);
    const said = answerTo(door.voice.hear(body));
    const model = text(body.model) || vendor.model;
    if (!door.isStream) return Response.json(door.voice.whole(said, model, body));
    return new Response(door.voice.stream(said, model, body), { headers: { 'content-type': 'text/event-stream' } });
  }

  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request): Promise<Response> {
      const url = new URL(request.url);
      const path = url.pathname + url.search;
      const key = vendor.key(request.headers);
      calls.push({ method: request.method, path, key });
      if (key !== GOOD_KEY && key !== TIRED_KEY) {
        return Response.json(vendor.wrongKey.body, { status: vendor.wrongKey.status });
      }
      if (request.method === 'GET') {
        const page = pages.get(asRead(path));
        return Response.json(page ?? vendor.voice.refusal(`nothing is at ${path}`), { status: page ? 200 : 404 });
      }
      if (key === TIRED_KEY) return Response.json(tired.json, { status: tired.status, headers: tired.headers });
      return answer(path, record(await request.json()));
    },
  });
  return {
    origin: `http://127.0.0.1:${server.port}`,
    calls,
    [Symbol.asyncDispose]: async () => void (await server.stop(true)),
  };
}
