// Answers that clients come back to: kept per client key, whoever gave them, and written out for vendors who know nothing of them.
import { describe, expect, test } from 'bun:test';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { generateText } from 'ai';
import OpenAI from 'openai';
import type { JsonRecord } from '../../src/protocols/ir.ts';
import { tempHome } from '../support/temp-home.ts';
import { clientKey, type Rotator, type RotatorOptions, startRotator } from '../support/server.ts';
import { KEY, startVendor, type Vendor } from './pairs/vendors.ts';

const OTHER_KEY = 'sk-rotator-somebody-else';

const served = (vendors: Readonly<Record<string, Vendor>>, protocols: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(vendors).map(([id, { baseUrl }]) => [
      id,
      { base_url: baseUrl, protocol: protocols[id], keys: [KEY] },
    ]),
  );

async function start(options: RotatorOptions = {}) {
  const chat = startVendor('openai-chat');
  const claude = startVendor('anthropic-messages');
  const rotator = await startRotator({
    providers: served(
      { 'v-chat': chat, 'v-claude': claude },
      { 'v-chat': 'openai-chat', 'v-claude': 'anthropic-messages' },
    ),
    server: {
      client_keys: [
        { name: 'test', key: clientKey },
        { name: 'other', key: OTHER_KEY },
      ],
    },
    ...options,
  });
  return {
    chat,
    claude,
    rotator,
    openai: new OpenAI({ baseURL: `${rotator.url}/v1`, apiKey: clientKey, maxRetries: 0 }),
    other: new OpenAI({ baseURL: `${rotator.url}/v1`, apiKey: OTHER_KEY, maxRetries: 0 }),
    async [Symbol.asyncDispose]() {
      await rotator.stop();
      await chat[Symbol.asyncDispose]();
      await claude[Symbol.asyncDispose]();
    },
  };
}

const call = (rotator: Rotator, method: string, path: string, key = clientKey) =>
  fetch(`${rotator.url}/v1/responses${path}`, { method, headers: { authorization: `Bearer ${key}` } });
/** The SDKs’ promises do nothing before they are awaited. */
const failureOf = async (promise: PromiseLike<unknown>): Promise<unknown> => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
};

const spoken = (body: JsonRecord | undefined) =>
  Array.isArray(body?.messages) ? body.messages.map(({ role, content }) => [role, textOf(content)]) : [];
const textOf = (content: unknown): unknown =>
  Array.isArray(content) ? content.map((block) => block.text ?? block.type).join('') : content;

describe('an earlier answer', () => {
  test.each([['whole'], ['streamed']])('is gone on with at another provider: %s', async (how) => {
    await using here = await start();
    const { openai, claude } = here;
    const first = await openai.responses.create({ model: 'v-chat/deepseek-v4', input: 'one' });
    const next = { model: 'v-claude/claude-sonnet-4-5', input: 'two', previous_response_id: first.id };
    const second =
      how === 'whole' ? await openai.responses.create(next) : await openai.responses.stream(next).finalResponse();
    expect([first.previous_response_id, second.previous_response_id]).toEqual([null, first.id]);
    const third = await openai.responses.create({ ...next, input: 'three', previous_response_id: second.id });
    expect(third.output_text).toContain('three');
    expect(spoken(claude.bodies.at(-1))).toEqual([
      ['user', 'one'],
      ['assistant', 'pong: one Zürich 😀'],
      ['user', 'two'],
      ['assistant', 'pong: two Zürich 😀'],
      ['user', 'three'],
    ]);
    expect(claude.bodies.at(-1)).not.toHaveProperty('previous_response_id');
  });

  test('belongs to its client key: to another it is 404, like one that never was', async () => {
    await using here = await start();
    const { id } = await here.openai.responses.create({ model: 'v-chat/deepseek-v4', input: 'one' });
    const refused = here.other.responses.create({ model: 'v-chat/deepseek-v4', input: 'x', previous_response_id: id });
    expect(await failureOf(refused)).toMatchObject({ status: 404, code: 'response_not_found' });
    for (const method of ['GET', 'DELETE']) {
      expect((await call(here.rotator, method, `/${id}`, OTHER_KEY)).status).toBe(404);
    }
    expect(await failureOf(here.openai.responses.retrieve('resp_nobody'))).toMatchObject({ status: 404 });
    expect((await here.openai.responses.retrieve(id)).id).toBe(id);
  });

  test('is read as it was told, lists what it answered, and is gone once it is deleted', async () => {
    await using here = await start();
    const told = await here.openai.responses.create({ model: 'v-claude/claude-sonnet-4-5', input: 'one' });
    const kept = await (await call(here.rotator, 'GET', `/${told.id}`)).json();
    expect(kept).toMatchObject({ id: told.id, output: told.output });
    const items = await here.openai.responses.inputItems.list(told.id);
    expect(items.data).toMatchObject([{ role: 'user', content: [{ text: 'one' }] }]);
    expect(await (await call(here.rotator, 'DELETE', `/${told.id}`)).json()).toEqual({
      id: told.id,
      object: 'response',
      deleted: true,
    });
    expect((await call(here.rotator, 'GET', `/${told.id}`)).status).toBe(404);
  });

  test('is not kept when the client says so', async () => {
    await using here = await start();
    const { id } = await here.openai.responses.create({ model: 'v-chat/deepseek-v4', input: 'one', store: false });
    expect((await call(here.rotator, 'GET', `/${id}`)).status).toBe(404);
  });

  test('is not kept where the config says so, and whoever builds on it is told', async () => {
    await using here = await start({ sections: { responses: { store: 'off' } } });
    const { id } = await here.openai.responses.create({ model: 'v-chat/deepseek-v4', input: 'one' });
    expect((await call(here.rotator, 'GET', `/${id}`)).status).toBe(404);
    const next = here.openai.responses.create({ model: 'v-chat/deepseek-v4', input: 'x', previous_response_id: id });
    expect(await failureOf(next)).toMatchObject({ status: 400, param: 'previous_response_id' });
  });

  test('outlives the server on disk', async () => {
    await using home = await tempHome();
    const options = { stateDir: home.state, sections: { responses: { store: 'disk' } } };
    let id = '';
    {
      await using here = await start(options);
      ({ id } = await here.openai.responses.create({ model: 'v-chat/deepseek-v4', input: 'one' }));
    }
    await using here = await start(options);
    const next = await here.openai.responses.create({
      model: 'v-chat/deepseek-v4',
      input: [
        { type: 'item_reference', id: `msg_${id.replace('resp_', '')}_0` },
        { role: 'user', content: 'two' },
      ],
      previous_response_id: null,
    });
    expect(next.output_text).toContain('two');
    expect(spoken(here.chat.bodies.at(-1))).toEqual([
      ['assistant', 'pong: one Zürich 😀'],
      ['user', 'two'],
    ]);
    expect((await here.openai.responses.retrieve(id)).id).toBe(id);
  });
});

test('items that a client names instead of repeating them are written out: the AI SDK forgets nothing', async () => {
  await using here = await start();
  const openai = createOpenAI({ baseURL: `${here.rotator.url}/v1`, apiKey: clientKey });
  const model = openai('v-claude/claude-sonnet-4-5');
  const first = await generateText({ model, prompt: 'one', maxRetries: 0 });
  await generateText({
    model,
    maxRetries: 0,
    messages: [{ role: 'user', content: 'one' }, ...first.responseMessages, { role: 'user', content: 'two' }],
  });
  expect(spoken(here.claude.bodies.at(-1))).toEqual([
    ['user', 'one'],
    ['assistant', 'pong: one Zürich 😀'],
    ['user', 'two'],
  ]);
});

describe('a conversation that Anthropic would hold', () => {
  const ask = { max_tokens: 100, messages: [{ role: 'user' as const, content: 'hi' }] };

  test('is refused elsewhere in the words that its SDK goes by', async () => {
    await using here = await start();
    const anthropic = new Anthropic({ baseURL: here.rotator.url, apiKey: clientKey, maxRetries: 0 });
    const refused = anthropic.beta.messages.create({ ...ask, model: 'v-chat/deepseek-v4', thread: { type: 'create' } });
    expect(await failureOf(refused)).toBeInstanceOf(Anthropic.ThreadUnsupportedRequestError);
    expect(here.chat.bodies).toHaveLength(0);
  });

  test('is refused by its vendor in the vendor’s words', async () => {
    await using here = await start();
    const anthropic = new Anthropic({ baseURL: here.rotator.url, apiKey: clientKey, maxRetries: 0 });
    const thread = { type: 'continue' as const, previous_message_id: 'msg_9' };
    const refused = anthropic.beta.messages.create({ ...ask, model: 'v-claude/claude-sonnet-4-5', thread });
    expect(await failureOf(refused)).toBeInstanceOf(Anthropic.ThreadUnsupportedRequestError);
  });
});

test('a WebSocket is refused with 426 at once, anything else with 405', async () => {
  await using here = await start();
  const headers = { authorization: `Bearer ${clientKey}`, connection: 'Upgrade', upgrade: 'websocket' };
  const upgrade = await fetch(`${here.rotator.url}/v1/responses`, { headers });
  expect(upgrade.status).toBe(426);
  expect(await upgrade.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
  expect((await call(here.rotator, 'GET', '')).status).toBe(405);
});
