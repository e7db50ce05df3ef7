/**
 * An upstream of all four protocols for agents to be tried against: the first turn asks for the agent's shell tool, the
 * turn that brings its result is answered in words. It checks what a strict vendor checks (signatures that come back,
 * reasoning that is not dropped) and stops answering after a number of requests, so that a confused client cannot loop.
 */

const COMMAND = 'echo tool-ran-ok';
const SHELLS: readonly string[] = ['Bash', 'exec_command', 'shell', 'bash', 'run_shell_command', 'execute_bash'];
const THOUGHT = 'c2lnbmVkLXRob3VnaHQ='.repeat(4);

export type AgentUpstream = {
  readonly url: string;
  /** What arrived, in order. */
  readonly requests: readonly { readonly path: string; readonly body: Body }[];
  /** What a strict vendor would have refused. */
  readonly complaints: readonly string[];
  stop(): void;
};

// biome-ignore lint/suspicious/noExplicitAny: bodies of four protocols, read as a vendor reads them
type Body = any;

export function startAgentUpstream(maxRequests: number): AgentUpstream {
  const requests: { path: string; body: Body }[] = [];
  const complaints: string[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (request.method === 'GET') return Response.json({ data: [], models: [] });
      const body: Body = await request.json();
      requests.push({ path: pathname, body });
      if (requests.length > maxRequests) return refusal('too many requests for one prompt');
      const complaint = complain(pathname, body);
      if (complaint) {
        complaints.push(complaint);
        return refusal(complaint);
      }
      if (pathname.endsWith('/messages')) return messages(body);
      if (pathname.endsWith('/chat/completions')) return chat(body);
      if (pathname.endsWith('/responses')) return responses(body);
      if (pathname.includes('GenerateContent') || pathname.includes('generateContent')) return gemini(pathname, body);
      return Response.json({ error: { message: `no ${pathname} here` } }, { status: 404 });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, requests, complaints, stop: () => server.stop(true) };
}

const refusal = (message: string) =>
  Response.json(
    { error: { message, code: 400, status: 'INVALID_ARGUMENT', type: 'invalid_request_error' } },
    { status: 400 },
  );

/** What a strict vendor refuses of a turn that brings a tool's result. */
function complain(path: string, body: Body): string | null {
  const text = JSON.stringify(body);
  if (path.includes('enerateContent')) {
    const call = (body.contents ?? [])
      .flatMap((turn: Body) => turn.parts ?? [])
      .find((part: Body) => part.functionCall);
    if (call && call.thoughtSignature !== THOUGHT) return 'the function call has lost its thought signature';
  }
  if (path.endsWith('/chat/completions') && /deepseek/.test(body.model)) {
    const turn = (body.messages ?? []).find((message: Body) => message.tool_calls);
    if (turn && turn.reasoning_content !== 'I should run it.') return 'the tool call has lost its reasoning_content';
  }
  if (path.endsWith('/messages') && text.includes('"tool_use"') && text.includes('"thinking"')) {
    const block = (body.messages ?? [])
      .flatMap((message: Body) => (Array.isArray(message.content) ? message.content : []))
      .find((part: Body) => part.type === 'thinking');
    if (block && block.signature !== THOUGHT) return 'the thinking block has lost its signature';
  }
  return null;
}

/** The tool that the agent runs commands with; null: it has none, or its result is there. */
function shellOf(names: readonly string[]): string | null {
  return names.find((name) => SHELLS.includes(name)) ?? null;
}

const argumentsFor = (name: string) =>
  name === 'exec_command' ? { cmd: COMMAND } : { command: COMMAND, description: 'say that it ran' };

const answerFor = (body: Body) =>
  JSON.stringify(body).includes('tool-ran-ok') ? 'pong: the tool said tool-ran-ok' : 'pong without a tool';

function events(list: readonly object[], how: { named: boolean; done?: boolean }): Response {
  const text = list
    .map((event) => {
      const type = 'type' in event ? `event: ${String(event.type)}\n` : '';
      return `${how.named ? type : ''}data: ${JSON.stringify(event)}\n\n`;
    })
    .join('');
  return new Response(text + (how.done ? 'data: [DONE]\n\n' : ''), {
    headers: { 'content-type': 'text/event-stream' },
  });
}

function chat(body: Body): Response {
  const base = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_790_000_000, model: body.model };
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    ...base,
    choices: [{ index: 0, delta, finish_reason }],
  });
  const usage = { ...base, choices: [], usage: { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 } };
  const shell = shellOf((body.tools ?? []).map((tool: Body) => tool.function?.name));
  const isFirst = shell !== null && !body.messages.some((message: Body) => message.role === 'tool');
  if (!body.stream) {
    const message = { role: 'assistant', content: answerFor(body) };
    return Response.json({
      ...base,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage: usage.usage,
    });
  }
  if (!isFirst) {
    return events(
      [chunk({ role: 'assistant', content: '' }), chunk({ content: answerFor(body) }), chunk({}, 'stop'), usage],
      { named: false, done: true },
    );
  }
  const text = JSON.stringify(argumentsFor(shell));
  const call = (piece: object) => chunk({ tool_calls: [{ index: 0, ...piece }] });
  return events(
    [
      chunk({ role: 'assistant', content: null, reasoning_content: 'I should ' }),
      chunk({ reasoning_content: 'run it.' }),
      call({ id: `call_${requestsSeen()}`, type: 'function', function: { name: shell, arguments: '' } }),
      call({ function: { arguments: text.slice(0, 7) } }),
      call({ function: { arguments: text.slice(7) } }),
      chunk({}, 'tool_calls'),
      usage,
    ],
    { named: false, done: true },
  );
}

let seen = 0;
const requestsSeen = () => ++seen;

function messages(body: Body): Response {
  const usage = { input_tokens: 12, output_tokens: 5 };
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: body.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage,
  };
  const shell = shellOf((body.tools ?? []).map((tool: Body) => tool.name));
  const isFirst = shell !== null && !JSON.stringify(body.messages).includes('"tool_result"');
  if (!body.stream) {
    return Response.json({ ...message, content: [{ type: 'text', text: answerFor(body) }], stop_reason: 'end_turn' });
  }
  const block = (index: number, content_block: object, ...deltas: object[]) => [
    { type: 'content_block_start', index, content_block },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ];
  const end = (stop_reason: string) => [
    { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 5 } },
    { type: 'message_stop' },
  ];
  const start = { type: 'message_start', message };
  if (!isFirst) {
    const text = { type: 'text_delta', text: answerFor(body) };
    return events([start, ...block(0, { type: 'text', text: '' }, text), ...end('end_turn')], { named: true });
  }
  const json = JSON.stringify(argumentsFor(shell));
  return events(
    [
      start,
      ...block(
        0,
        { type: 'thinking', thinking: '', signature: '' },
        { type: 'thinking_delta', thinking: 'I should run it.' },
        { type: 'signature_delta', signature: THOUGHT },
      ),
      ...block(
        1,
        { type: 'tool_use', id: `toolu_${requestsSeen()}`, name: shell, input: {} },
        { type: 'input_json_delta', partial_json: json.slice(0, 7) },
        { type: 'input_json_delta', partial_json: json.slice(7) },
      ),
      ...end('tool_use'),
    ],
    { named: true },
  );
}

function responses(body: Body): Response {
  const id = `resp_${requestsSeen()}`;
  const usage = {
    input_tokens: 12,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 5,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 17,
  };
  const response = (status: string, output: object[] = []) => ({
    id,
    object: 'response',
    created_at: 1_790_000_000,
    status,
    model: body.model,
    output,
    usage: status === 'completed' ? usage : null,
  });
  const shell = shellOf((body.tools ?? []).map((tool: Body) => tool.name));
  const isFirst = shell !== null && !JSON.stringify(body.input).includes('function_call_output');
  const text = answerFor(body);
  const message = {
    id: 'msg_1',
    type: 'message',
    status: 'completed',
    role: 'assistant',
    content: [{ type: 'output_text', text, annotations: [], logprobs: [] }],
  };
  const call =
    shell === null
      ? null
      : {
          id: 'fc_1',
          type: 'function_call',
          status: 'completed',
          call_id: `call_${seen}`,
          name: shell,
          arguments: JSON.stringify(argumentsFor(shell)),
        };
  const item: object = isFirst && call ? call : message;
  if (!body.stream) return Response.json(response('completed', [item]));
  const numbered = (list: object[]) => list.map((event, sequence_number) => ({ ...event, sequence_number }));
  const middle =
    isFirst && call
      ? [
          {
            type: 'response.output_item.added',
            output_index: 0,
            item: { ...call, status: 'in_progress', arguments: '' },
          },
          { type: 'response.function_call_arguments.delta', item_id: 'fc_1', output_index: 0, delta: call.arguments },
          {
            type: 'response.function_call_arguments.done',
            item_id: 'fc_1',
            output_index: 0,
            arguments: call.arguments,
          },
        ]
      : [
          {
            type: 'response.output_item.added',
            output_index: 0,
            item: { ...message, status: 'in_progress', content: [] },
          },
          {
            type: 'response.content_part.added',
            item_id: 'msg_1',
            output_index: 0,
            content_index: 0,
            part: { type: 'output_text', text: '', annotations: [], logprobs: [] },
          },
          {
            type: 'response.output_text.delta',
            item_id: 'msg_1',
            output_index: 0,
            content_index: 0,
            delta: text,
            logprobs: [],
          },
          {
            type: 'response.output_text.done',
            item_id: 'msg_1',
            output_index: 0,
            content_index: 0,
            text,
            logprobs: [],
          },
          {
            type: 'response.content_part.done',
            item_id: 'msg_1',
            output_index: 0,
            content_index: 0,
            part: message.content[0],
          },
        ];
  return events(
    numbered([
      { type: 'response.created', response: response('in_progress') },
      { type: 'response.in_progress', response: response('in_progress') },
      ...middle,
      { type: 'response.output_item.done', output_index: 0, item },
      { type: 'response.completed', response: response('completed', [item]) },
    ]),
    { named: true },
  );
}

function gemini(path: string, body: Body): Response {
  const usageMetadata = { promptTokenCount: 12, candidatesTokenCount: 5, totalTokenCount: 17 };
  const reply = (parts: object[], finishReason?: string) => ({
    candidates: [{ content: { role: 'model', parts }, index: 0, ...(finishReason && { finishReason }) }],
    usageMetadata,
    modelVersion: 'gemini-3-flash',
    responseId: 'reply-1',
  });
  const shell = shellOf(
    (body.tools ?? []).flatMap((tool: Body) => tool.functionDeclarations ?? []).map((tool: Body) => tool.name),
  );
  const isFirst = shell !== null && !JSON.stringify(body.contents).includes('"functionResponse"');
  const list =
    isFirst && shell
      ? [
          reply([{ text: 'I should run it.', thought: true }]),
          reply([{ functionCall: { name: shell, args: argumentsFor(shell) }, thoughtSignature: THOUGHT }], 'STOP'),
        ]
      : [reply([{ text: answerFor(body) }], 'STOP')];
  if (path.includes('streamGenerateContent')) return events(list, { named: false });
  return Response.json(list.at(-1));
}
