import { describe, expect, test } from 'bun:test';
import { openAiResponses } from '../../../src/protocols/openai-responses/index.ts';
import { bytesOf, eventsOf, frames, recordedReply, withOpenAi } from '../../support/responses-fixtures.ts';

describe('a whole reply written as a stream', () => {
  for (const name of ['reasoning-text-calls', 'search-image-custom']) {
    const reply = recordedReply(name);
    const stream = openAiResponses.streamOf(bytesOf(reply), true);

    test(`${name}: counts from 0, names its events twice and ends with the reply itself`, () => {
      const events = eventsOf(stream);
      expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
      expect(frames(stream).map(({ event }) => event)).toEqual(events.map(({ type }) => String(type)));
      expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: reply });
    });

    test(`${name}: is read back as the same reply`, () => {
      const reader = openAiResponses.streamReader();
      for (const one of frames(stream)) reader.push(one);
      expect(reader.progress?.final).toEqual(reply);
    });

    test(`${name}: the official client hears all of it`, async () => {
      const heard = await withOpenAi({ body: stream, isStream: true }, (client) =>
        client.responses.stream({ model: 'm', input: 'x' }).finalResponse(),
      );
      expect(heard.output.map(({ type }) => type)).toEqual(
        (Array.isArray(reply.output) ? reply.output : []).map(({ type }) => type),
      );
      expect(heard.output_text).toBe(name === 'reasoning-text-calls' ? 'Hello, wörld' : 'Cats are cats');
    });
  }

  test('items without an id get one, the same in every event', () => {
    const stream = openAiResponses.streamOf(
      bytesOf({ id: 'resp_1', output: [{ type: 'message', content: [{ type: 'output_text', text: 'hi' }] }] }),
      true,
    );
    const ids = eventsOf(stream).flatMap((event) => (typeof event.item_id === 'string' ? [event.item_id] : []));
    expect(new Set(ids)).toEqual(new Set(['item_0']));
    expect(eventsOf(stream).at(-1)).toMatchObject({ response: { output: [{ id: 'item_0' }] } });
  });
});

test('a response that was cut begins like any other', () => {
  const cut = { id: 'r', status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, output: [] };
  const [created, , end] = eventsOf(openAiResponses.streamOf(bytesOf(cut), true));
  expect(created).toMatchObject({ response: { status: 'in_progress', incomplete_details: null } });
  expect(end).toMatchObject({ type: 'response.incomplete', response: cut });
});

test('a whole response tells the log probabilities of its text where a stream does', () => {
  const logprobs = [{ token: 'a', logprob: -1, bytes: [97], top_logprobs: [] }];
  const part = { type: 'output_text', text: 'a', annotations: [], logprobs };
  const reply = { id: 'r', status: 'completed', output: [{ type: 'message', id: 'm', content: [part] }] };
  const events = eventsOf(openAiResponses.streamOf(bytesOf(reply), true));
  const told = (type: string) => events.find((event) => event.type === type)?.logprobs;
  expect([told('response.output_text.delta'), told('response.output_text.done')]).toEqual([logprobs, logprobs]);
});
