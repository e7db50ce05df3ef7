// What falls back to what, with the tiers and the names that the program comes with; and that `test-route` says so before.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { objectsIn } from '../../src/shared/json-shape.ts';
import type { RouteReport } from '../../src/gateway/operations.ts';
import {
  type Answer,
  answer,
  chatStream,
  hangUp,
  type Received,
  refusal,
  reply,
  type ScriptedUpstream,
  startUpstream,
  stream,
} from '../support/scripted-upstream.ts';
import { type Rotator, startRotator } from '../support/server.ts';
import { textOf } from '../support/stream-tap.ts';

/** Vendor → what its list names, as it names it. */
const LISTS = {
  openai: ['gpt-4o', 'gpt-4o-mini'],
  anthropic: ['claude-sonnet-4-5-20250929'],
  groq: ['llama-3.3-70b-versatile', 'llama-3.1-8b-instant', 'openai/gpt-oss-120b', 'qwen/qwen3-32b'],
  openrouter: [
    'openai/gpt-4o',
    'openai/gpt-4o-mini',
    'anthropic/claude-sonnet-4.5',
    'google/gemini-2.5-flash',
    'meta-llama/llama-3.3-70b-instruct',
    'openai/gpt-oss-120b',
    'qwen/qwen3-32b',
  ],
  cerebras: ['llama-3.3-70b', 'gpt-oss-120b', 'qwen-3-32b'],
  gemini: ['gemini-2.5-flash'],
  nvidia: ['meta/llama-3.3-70b-instruct', 'openai/gpt-oss-120b'],
  chutes: ['Qwen/Qwen3-32B'],
  g4f: ['gpt-4o', 'gpt-4o-mini', 'llama-3.3-70b', 'gemini-2.5-flash'],
} as const satisfies Readonly<Record<string, readonly string[]>>;
type Vendor = keyof typeof LISTS;
const VENDORS = Object.keys(LISTS) as readonly Vendor[];

/** What is asked for → the targets in the order in which they are tried. Written down by hand. */
const CHAINS = [
  ['openai/gpt-4o', ['openai/gpt-4o', 'openrouter/openai/gpt-4o', 'g4f/gpt-4o']],
  ['openai/gpt-4o-mini', ['openai/gpt-4o-mini', 'openrouter/openai/gpt-4o-mini', 'g4f/gpt-4o-mini']],
  ['anthropic/claude-sonnet-4-5', ['anthropic/claude-sonnet-4-5', 'openrouter/anthropic/claude-sonnet-4.5']],
  [
    'groq/llama-3.3-70b-versatile',
    [
      'groq/llama-3.3-70b-versatile',
      'cerebras/llama-3.3-70b',
      'openrouter/meta-llama/llama-3.3-70b-instruct',
      'nvidia/meta/llama-3.3-70b-instruct',
      'g4f/llama-3.3-70b',
    ],
  ],
  ['groq/llama-3.1-8b-instant', ['groq/llama-3.1-8b-instant']],
  [
    'cerebras/gpt-oss-120b',
    [
      'cerebras/gpt-oss-120b',
      'groq/openai/gpt-oss-120b',
      'openrouter/openai/gpt-oss-120b',
      'nvidia/openai/gpt-oss-120b',
    ],
  ],
  [
    'openrouter/qwen/qwen3-32b',
    ['openrouter/qwen/qwen3-32b', 'cerebras/qwen-3-32b', 'groq/qwen/qwen3-32b', 'chutes/Qwen/Qwen3-32B'],
  ],
  // Never upwards: OpenRouter has both, in a better tier.
  ['gemini/gemini-2.5-flash', ['gemini/gemini-2.5-flash', 'g4f/gemini-2.5-flash']],
  ['nvidia/meta/llama-3.3-70b-instruct', ['nvidia/meta/llama-3.3-70b-instruct', 'g4f/llama-3.3-70b']],
] as const satisfies readonly (readonly [string, readonly string[]])[];

const FAULTS: Readonly<Record<string, Answer>> = {
  'a 500': refusal(500, { message: 'The server had an error' }),
  'a 429': refusal(429, { message: 'Rate limit reached' }, { 'retry-after': '60' }),
  'a 401': refusal(401, { message: 'Incorrect API key provided', code: 'invalid_api_key' }),
  'a 402': refusal(402, { message: 'Insufficient balance' }),
  'a 529': refusal(529, { message: 'Overloaded' }),
  'no model': refusal(404, { message: 'The model does not exist', code: 'model_not_found' }),
  'a connection that is hung up': hangUp,
};
const FAULT_NAMES = Object.keys(FAULTS);

type World = AsyncDisposable & {
  readonly rotator: Rotator;
  /** Vendor → what is wrong with it. */
  readonly faults: Map<Vendor, string>;
  /** Targets in the order in which they were called, as the vendors saw it. */
  readonly heard: string[];
};

/** Every vendor up, its list read. */
async function world(options: object = {}): Promise<World> {
  const faults = new Map<Vendor, string>();
  const heard: string[] = [];
  const upstreams = new Map<Vendor, ScriptedUpstream>();
  for (const vendor of VENDORS) {
    const models =
      vendor === 'gemini' ? reply(200, { models: LISTS[vendor].map((name) => ({ name })) }) : LISTS[vendor];
    const told = (request: Received): Answer => {
      const { isStream, model } = readCall(vendor, request);
      heard.push(`${vendor}/${model}`);
      const fault = FAULTS[faults.get(vendor) ?? ''];
      return fault ?? SAYS[vendor]?.(`from ${vendor}`, isStream) ?? (isStream ? chatStream : answer)(`from ${vendor}`);
    };
    upstreams.set(vendor, await startUpstream({ models, answer: told }));
  }
  const rotator = await startRotator({
    rotation: { retries_same_key: 0, wait_same_key: 0 },
    providers: Object.fromEntries(
      [...upstreams].map(([vendor, { baseUrl }]) => [vendor, { base_url: baseUrl, keys: [`key-of-${vendor}`] }]),
    ),
    ...options,
  });
  await (await rotator.get('/v1/models')).text();
  return {
    rotator,
    faults,
    heard,
    [Symbol.asyncDispose]: async () => {
      await rotator.stop();
      for (const upstream of upstreams.values()) await upstream.close();
    },
  };
}

function readCall(vendor: Vendor, { path, text }: Received): { readonly model: string; readonly isStream: boolean } {
  if (vendor === 'gemini') {
    return { model: /models\/(.+):/.exec(path)?.[1] ?? '', isStream: path.includes(':stream') };
  }
  const body: { model?: unknown; stream?: unknown } = JSON.parse(text);
  return { model: String(body.model), isStream: body.stream === true };
}

const event = (data: { readonly type: string }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;

/** Those that do not speak OpenAI's protocol. */
const SAYS: Readonly<Partial<Record<Vendor, (text: string, isStream: boolean) => Answer>>> = {
  anthropic: (text, isStream) => {
    const message = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude',
      stop_sequence: null,
      usage: { input_tokens: 7, output_tokens: 3 },
    };
    if (!isStream) return reply(200, { ...message, content: [{ type: 'text', text }], stop_reason: 'end_turn' });
    const events = [
      { type: 'message_start', message: { ...message, content: [], stop_reason: null } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 3 } },
      { type: 'message_stop' },
    ];
    return stream(events.map(event));
  },
  gemini: (text, isStream) => {
    const body = {
      candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP', index: 0 }],
      usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 3, totalTokenCount: 10 },
    };
    return isStream ? stream([`data: ${JSON.stringify(body)}\n\n`]) : reply(200, body);
  },
};

const vendorOf = (target: string) => target.slice(0, target.indexOf('/')) as Vendor;

async function ask(rotator: Rotator, model: string, isStream: boolean) {
  const response = await rotator.chat({ model, ...(isStream && { stream: true }) });
  const text = await response.text();
  const isServed = response.status === 200;
  return {
    status: response.status,
    target: response.headers.get('x-rotator-target'),
    fallback: response.headers.get('x-fallback-provider'),
    content: isServed ? (isStream ? textOf(text) : contentOf(JSON.parse(text))) : text,
  };
}

function contentOf(body: { readonly choices?: unknown }): unknown {
  const message = objectsIn(body.choices)[0]?.message;
  return typeof message === 'object' && message !== null && 'content' in message ? message.content : null;
}

async function testRoute(rotator: Rotator, model: string): Promise<RouteReport> {
  const response = await rotator.admin('test-route', { method: 'POST', body: { model } });
  return response.json() as Promise<RouteReport>;
}

/** Targets that the report says can be tried now, in its order. */
const ready = (report: RouteReport): readonly string[] =>
  report.targets
    .filter(
      ({ skipped, credentials }) => skipped === null && credentials.some((one) => /chosen|ready/.test(one.verdict)),
    )
    .map(({ target }) => target);

const ways = [
  ['whole', false],
  ['streamed', true],
] as const;

describe.each(CHAINS)('%s', (model, chain) => {
  let here: World;
  beforeAll(async () => {
    here = await world();
  });
  afterAll(async () => here[Symbol.asyncDispose]());

  test('is told beforehand to be tried there', async () => {
    const report = await testRoute(here.rotator, model);
    expect(report.resolved).toBe('provider');
    expect(report.would_serve?.target).toBe(chain[0]);
    expect(ready(report)).toEqual([...chain]);
  });

  for (const [way, isStream] of ways) {
    for (const [down, target] of chain.entries()) {
      test(`${way}, is served by ${target} when ${down} before it are down`, async () => {
        await using own = await world();
        for (const [at, one] of chain.slice(0, down).entries()) {
          own.faults.set(vendorOf(one), FAULT_NAMES[(at + down) % (FAULT_NAMES.length - 1)] ?? '');
        }
        expect(await ask(own.rotator, model, isStream)).toEqual({
          status: 200,
          target,
          fallback: down === 0 ? null : vendorOf(target),
          content: `from ${vendorOf(target)}`,
        });
        expect(own.heard).toEqual(chain.slice(0, down + 1));
      });
    }
  }
});

test('whatever is down, and in whichever order things break, what happens is what was told', async () => {
  const step = fc.record({
    chain: fc.constantFrom(...CHAINS),
    isStream: fc.boolean(),
    // At most one connection breaks: two that may have been billed end a request.
    broken: fc.dictionary(fc.constantFrom(...VENDORS), fc.constantFrom(...FAULT_NAMES.slice(0, -1)), { maxKeys: 6 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
      await using here = await world();
      for (const { chain, isStream, broken } of steps) {
        here.faults.clear();
        for (const vendor of VENDORS) if (broken[vendor]) here.faults.set(vendor, broken[vendor]);
        const [model, whole] = chain;
        const before = await testRoute(here.rotator, model);
        const order = ready(before);
        // In order, without repeats, and only what was said of a rested world.
        expect(order).toEqual(whole.filter((target) => order.includes(target)));
        expect(before.would_serve?.target ?? null).toBe(order[0] ?? null);
        here.heard.length = 0;
        const { status, target } = await ask(here.rotator, model, isStream);
        const expected = order.find((one) => !here.faults.has(vendorOf(one))) ?? null;
        expect(target).toBe(expected ?? target);
        expect(status === 200).toBe(expected !== null);
        const tried = expected === null ? order : order.slice(0, order.indexOf(expected) + 1);
        expect(here.heard).toEqual([...tried]);
      }
    }),
    { numRuns: 25 },
  );
}, 60_000);
