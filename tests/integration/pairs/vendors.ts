import type { ProtocolId } from '../../../src/protocols/codec.ts';
import type { JsonRecord } from '../../../src/protocols/ir.ts';
import { isObject, objectsIn } from '../../../src/shared/json-shape.ts';
import { requestFaultsOf } from '../../conformance/strict-requests.ts';
import { answerTo, type Heard, type Said, USAGE } from './mind.ts';

/**
 * A vendor for each protocol, on a socket: it refuses what its protocol's strictest server refuses, checks its signatures,
 * and answers in bodies and streams composed from the vendor's own documents. Nothing of `src/protocols` is used.
 */
export type Vendor = AsyncDisposable & {
  readonly baseUrl: string;
  /** Bodies of the calls, the last one last. */
  readonly bodies: readonly JsonRecord[];
};

/** How a vendor of one protocol hears and speaks. */
export type Voice = {
  hear(body: JsonRecord): Heard;
  /** What the vendor itself checks of what it once issued; a text: why it refuses. */
  check?(body: JsonRecord): string | null;
  whole(said: Said, model: string, body: JsonRecord): JsonRecord;
  stream(said: Said, model: string, body: JsonRecord): string;
  refusal(message: string): JsonRecord;
  key(headers: Headers): string | null;
};

export const KEY = 'vendor-key';

/** `isStrict`: false for the bytes of clients that know what their vendor lets pass. */
export function startVendor(protocol: ProtocolId, { isStrict } = { isStrict: true }): Vendor {
  const voice = voices[protocol];
  const bodies: JsonRecord[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (request.method === 'GET') return Response.json({ object: 'list', data: [] });
      const refuse = (status: number, message: string) => Response.json(voice.refusal(message), { status });
      if (voice.key(request.headers) !== KEY) return refuse(401, 'wrong key');
      const body: unknown = await request.json();
      if (!isObject(body)) return refuse(400, 'no object');
      bodies.push(body);
      const [, pathModel, method] = /\/models\/(.+):(\w+)$/.exec(pathname) ?? [];
      const model = pathModel ?? String(body.model);
      const isStream = protocol === 'gemini' ? method === 'streamGenerateContent' : body.stream === true;
      // What Anthropic says of conversations that it cannot hold; its SDK goes on without.
      if (body.thread) return Response.json(NO_THREADS, { status: 400 });
      const faults = isStrict ? requestFaultsOf(protocol, body) : [];
      const fault = faults[0] ?? voice.check?.(body);
      if (fault) return refuse(400, fault);
      const said = answerTo(voice.hear(body));
      if (!isStream) return Response.json(voice.whole(said, model, body));
      return new Response(voice.stream(said, model, body), { headers: { 'content-type': 'text/event-stream' } });
    },
  });
  return {
    baseUrl: `http://127.0.0.1:${server.port}/${protocol === 'gemini' ? 'v1beta' : 'v1'}`,
    bodies,
    [Symbol.asyncDispose]: async () => void (await server.stop(true)),
  };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const record = (value: unknown): JsonRecord => (isObject(value) ? value : {});
const bearer = (headers: Headers) => /^Bearer (.+)$/.exec(headers.get('authorization') ?? '')?.[1] ?? null;

/** Pieces as a model would stream them. */
const pieces = (value: string) => value.match(/.{1,5}/gsu) ?? [];
const named = (events: readonly JsonRecord[]) =>
  events.map((event) => `event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`).join('');
const unnamed = (events: readonly JsonRecord[]) => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');

const toolOf = (tool: JsonRecord, schema: string): Heard['tools'][number] => ({
  name: text(tool.name),
  fields: Object.keys(record(record(tool[schema]).properties)),
});

function picture(url: unknown): Heard['image'] {
  const match = /^data:([^;]+);base64,(.+)$/.exec(text(url));
  return match ? { mediaType: match[1] ?? '', data: match[2] ?? '' } : null;
}

const joined = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : objectsIn(content)
        .map((part) => text(part.text))
        .join('');

/** What came after the model last spoke. */
const sinceModel = (items: readonly JsonRecord[], isModel: (item: JsonRecord) => boolean): readonly JsonRecord[] =>
  items.slice(items.findLastIndex(isModel) + 1);

// --- chat ----------------------------------------------------------------------------------------------------------

const chatUsage = {
  prompt_tokens: USAGE.input,
  completion_tokens: USAGE.output,
  total_tokens: USAGE.input + USAGE.output,
  prompt_tokens_details: { cached_tokens: USAGE.cached },
  completion_tokens_details: { reasoning_tokens: USAGE.thought },
};

const chat: Voice = {
  key: bearer,
  refusal: (message) => ({ error: { message, type: 'invalid_request_error', param: null, code: null } }),
  hear(body) {
    const messages = objectsIn(body.messages);
    const user = messages.findLast(({ role }) => role === 'user');
    const image = objectsIn(user?.content).find(({ type }) => type === 'image_url');
    const format = record(body.response_format);
    return {
      prompt: joined(user?.content),
      instructions: joined(messages.find(({ role }) => role === 'system')?.content),
      image: picture(record(image?.image_url).url),
      tools: objectsIn(body.tools).map((tool) => toolOf(record(tool.function), 'parameters')),
      results: sinceModel(messages, ({ role }) => role === 'assistant')
        .filter(({ role }) => role === 'tool')
        .map(({ content }) => joined(content)),
      wantsThoughts: body.reasoning_effort !== undefined && body.reasoning_effort !== 'none',
      schema: format.type === 'json_schema' ? record(record(format.json_schema).schema) : null,
    };
  },
  whole: (said, model) => ({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_790_000_000,
    model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: said.text,
          refusal: null,
          ...(said.thought && { reasoning_content: said.thought }),
          ...(said.calls.length > 0 && {
            tool_calls: said.calls.map(({ id, name, args }) => ({
              id,
              type: 'function',
              function: { name, arguments: JSON.stringify(args) },
            })),
          }),
        },
        logprobs: null,
        finish_reason: said.calls.length > 0 ? 'tool_calls' : 'stop',
      },
    ],
    usage: chatUsage,
  }),
  stream(said, model, body) {
    const chunk = (delta: JsonRecord, finish: string | null = null): JsonRecord => ({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1_790_000_000,
      model,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    });
    const calls = said.calls.flatMap(({ id, name, args }, index) => [
      chunk({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] }),
      ...pieces(JSON.stringify(args)).map((piece) =>
        chunk({ tool_calls: [{ index, function: { arguments: piece } }] }),
      ),
    ]);
    return `${unnamed([
      chunk({ role: 'assistant', content: '' }),
      ...pieces(said.thought ?? '').map((piece) => chunk({ reasoning_content: piece })),
      ...pieces(said.text).map((piece) => chunk({ content: piece })),
      ...calls,
      chunk({}, said.calls.length > 0 ? 'tool_calls' : 'stop'),
      ...(record(body.stream_options).include_usage === true ? [{ ...chunk({}), choices: [], usage: chatUsage }] : []),
    ])}data: [DONE]\n\n`;
  },
};

// --- responses -----------------------------------------------------------------------------------------------------

const ENCRYPTED = 'ZW5jcnlwdGVkLXRob3VnaHQ=';

function responseItems(said: Said, body: JsonRecord): readonly JsonRecord[] {
  const include = Array.isArray(body.include) && body.include.includes('reasoning.encrypted_content');
  return [
    ...(said.thought
      ? [
          {
            id: 'rs_1',
            type: 'reasoning',
            summary: [{ type: 'summary_text', text: said.thought }],
            ...(include && { encrypted_content: ENCRYPTED }),
          },
        ]
      : []),
    ...(said.text
      ? [
          {
            id: 'msg_1',
            type: 'message',
            status: 'completed',
            role: 'assistant',
            content: [{ type: 'output_text', text: said.text, annotations: [], logprobs: [] }],
          },
        ]
      : []),
    ...said.calls.map(({ id, name, args }, at) => ({
      id: `fc_${at}`,
      type: 'function_call',
      status: 'completed',
      call_id: id,
      name,
      arguments: JSON.stringify(args),
    })),
  ];
}

const response = (status: string, output: readonly JsonRecord[], model: string, body: JsonRecord): JsonRecord => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1_790_000_000,
  status,
  background: false,
  error: null,
  incomplete_details: null,
  instructions: body.instructions ?? null,
  max_output_tokens: null,
  model,
  output,
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: { effort: null, summary: null },
  store: body.store ?? true,
  temperature: 1,
  text: body.text ?? { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: body.tools ?? [],
  top_p: 1,
  truncation: 'disabled',
  usage:
    status === 'completed'
      ? {
          input_tokens: USAGE.input,
          input_tokens_details: { cached_tokens: USAGE.cached },
          output_tokens: USAGE.output,
          output_tokens_details: { reasoning_tokens: USAGE.thought },
          total_tokens: USAGE.input + USAGE.output,
        }
      : null,
  user: null,
  metadata: {},
});

const responses: Voice = {
  key: bearer,
  refusal: chat.refusal,
  check(body) {
    // Without its content a thought is looked up by its id, as far as answers were stored.
    const isOurs = ({ id, encrypted_content: content }: JsonRecord) =>
      content === ENCRYPTED || (content === undefined && body.store !== false && id === 'rs_1');
    const foreign = objectsIn(body.input).find((item) => item.type === 'reasoning' && !isOurs(item));
    return foreign ? 'The encrypted content could not be verified.' : null;
  },
  hear(body) {
    const items = typeof body.input === 'string' ? [{ role: 'user', content: body.input }] : objectsIn(body.input);
    const user: JsonRecord | undefined = items.findLast(({ role }) => role === 'user');
    const image = objectsIn(user?.content).find(({ type }) => type === 'input_image');
    const developer: JsonRecord | undefined = items.find(({ role }) => role === 'developer' || role === 'system');
    const format = record(record(body.text).format);
    const isModel = ({ type, role }: JsonRecord) => /_call$/.test(text(type)) || role === 'assistant';
    return {
      prompt: joined(user?.content),
      instructions: text(body.instructions) || joined(developer?.content),
      image: picture(image?.image_url),
      tools: objectsIn(body.tools).map((tool) => toolOf(tool, 'parameters')),
      results: sinceModel(items, isModel)
        .filter(({ type }) => text(type).endsWith('_call_output'))
        .map(({ output }) => joined(output)),
      wantsThoughts:
        isObject(body.reasoning) && body.reasoning.effort !== undefined && body.reasoning.effort !== 'none',
      schema: format.type === 'json_schema' ? record(format.schema) : null,
    };
  },
  whole: (said, model, body) => response('completed', responseItems(said, body), model, body),
  stream(said, model, body) {
    const output = responseItems(said, body);
    const events: JsonRecord[] = [];
    const push = (type: string, more: JsonRecord) =>
      void events.push({ type, sequence_number: events.length, ...more });
    push('response.created', { response: response('in_progress', [], model, body) });
    push('response.in_progress', { response: response('in_progress', [], model, body) });
    for (const [output_index, item] of output.entries()) {
      const at = { item_id: item.id, output_index };
      switch (item.type) {
        case 'reasoning': {
          const part = { type: 'summary_text', text: said.thought };
          push('response.output_item.added', { output_index, item: { ...item, summary: [] } });
          push('response.reasoning_summary_part.added', { ...at, summary_index: 0, part: { ...part, text: '' } });
          for (const delta of pieces(said.thought ?? '')) {
            push('response.reasoning_summary_text.delta', { ...at, summary_index: 0, delta });
          }
          push('response.reasoning_summary_text.done', { ...at, summary_index: 0, text: said.thought });
          push('response.reasoning_summary_part.done', { ...at, summary_index: 0, part });
          break;
        }
        case 'message': {
          const part = { type: 'output_text', text: said.text, annotations: [], logprobs: [] };
          push('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', content: [] } });
          push('response.content_part.added', { ...at, content_index: 0, part: { ...part, text: '' } });
          for (const delta of pieces(said.text)) {
            push('response.output_text.delta', { ...at, content_index: 0, delta, logprobs: [] });
          }
          push('response.output_text.done', { ...at, content_index: 0, text: said.text, logprobs: [] });
          push('response.content_part.done', { ...at, content_index: 0, part });
          break;
        }
        default:
          push('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', arguments: '' } });
          for (const delta of pieces(text(item.arguments))) {
            push('response.function_call_arguments.delta', { ...at, delta });
          }
          push('response.function_call_arguments.done', { ...at, arguments: item.arguments });
      }
      push('response.output_item.done', { output_index, item });
    }
    push('response.completed', { response: response('completed', output, model, body) });
    return named(events);
  },
};

// --- messages ------------------------------------------------------------------------------------------------------

const SIGNATURE = 'RXFRQkNnSVlBaElN';

function blocks(said: Said): readonly JsonRecord[] {
  return [
    ...(said.thought ? [{ type: 'thinking', thinking: said.thought, signature: SIGNATURE }] : []),
    ...(said.text ? [{ type: 'text', text: said.text }] : []),
    ...said.calls.map(({ id, name, args }) => ({ type: 'tool_use', id, name, input: args })),
  ];
}

const message = (content: readonly JsonRecord[], stop: string | null, output: number, model: string) => ({
  id: 'msg_01',
  type: 'message',
  role: 'assistant',
  model,
  content,
  stop_reason: stop,
  stop_sequence: null,
  usage: {
    input_tokens: USAGE.input - USAGE.cached,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: USAGE.cached,
    output_tokens: output,
  },
});

/** What Anthropic says of conversations that it cannot hold; its SDK goes on without. */
export const NO_THREADS = {
  type: 'error',
  error: {
    type: 'invalid_request_error',
    message: 'Threads are not supported with this request.',
    details: { error_code: 'thread_unsupported_request', unsupported: [] },
  },
};

const messages: Voice = {
  key: (headers) => (headers.get('anthropic-version') ? headers.get('x-api-key') : 'no anthropic-version'),
  refusal: (message_) => ({ type: 'error', error: { type: 'invalid_request_error', message: message_ } }),
  check(body) {
    const turns = objectsIn(body.messages);
    const all = turns.flatMap(({ content }) => objectsIn(content));
    if (all.some((block) => block.type === 'thinking' && block.signature !== SIGNATURE)) {
      return 'Invalid `signature` in `thinking` block';
    }
    const isThinking = /^(enabled|adaptive)$/.test(text(record(body.thinking).type));
    const last = objectsIn(turns.findLast(({ role }) => role === 'assistant')?.content);
    const isLoop = objectsIn(turns.at(-1)?.content).some(({ type }) => type === 'tool_result');
    if (isThinking && isLoop && last[0]?.type !== 'thinking') {
      return 'Expected `thinking` or `redacted_thinking`, but found `tool_use`';
    }
    return null;
  },
  hear(body) {
    const turns = objectsIn(body.messages);
    const user = turns.findLast(({ role }) => role === 'user');
    const content = objectsIn(user?.content);
    const image = record(content.find(({ type }) => type === 'image')?.source);
    const format = record(record(body.output_config).format);
    return {
      prompt: joined(user?.content),
      instructions: joined(body.system),
      image: image.type === 'base64' ? { mediaType: text(image.media_type), data: text(image.data) } : null,
      tools: objectsIn(body.tools).map((tool) => toolOf(tool, 'input_schema')),
      results: content.filter(({ type }) => type === 'tool_result').map((block) => joined(block.content)),
      wantsThoughts: /^(enabled|adaptive)$/.test(text(record(body.thinking).type)),
      schema: format.type === 'json_schema' ? record(format.schema) : null,
    };
  },
  whole: (said, model) => message(blocks(said), said.calls.length > 0 ? 'tool_use' : 'end_turn', USAGE.output, model),
  stream(said, model) {
    const events: JsonRecord[] = [{ type: 'message_start', message: message([], null, 1, model) }];
    for (const [index, block] of blocks(said).entries()) {
      const delta = (value: JsonRecord) => void events.push({ type: 'content_block_delta', index, delta: value });
      const start = (content_block: JsonRecord) =>
        void events.push({ type: 'content_block_start', index, content_block });
      switch (block.type) {
        case 'thinking':
          start({ type: 'thinking', thinking: '', signature: '' });
          for (const thinking of pieces(text(block.thinking))) delta({ type: 'thinking_delta', thinking });
          delta({ type: 'signature_delta', signature: block.signature });
          break;
        case 'text':
          start({ type: 'text', text: '' });
          events.push({ type: 'ping' });
          for (const piece of pieces(text(block.text))) delta({ type: 'text_delta', text: piece });
          break;
        default:
          start({ ...block, input: {} });
          delta({ type: 'input_json_delta', partial_json: '' });
          for (const partial_json of pieces(JSON.stringify(block.input)))
            delta({ type: 'input_json_delta', partial_json });
      }
      events.push({ type: 'content_block_stop', index });
    }
    events.push(
      {
        type: 'message_delta',
        delta: { stop_reason: said.calls.length > 0 ? 'tool_use' : 'end_turn', stop_sequence: null },
        usage: { output_tokens: USAGE.output },
      },
      { type: 'message_stop' },
    );
    return named(events);
  },
};

// --- gemini --------------------------------------------------------------------------------------------------------

const THOUGHT_SIGNATURE = 'Q2l3QjBlMmI5';
/** What the vendor takes for calls that it has not made. */
const LET_THROUGH = 'skip_thought_signature_validator';

function geminiParts(said: Said): readonly JsonRecord[] {
  return [
    ...pieces(said.thought ?? '').map((piece) => ({ text: piece, thought: true })),
    ...pieces(said.text).map((piece) => ({ text: piece })),
    // Of parallel calls only the first is signed.
    ...said.calls.map(({ name, args }, at) => ({
      functionCall: { name, args },
      ...(at === 0 && { thoughtSignature: THOUGHT_SIGNATURE }),
    })),
  ];
}

const geminiUsage = {
  promptTokenCount: USAGE.input,
  candidatesTokenCount: USAGE.output - USAGE.thought,
  thoughtsTokenCount: USAGE.thought,
  totalTokenCount: USAGE.input + USAGE.output,
  cachedContentTokenCount: USAGE.cached,
};

const gemini: Voice = {
  key: (headers) => headers.get('x-goog-api-key'),
  refusal: (message_) => ({ error: { code: 400, message: message_, status: 'INVALID_ARGUMENT' } }),
  check(body) {
    const contents = objectsIn(body.contents);
    const isLoop = objectsIn(contents.at(-1)?.parts).some((part) => 'functionResponse' in part);
    const call = objectsIn(contents.at(-2)?.parts).find((part) => 'functionCall' in part);
    const isSigned = call?.thoughtSignature === THOUGHT_SIGNATURE || call?.thoughtSignature === LET_THROUGH;
    if (isLoop && !isSigned) {
      return 'Function call is missing a thought_signature in functionCall parts.';
    }
    return null;
  },
  hear(body) {
    const contents = objectsIn(body.contents);
    const user = contents.findLast(({ role }) => role === 'user');
    const parts = objectsIn(user?.parts);
    const image = record(parts.find((part) => 'inlineData' in part)?.inlineData);
    const config = record(body.generationConfig);
    const schema = config.responseSchema ?? config.responseJsonSchema;
    return {
      prompt: joined(user?.parts),
      instructions: joined(record(body.systemInstruction).parts),
      image: image.data === undefined ? null : { mediaType: text(image.mimeType), data: text(image.data) },
      tools: objectsIn(body.tools).flatMap((tool) =>
        objectsIn(tool.functionDeclarations).map((one) => toolOf(one, 'parameters')),
      ),
      results: parts
        .filter((part) => 'functionResponse' in part)
        .map((part) => {
          const answer = record(record(part.functionResponse).response);
          const result = answer.result ?? answer.output ?? answer.error ?? answer.content ?? answer;
          return typeof result === 'string' ? result : JSON.stringify(result);
        }),
      wantsThoughts: record(config.thinkingConfig).includeThoughts === true,
      schema: isObject(schema) ? schema : null,
    };
  },
  whole: (said, model) => ({
    candidates: [{ content: { parts: geminiParts(said), role: 'model' }, finishReason: 'STOP', index: 0 }],
    usageMetadata: geminiUsage,
    modelVersion: model,
    responseId: 'resp-g',
  }),
  stream(said, model) {
    const parts = geminiParts(said);
    return unnamed(
      parts.map((part, at) => ({
        candidates: [
          {
            content: { parts: [part], role: 'model' },
            ...(at === parts.length - 1 && { finishReason: 'STOP' }),
            index: 0,
          },
        ],
        usageMetadata: geminiUsage,
        modelVersion: model,
        responseId: 'resp-g',
      })),
    );
  },
};

export const voices: Readonly<Record<ProtocolId, Voice>> = {
  'openai-chat': chat,
  'openai-responses': responses,
  'anthropic-messages': messages,
  gemini,
};
