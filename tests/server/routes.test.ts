import { describe, expect, test } from 'bun:test';
import { errorOf } from '../support/expect-error.ts';
import { fakeServer, withAdmin, withKey } from './fake-deps.ts';

describe('GET /v1/models', () => {
  test('lists the cards with what is known of each', async () => {
    const response = await fakeServer().send('/v1/models', withKey());
    expect(await response.json()).toEqual({
      object: 'list',
      data: [
        {
          id: 'groq/llama-3',
          object: 'model',
          created: 1_700_000_000,
          owned_by: 'groq',
          context_length: 8192,
          context_window: 8192,
          max_input_tokens: 8192,
          max_completion_tokens: 4096,
          max_output_tokens: 4096,
        },
        { id: 'openrouter/meta/llama-3:free', object: 'model', created: 0, owned_by: 'openrouter' },
      ],
    });
  });

  test('keeps to four fields with enriched=false', async () => {
    const response = await fakeServer().send('/v1/models?enriched=false', withKey());
    expect(await response.json()).toEqual({
      object: 'list',
      data: [
        { id: 'groq/llama-3', object: 'model', created: 1_700_000_000, owned_by: 'groq' },
        { id: 'openrouter/meta/llama-3:free', object: 'model', created: 0, owned_by: 'openrouter' },
      ],
    });
  });

  test('asks for this client', async () => {
    const { send, listed } = fakeServer();
    await send('/v1/models', withKey());
    expect(listed.map((client) => client.name)).toEqual(['laptop']);
  });
});

describe('GET /v1/models/{id}', () => {
  test.each([
    '/v1/models/groq/llama-3',
    '/v1/models/groq%2Fllama-3',
    '/v1/models/groq%2fllama-3?enriched=false',
    '/v1/models/openrouter/meta/llama-3:free',
    '/v1/models/openrouter%2Fmeta%2Fllama-3%3Afree',
  ])('%s finds it', async (path) => {
    const response = await fakeServer().send(path, withKey());
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ object: 'model' });
  });

  test.each(['/v1/models/groq', '/v1/models/groq/llama-4', '/v1/models/%zz', '/v1/models/groq%252Fllama-3'])(
    '%s is 404 model_not_found',
    async (path) => {
      const response = await fakeServer().send(path, withKey());
      expect(response.status).toBe(404);
      expect((await errorOf(response)).code).toBe('model_not_found');
    },
  );
});

test('GET /v1/providers is a list', async () => {
  const response = await fakeServer().send('/v1/providers', withKey());
  expect(await response.json()).toMatchObject({ object: 'list', data: [{ id: 'groq', status: 'ready' }] });
});

describe('the admin API', () => {
  const post = (body: string | null = null) => ({ method: 'POST', body, ...withAdmin() });

  test('tells status and keys in the shapes of the command line', async () => {
    const { send } = fakeServer();
    expect(await (await send('/admin/status', withAdmin())).json()).toMatchObject({ version: '1.2.3', in_flight: 0 });
    expect(await (await send('/admin/keys', withAdmin())).json()).toMatchObject([{ id: 'groq-1a2b3c4d5e' }]);
  });

  test('enables, disables and resets a credential and answers with it', async () => {
    const { send, operated } = fakeServer();
    for (const [verb, enabled] of [
      ['disable', false],
      ['reset', false],
      ['enable', true],
    ] as const) {
      const response = await send(`/admin/keys/groq-1a2b3c4d5e/${verb}`, post());
      expect(await response.json()).toMatchObject({ id: 'groq-1a2b3c4d5e', enabled });
    }
    expect(operated).toEqual(['disable groq-1a2b3c4d5e', 'reset groq-1a2b3c4d5e', 'enable groq-1a2b3c4d5e']);
  });

  test('tests a credential', async () => {
    const response = await fakeServer().send('/admin/keys/groq-1a2b3c4d5e/test', post());
    expect(await response.json()).toMatchObject({ ok: true, result: 'ok' });
  });

  test.each(['enable', 'disable', 'reset', 'test'])('%s of an unknown credential is 404', async (verb) => {
    const response = await fakeServer().send(`/admin/keys/groq-nobody/${verb}`, post());
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({ code: 'credential_not_found' });
  });

  test('explains a route, live when asked', async () => {
    const { send } = fakeServer();
    const explained = await send('/admin/test-route', post('{"model":"groq/llama-3"}'));
    expect(await explained.json()).toMatchObject({ model: 'groq/llama-3', attempts: [] });
    const live = await send('/admin/test-route', post('{"model":"groq/llama-3","live":true,"stream":false}'));
    expect(await live.json()).toMatchObject({ attempts: [{ target: 'groq/llama-3', status: 200 }] });
  });

  test('says which model is unknown and what was likely meant', async () => {
    const response = await fakeServer().send('/admin/test-route', post('{"model":"groq/lama"}'));
    expect(response.status).toBe(404);
    const error = await errorOf(response);
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
    expect(error.message).toBe('model "groq/lama" is not known. Did you mean groq/llama-3?');
  });

  test.each(['', 'x', 'null', '[]', '{}', '{"model":3}', '{"model":"m","live":"yes"}', '{"model":"m","stream":1}'])(
    'a question of %p is a bad request',
    async (body) => {
      expect((await fakeServer().send('/admin/test-route', post(body))).status).toBe(400);
    },
  );

  test('reloads, or says why not', async () => {
    const good = fakeServer();
    expect(await (await good.send('/admin/reload', post())).json()).toEqual({ reloaded: true });
    const bad = fakeServer({
      deps: { operations: { ...good.deps.operations, reload: async () => 'rotator.yaml:3:1 unknown field "sever"' } },
    });
    const response = await bad.send('/admin/reload', post());
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({
      code: 'config',
      message: 'rotator.yaml:3:1 unknown field "sever"',
    });
  });
});
