// What coding agents really send, in all its oddness, to a strict vendor of every protocol: it is understood, and what it
// loses on the way is said.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { ProtocolId } from '../../../src/protocols/codec.ts';
import { codecOf } from '../../../src/protocols/index.ts';
import { built, heardWhole } from '../../conformance/protocol-lane.ts';
import { clientKey, type Rotator, startRotator } from '../../support/server.ts';
import { KEY, startVendor, type Vendor } from './vendors.ts';

const protocols: readonly ProtocolId[] = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'];
const models: Readonly<Record<ProtocolId, string>> = {
  'openai-chat': 'gpt-5.1',
  'openai-responses': 'gpt-5.5',
  'anthropic-messages': 'claude-sonnet-4-5',
  gemini: 'gemini-3-pro',
};

type AgentCall = {
  readonly protocol: ProtocolId;
  readonly path: (model: string) => string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: (model: string) => object;
  /** What is said to be lost where another protocol is spoken; each at least once on some vendor. */
  readonly losses: readonly RegExp[];
  /** What its tools gave back, in the order of the calls. */
  readonly results: readonly string[];
};

const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    command: { type: 'string', minLength: 1 },
    timeout: { type: ['integer', 'null'], exclusiveMinimum: 0 },
    mode: { anyOf: [{ const: 'fast' }, { const: 'slow' }] },
    rest: { type: 'object', additionalProperties: { $ref: '#/$defs/any' } },
  },
  required: ['command'],
  additionalProperties: false,
  $defs: { any: {} },
};

const agents: Readonly<Record<string, AgentCall>> = {
  'Claude Code': {
    protocol: 'anthropic-messages',
    path: () => '/v1/messages?beta=true',
    headers: {
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27',
    },
    body: (model) => ({
      model,
      max_tokens: 32_000,
      stream: true,
      metadata: { user_id: '{"device_id":"d","session_id":"s"}' },
      thinking: { type: 'adaptive' },
      output_config: { effort: 'high' },
      context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
      system: [
        { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.330; cch=1;' },
        { type: 'text', text: 'You are Claude Code.', cache_control: { type: 'ephemeral' } },
        { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } },
      ],
      tools: [
        { name: 'Bash', description: 'Runs', input_schema: schema, eager_input_streaming: true },
        { name: 'mcp__my_server__do_it', description: 'Odd', input_schema: { type: 'object' } },
        { type: 'web_search_20250305', name: 'web_search', max_uses: 8 },
      ],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'list' }] },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Sure.' },
            { type: 'tool_use', id: 'toolu_01', name: 'Bash', input: { command: 'ls' } },
            { type: 'tool_use', id: 'toolu_02', name: 'mcp__my_server__do_it', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 'toolu_02',
              content: [{ type: 'text', text: 'b.txt' }],
              is_error: true,
            },
            { type: 'tool_result', tool_use_id: 'toolu_01', content: 'a.txt', cache_control: { type: 'ephemeral' } },
            { type: 'text', text: '<system-reminder>Mind the gap.</system-reminder>' },
          ],
        },
        { role: 'system', content: '<total_tokens>1000 tokens left</total_tokens>' },
      ],
    }),
    losses: [/^tool web_search_20250305 removed$/, /^context_management removed$/],
    results: ['a.txt', 'b.txt'],
  },

  Codex: {
    protocol: 'openai-responses',
    path: () => '/v1/responses',
    headers: { 'session-id': 's', originator: 'codex_exec' },
    body: (model) => ({
      model,
      stream: true,
      store: false,
      include: ['reasoning.encrypted_content'],
      prompt_cache_key: 'thread-1',
      parallel_tool_calls: true,
      tool_choice: 'auto',
      reasoning: { effort: 'high', summary: 'auto' },
      text: { verbosity: 'low' },
      client_metadata: { 'x-codex-installation-id': 'i' },
      tools: [
        { type: 'function', name: 'exec_command', description: 'Runs', strict: false, parameters: schema },
        {
          type: 'namespace',
          name: 'multi_agent_v1',
          description: 'Agents',
          tools: [
            {
              type: 'function',
              name: 'spawn_agent',
              description: 'Spawns',
              strict: false,
              parameters: { type: 'object' },
            },
          ],
        },
        {
          type: 'custom',
          name: 'apply_patch',
          description: 'Patches',
          format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' },
        },
        { type: 'web_search', external_web_access: true },
      ],
      input: [
        { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'You are Codex.' }] },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: '<environment_context/>' }] },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'list' }] },
        { type: 'function_call', id: 'fc_9', call_id: 'call_1', name: 'exec_command', arguments: '{"command":"ls"}' },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Running.' }] },
        { type: 'custom_tool_call', id: 'ctc_9', call_id: 'call_2', name: 'apply_patch', input: '*** Begin Patch' },
        { type: 'function_call_output', call_id: 'call_1', output: 'a.txt' },
        { type: 'custom_tool_call_output', call_id: 'call_2', output: 'Done' },
      ],
    }),
    losses: [/^tool web_search removed$/, /^client_metadata removed$/, /grammar|format/],
    results: ['a.txt', 'Done'],
  },

  opencode: {
    protocol: 'openai-chat',
    path: () => '/v1/chat/completions',
    headers: { 'x-session-id': 's' },
    body: (model) => ({
      model,
      max_tokens: 32_000,
      stream: true,
      stream_options: { include_usage: true },
      tool_choice: 'auto',
      tools: [{ type: 'function', function: { name: 'bash', description: 'Runs', parameters: schema } }],
      messages: [
        { role: 'system', content: 'You are opencode.' },
        { role: 'user', content: [{ type: 'text', text: 'list' }] },
        {
          role: 'assistant',
          content: '',
          reasoning_content: 'hm',
          tool_calls: [
            { id: 'functions.bash:0', type: 'function', function: { name: 'bash', arguments: '{"command":"ls"}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'functions.bash:0', content: 'a.txt' },
      ],
    }),
    losses: [],
    results: ['a.txt'],
  },

  'Gemini CLI': {
    protocol: 'gemini',
    path: (model) => `/v1beta/models/${model}:streamGenerateContent?alt=sse`,
    body: () => ({
      contents: [
        { role: 'user', parts: [{ text: '<session_context/>' }] },
        { role: 'user', parts: [{ text: 'list' }] },
        {
          role: 'model',
          parts: [
            { text: 'Hm.', thought: true },
            {
              functionCall: { name: 'run_shell_command', args: { command: 'ls' }, id: 'x-1' },
              thoughtSignature: 'skip_thought_signature_validator',
            },
          ],
        },
        {
          role: 'user',
          parts: [{ functionResponse: { id: 'x-1', name: 'run_shell_command', response: { output: 'a.txt' } } }],
        },
      ],
      systemInstruction: { role: 'user', parts: [{ text: 'You are Gemini CLI.' }] },
      tools: [
        { functionDeclarations: [{ name: 'run_shell_command', description: 'Runs', parametersJsonSchema: schema }] },
      ],
      generationConfig: {
        temperature: 1,
        topP: 0.95,
        topK: 64,
        thinkingConfig: { includeThoughts: true, thinkingLevel: 'HIGH' },
      },
      safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
    }),
    losses: [/^safetySettings removed$/],
    results: ['a.txt'],
  },
};

let rotator: Rotator;
const vendors = new Map<ProtocolId, Vendor>();
const ownVendors = new Map<ProtocolId, Vendor>();

beforeAll(async () => {
  for (const protocol of protocols) vendors.set(protocol, startVendor(protocol));
  for (const protocol of protocols) ownVendors.set(protocol, startVendor(protocol, { isStrict: false }));
  rotator = await startRotator({
    providers: Object.fromEntries(
      protocols.flatMap((protocol) => [
        [`v-${protocol}`, { base_url: vendors.get(protocol)?.baseUrl, protocol, keys: [KEY] }],
        [`own-${protocol}`, { base_url: ownVendors.get(protocol)?.baseUrl, protocol, keys: [KEY] }],
      ]),
    ),
  });
});
afterAll(async () => {
  await rotator.stop();
  for (const vendor of [...vendors.values(), ...ownVendors.values()]) await vendor[Symbol.asyncDispose]();
});

async function called({ path, headers, body, protocol }: AgentCall, upstream: ProtocolId) {
  const model = `${protocol === upstream ? 'own' : 'v'}-${upstream}/${models[upstream]}`;
  const response = await fetch(`${rotator.url}${path(model)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body(model)),
  });
  const warnings = (response.headers.get('x-rotator-warnings') ?? '').split(/;\s*/).filter((warning) => warning !== '');
  return { status: response.status, text: await response.text(), warnings };
}

/** The words of a stream, read by its protocol’s codec. */
function heardIn(protocol: ProtocolId, stream: string): string {
  const [choice] = built(heardWhole(codecOf(protocol), stream)).choices;
  const texts = (choice?.parts ?? []).map((part) => (part.type === 'text' ? part.text : ''));
  return texts.join('');
}

describe.each(Object.entries(agents))('%s', (_, agent) => {
  test.each(protocols.map((protocol) => [protocol] as const))('is understood by a vendor of %s', async (upstream) => {
    const { status, text } = await called(agent, upstream);
    expect([status, status === 200 ? '' : text]).toEqual([200, '']);
    // What the tools gave back has been read: the answer is made of it.
    // (In the order of the calls, but where nobody may touch the order of the client; a failure may be marked as one.)
    const said = heardIn(agent.protocol, text).replace(/^So: |Error: |\.$/g, '');
    expect(said.split(', ').sort()).toEqual([...agent.results].sort());
  });

  test('is told what it loses', async () => {
    const told = await Promise.all(protocols.map(async (upstream) => (await called(agent, upstream)).warnings));
    const all = told.flat();
    for (const loss of agent.losses) expect(all.filter((warning) => loss.test(warning))).not.toEqual([]);
  });
});
