import { describe, expect, test } from 'bun:test';
import { z } from 'zod';
import { zodTextFormat } from 'openai/helpers/zod';
import type { ChatEvent } from '../../../src/protocols/ir.ts';
import { openAiResponses } from '../../../src/protocols/openai-responses/index.ts';
import { eventsOf, recordedReply, recordedStream, withOpenAi } from '../../support/responses-fixtures.ts';
import { decodeContext, heard, replyContext, said } from '../../support/responses-hub.ts';
import { plainUsage } from '../../support/plain-chat.ts';

const start: ChatEvent = { type: 'start', id: 'msg_01', model: 'claude-opus-4-8', created: null };
const text = (value: string): ChatEvent => ({ type: 'text-delta', choice: 0, text: value });
const thought = (value: string): ChatEvent => ({ type: 'reasoning-delta', choice: 0, text: value });
const opened = (call: number, id: string, name: string, kind: 'function' | 'custom' = 'function'): ChatEvent => ({
  type: 'tool-call-start',
  choice: 0,
  call,
  id,
  name,
  kind,
});
const piece = (call: number, value: string): ChatEvent => ({ type: 'tool-call-delta', choice: 0, call, text: value });
const closed = (call: number): ChatEvent => ({ type: 'tool-call-end', choice: 0, call });
const finish = (unified: 'stop' | 'length' | 'tool-calls' | 'content-filter'): ChatEvent => ({
  type: 'finish',
  choice: 0,
  finish: { unified, raw: unified },
});
const used: ChatEvent = { type: 'usage', usage: plainUsage };

const everything: readonly ChatEvent[] = [
  start,
  thought('one'),
  { type: 'reasoning-break', choice: 0 },
  thought('two'),
  text('Hel'),
  text('lo'),
  { type: 'citation', choice: 0, citation: { url: 'https://a.example/', title: null, citedText: null, range: null } },
  opened(0, 'call_1', 'f'),
  piece(0, '{"a"'),
  opened(1, 'call_2', 'g'),
  piece(0, ':1}'),
  piece(1, '{}'),
  closed(1),
  closed(0),
  finish('tool-calls'),
  used,
];

const types = (stream: string) => eventsOf(stream).map(({ type }) => String(type).replace(/^response\./, ''));

describe('a stream for a client of Responses', () => {
  test('gives a call without arguments some that parse, piece and whole', () => {
    const { stream } = said([start, opened(0, 'call_1', 'f'), closed(0), finish('tool-calls')]);
    const of = (type: string) => eventsOf(stream).find((event) => event.type === `response.${type}`);
    expect(of('function_call_arguments.delta')).toMatchObject({ delta: '{}' });
    expect(of('function_call_arguments.done')).toMatchObject({ arguments: '{}' });
    expect(of('completed')).toMatchObject({ response: { output: [{ arguments: '{}' }] } });
  });

  test('has exactly the protocol’s events in their order', () => {
    expect(types(said(everything).stream)).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.annotation.added',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'function_call_arguments.done',
      'output_item.done',
      'completed',
    ]);
  });

  test('counts from 0 without a gap, keeps each item’s place, and repeats all items at the end in that order', () => {
    const { stream, final, progress } = said(everything);
    const events = eventsOf(stream);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
    expect(progress).toMatchObject({
      announced: { id: 'resp_s1', status: 'in_progress' },
      nextSequence: events.length,
    });
    const done = events.filter(({ type }) => type === 'response.output_item.done');
    expect(done.map(({ output_index }) => output_index)).toEqual([0, 1, 3, 2]);
    const ordered = [...done].sort((a, b) => Number(a.output_index) - Number(b.output_index)).map(({ item }) => item);
    expect(final.output).toEqual(ordered);
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: final });
  });

  test('ends with the whole answer', () => {
    expect(said(everything).final).toMatchObject({
      id: 'resp_s1',
      object: 'response',
      created_at: 1_790_000_000,
      model: 'claude-opus-4-8',
      status: 'completed',
      error: null,
      incomplete_details: null,
      output: [
        {
          id: 'rs_rotator_s1_0',
          type: 'reasoning',
          summary: [
            { type: 'summary_text', text: 'one' },
            { type: 'summary_text', text: 'two' },
          ],
        },
        {
          id: 'msg_s1_1',
          type: 'message',
          status: 'completed',
          role: 'assistant',
          content: [
            {
              type: 'output_text',
              text: 'Hello',
              annotations: [
                { type: 'url_citation', start_index: 0, end_index: 5, url: 'https://a.example/', title: '' },
              ],
              logprobs: [],
            },
          ],
        },
        {
          id: 'fc_s1_2',
          type: 'function_call',
          status: 'completed',
          call_id: 'call_1',
          name: 'f',
          arguments: '{"a":1}',
        },
        { id: 'fc_s1_3', type: 'function_call', status: 'completed', call_id: 'call_2', name: 'g', arguments: '{}' },
      ],
      usage: {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 4, cache_write_tokens: 0 },
        output_tokens: 5,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 15,
      },
    });
  });

  test('repeats what was asked', () => {
    const asked = {
      instructions: 'Be brief.',
      tools: [{ type: 'namespace', name: 'crm', description: 'd', tools: [{ type: 'function', name: 'find' }] }],
      tool_choice: 'required',
      text: { format: { type: 'json_object' } },
      reasoning: { effort: 'low' },
      temperature: 0.5,
      max_output_tokens: 50,
      metadata: { a: 'b' },
      store: false,
      user: 'u',
    };
    const { final } = said([start, text('x'), finish('stop')], replyContext(asked));
    expect(final).toMatchObject({ ...asked, reasoning: { effort: 'low', summary: null }, parallel_tool_calls: true });
    expect(said([start, finish('stop')]).final).toMatchObject({
      instructions: null,
      tools: [],
      tool_choice: 'auto',
      text: { format: { type: 'text' } },
      reasoning: { effort: null, summary: null },
      temperature: 1,
      top_p: 1,
      truncation: 'disabled',
      metadata: {},
      store: true,
      usage: null,
    });
  });

  test('that nobody started is started all the same', () => {
    expect(types(said([text('x')]).stream).slice(0, 3)).toEqual(['created', 'in_progress', 'output_item.added']);
    expect(types(said([]).stream)).toEqual(['created', 'in_progress', 'completed']);
  });

  const ends: readonly [ChatEvent, string, unknown][] = [
    [finish('length'), 'incomplete', { reason: 'max_output_tokens' }],
    [finish('content-filter'), 'incomplete', { reason: 'content_filter' }],
    [finish('stop'), 'completed', null],
  ];
  for (const [end, status, details] of ends) {
    test(`is ${status} for ${end.type === 'finish' ? end.finish.unified : ''}, and so is its last message`, () => {
      const { stream, final } = said([start, text('Hel'), end, used]);
      expect(types(stream).at(-1)).toBe(status);
      expect(final).toMatchObject({ status, incomplete_details: details, output: [{ status }] });
      expect(final.usage).toMatchObject({ total_tokens: 15 });
    });
  }

  test('unwraps the stand-in of a custom tool while it comes, and hears one that speaks plainly', () => {
    const context = replyContext({ tools: [{ type: 'custom', name: 'patch' }] });
    const { stream, final } = said(
      [
        start,
        opened(0, 'c1', 'patch'),
        piece(0, '{"input":"*** B'),
        piece(0, 'egin\\n'),
        piece(0, '\\u00e9"}'),
        closed(0),
        opened(1, 'c2', 'patch', 'custom'),
        piece(1, '{"input":"x"}'),
        closed(1),
        finish('tool-calls'),
      ],
      context,
    );
    const deltas = eventsOf(stream).filter(({ type }) => type === 'response.custom_tool_call_input.delta');
    expect(deltas.map(({ delta }) => delta)).toEqual(['*** B', 'egin\n', 'é', '{"input":"x"}']);
    expect(final.output).toMatchObject([
      { id: 'ctc_s1_0', type: 'custom_tool_call', call_id: 'c1', name: 'patch', input: '*** Begin\né' },
      { id: 'ctc_s1_1', type: 'custom_tool_call', call_id: 'c2', input: '{"input":"x"}' },
    ]);
  });

  test('gives calls of tools in namespaces their namespace back', () => {
    const context = replyContext({
      tools: [{ type: 'namespace', name: 'crm', description: 'd', tools: [{ type: 'function', name: 'find' }] }],
    });
    const { final } = said([start, opened(0, 'c', 'crm__find'), closed(0), finish('tool-calls')], context);
    expect(final.output).toMatchObject([{ type: 'function_call', name: 'find', namespace: 'crm' }]);
  });

  test('brings encrypted reasoning to a client that asked for it, and to no other', () => {
    const signature = { protocol: 'openai-responses', value: 'ENC', itemId: 'rs_1' } as const;
    const events: readonly ChatEvent[] = [
      start,
      thought('hm'),
      { type: 'reasoning-signature', choice: 0, signature },
      { type: 'redacted-reasoning', choice: 0, signature: { ...signature, value: 'ENC2' } },
      text('x'),
      finish('stop'),
    ];
    const asked = said(events, replyContext({ include: ['reasoning.encrypted_content'] })).final;
    expect(asked.output).toMatchObject([
      { type: 'reasoning', summary: [{ text: 'hm' }], encrypted_content: 'ENC' },
      { type: 'reasoning', summary: [], encrypted_content: 'ENC2' },
      { type: 'message' },
    ]);
    expect(JSON.stringify(said(events).final.output)).not.toContain('ENC');
  });

  test('shows images as items, links to images as text, and opens a new message after them', () => {
    const image = (source: Extract<ChatEvent, { type: 'media' }>['part']['source']): ChatEvent => ({
      type: 'media',
      choice: 0,
      part: { type: 'image', source },
    });
    const { stream, final } = said([
      start,
      text('a'),
      image({ kind: 'data', mediaType: 'image/webp', data: 'AAAA' }),
      text('b'),
      image({ kind: 'url', url: 'https://a.example/x.png' }),
      finish('stop'),
    ]);
    expect(final.output).toMatchObject([
      { type: 'message', content: [{ text: 'a' }] },
      { type: 'image_generation_call', id: 'ig_s1_1', status: 'completed', result: 'AAAA', output_format: 'webp' },
      { type: 'message', content: [{ text: 'b![image](https://a.example/x.png)' }] },
    ]);
    expect(types(stream).filter((type) => type.startsWith('image'))).toEqual([
      'image_generation_call.in_progress',
      'image_generation_call.generating',
      'image_generation_call.completed',
    ]);
  });

  test('has refusals as parts of the message', () => {
    const { final } = said([start, text('a'), { type: 'refusal-delta', choice: 0, text: 'no' }, finish('stop')]);
    expect(final.output).toMatchObject([
      {
        content: [
          { type: 'output_text', text: 'a' },
          { type: 'refusal', refusal: 'no' },
        ],
      },
    ]);
  });

  test('says nothing after the end of an answer, and one answer only', () => {
    const { final } = said([
      start,
      text('a'),
      { type: 'text-delta', choice: 1, text: 'other' },
      finish('stop'),
      text('late'),
    ]);
    expect(final.output).toMatchObject([{ content: [{ text: 'a' }] }]);
  });

  test('that breaks goes on counting in its error', () => {
    const encoder = openAiResponses.streamEncoder(replyContext());
    const sent = [start, text('a')].map((event) => encoder.push(event)).join('');
    const problem = { kind: 'upstream-broken', status: 502, message: 'cut' } as const;
    const [failed] = eventsOf(openAiResponses.errorFrames(problem, null, encoder.progress ?? null));
    expect(failed).toMatchObject({
      type: 'response.failed',
      sequence_number: eventsOf(sent).length,
      response: { id: 'resp_s1' },
    });
  });

  for (const name of ['reasoning-text-calls', 'search-image-custom', 'refusal', 'incomplete']) {
    test(`${name}: says what it heard`, () => {
      const context = replyContext({ include: ['reasoning.encrypted_content'] });
      const events = heard(recordedStream(name));
      expect(heard(said(events, context).stream).map(withoutIds)).toEqual(events.map(withoutIds));
    });
  }

  for (const name of ['reasoning-text-calls', 'search-image-custom']) {
    test(`${name}: is whole at once what it is as a stream`, () => {
      const reply = openAiResponses.decodeReply(recordedReply(name), decodeContext);
      const { value, warnings } = openAiResponses.encodeReply(reply, replyContext());
      expect(value).toEqual(said(heard(recordedStream(name))).final);
      expect(warnings).toEqual([]);
    });
  }

  test('tells of what a whole reply cannot hold', () => {
    const part = (name: string) => ({ type: 'foreign', protocol: 'gemini', name, value: {} }) as const;
    const choice = { parts: [part('executableCode')], finish: { unified: 'stop', raw: null } } as const;
    const reply = { id: null, model: null, created: null, choices: [choice, choice], usage: null };
    expect(openAiResponses.encodeReply(reply, replyContext()).warnings).toEqual([
      'executableCode removed',
      'further choices removed',
    ]);
  });
});

/** Items are numbered anew, and what is empty comes as nothing. */
function withoutIds(event: ChatEvent): unknown {
  return JSON.parse(JSON.stringify(event, (name, value) => (name === 'itemId' || name === 'id' ? undefined : value)));
}

describe('the official client', () => {
  test('hears a stream to its end: text, thoughts, parallel calls, usage', async () => {
    const heardTypes: string[] = [];
    const final = await withOpenAi({ body: said(everything).stream, isStream: true }, async (client) => {
      const stream = client.responses.stream({ model: 'm', input: 'x' });
      stream.on('event', ({ type }) => heardTypes.push(type));
      return stream.finalResponse();
    });
    expect(final.output_text).toBe('Hello');
    expect(final.output.map(({ type }) => type)).toEqual(['reasoning', 'message', 'function_call', 'function_call']);
    expect(final.usage?.total_tokens).toBe(15);
    expect(heardTypes.at(-1)).toBe('response.completed');
  });

  test('hears images, refusals and custom tools', async () => {
    const context = replyContext({ tools: [{ type: 'custom', name: 'patch' }] });
    const { stream } = said(
      [
        start,
        {
          type: 'media',
          choice: 0,
          part: { type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'AA' } },
        },
        { type: 'refusal-delta', choice: 0, text: 'no' },
        opened(0, 'c', 'patch'),
        piece(0, '{"input":"x"}'),
        closed(0),
        finish('tool-calls'),
      ],
      context,
    );
    const final = await withOpenAi({ body: stream, isStream: true }, (client) =>
      client.responses.stream({ model: 'm', input: 'x' }).finalResponse(),
    );
    expect(final.output).toMatchObject([
      { type: 'image_generation_call', result: 'AA' },
      { type: 'message', content: [{ type: 'refusal', refusal: 'no' }] },
      { type: 'custom_tool_call', input: 'x' },
    ]);
  });

  test('reads events one by one', async () => {
    const { stream } = said([start, text('Hel'), text('lo'), finish('stop')]);
    const texts = await withOpenAi({ body: stream, isStream: true }, async (client) => {
      const deltas: string[] = [];
      for await (const event of await client.responses.create({ model: 'm', input: 'x', stream: true })) {
        if (event.type === 'response.output_text.delta') deltas.push(event.delta);
      }
      return deltas;
    });
    expect(texts).toEqual(['Hel', 'lo']);
  });

  test('reads a whole reply, and parses structured output from it', async () => {
    const shape = z.object({ city: z.string() });
    const format = zodTextFormat(shape, 'place');
    const reply = {
      id: null,
      model: null,
      created: null,
      choices: [{ parts: [{ type: 'text', text: '{"city":"Paris"}' }], finish: { unified: 'stop', raw: null } }],
      usage: plainUsage,
    } as const;
    const { value } = openAiResponses.encodeReply(reply, replyContext());
    const body = JSON.stringify(value);
    const parsed = await withOpenAi({ body, isStream: false }, (client) =>
      client.responses.parse({ model: 'm', input: 'x', text: { format } }),
    );
    expect(parsed.output_parsed).toEqual({ city: 'Paris' });
    const created = await withOpenAi({ body, isStream: false }, (client) =>
      client.responses.create({ model: 'm', input: 'x' }),
    );
    expect([created.output_text, created.status]).toEqual(['{"city":"Paris"}', 'completed']);
  });
});
