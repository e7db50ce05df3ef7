// What is special about the other services of accounts: their hosts, headers, names of models, and refusals.
import { describe, expect, test } from 'bun:test';
import { AccountFiles } from '../support/account-files.ts';
import { answer, type Received, refusal, reply, startUpstream } from '../support/scripted-upstream.ts';
import { clientKey, type Rotator, startRotator } from '../support/server.ts';

const DAY = 86_400_000;

function account(id: string, fields: object = {}): AccountFiles {
  const files = new AccountFiles();
  files.put(id, { expiry_date: Date.now() + 30 * DAY, ...fields });
  return files;
}

const start = (files: AccountFiles, provider: string, fields: object) =>
  startRotator({ stateDir: files.path, providers: { [provider]: fields } });
const bodyOf = (call: Received | undefined): Record<string, unknown> => JSON.parse(call?.text ?? '{}');

describe('kimi', () => {
  test('hears the same device each time, and its models by the names it knows', async () => {
    using files = account('kimi-1', { device_id: 'device-0' });
    await using upstream = await startUpstream({ answer: () => answer('hi') });
    await using rotator = await start(files, 'kimi', { base_url: `${upstream.origin}/coding/v1` });
    expect((await rotator.chat({ model: 'kimi/kimi-k3', reasoning_effort: 'high' })).status).toBe(200);
    const [call] = upstream.calls;
    expect(call?.path).toBe('/coding/v1/chat/completions');
    expect(Object.fromEntries(call?.headers ?? [])).toMatchObject({
      authorization: 'Bearer token-kimi-1',
      'x-msh-platform': 'rotator',
      'x-msh-device-id': 'device-0',
    });
    expect(bodyOf(call)).toMatchObject({ model: 'k3', thinking: { type: 'enabled', effort: 'high' } });
  });
});

describe('iflow', () => {
  test('is called with the key that it keeps for the account, not with the token', async () => {
    using files = account('iflow-1', { api_key: 'iflow-api-key' });
    await using upstream = await startUpstream({ answer: () => answer('hi') });
    await using rotator = await start(files, 'iflow', { base_url: upstream.baseUrl });
    expect((await rotator.chat({ model: 'iflow/qwen3-max' })).status).toBe(200);
    expect(upstream.keysUsed).toEqual(['iflow-api-key']);
  });
});

describe('qwen_code', () => {
  test('has one pool of keys and accounts, at places of their own', async () => {
    using files = account('qwen_code-1', { priority: 1 });
    await using keyed = await startUpstream({ answer: () => answer('by key') });
    await using signed = await startUpstream({ answer: () => answer('by account') });
    await using rotator = await start(files, 'qwen_code', {
      base_url: `${keyed.origin}/compatible-mode/v1`,
      keys: [{ key: 'sk-model-studio-0123', priority: 2 }],
      oauth: { api_url: signed.baseUrl },
    });
    const model = 'qwen_code/qwen3-coder-plus';
    expect(await (await rotator.chat({ model })).text()).toContain('by account');
    expect(signed.calls[0]?.path).toBe('/v1/chat/completions');
    expect(signed.calls[0]?.headers.get('x-dashscope-authtype')).toBe('qwen-oauth');
    await rotator.admin('keys/qwen_code-1/disable', { method: 'POST' });
    expect(await (await rotator.chat({ model })).text()).toContain('by key');
    expect(keyed.calls[0]?.path).toBe('/compatible-mode/v1/chat/completions');
    expect([keyed.keysUsed, signed.keysUsed]).toEqual([['sk-model-studio-0123'], ['token-qwen_code-1']]);
    expect(keyed.calls[0]?.headers.get('x-dashscope-authtype')).toBeNull();
  });
});

describe('copilot', () => {
  test('exchanges its token and calls the host that comes with it', async () => {
    using files = new AccountFiles();
    files.put('copilot-1', { access_token: undefined, expiry_date: undefined, refresh_token: 'gho-token' });
    await using business = await startUpstream({ answer: () => answer('hi') });
    await using github = await startUpstream({
      answer: () =>
        reply(200, {
          token: 'copilot-token',
          expires_at: Math.floor(Date.now() / 1000) + 1800,
          endpoints: { api: business.origin },
        }),
    });
    await using rotator = await start(files, 'copilot', { oauth: { api_url: `${github.origin}/` } });
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'what is it?' },
          { type: 'image_url', image_url: { url: PIXEL } },
        ],
      },
    ];
    expect((await rotator.chat({ model: 'copilot/gpt-5.2', messages })).status).toBe(200);
    expect(github.requests[0]?.headers.get('authorization')).toBe('token gho-token');
    const [call] = business.calls;
    expect(call?.path).toBe('/chat/completions');
    expect(Object.fromEntries(call?.headers ?? [])).toMatchObject({
      authorization: 'Bearer copilot-token',
      'editor-version': expect.stringMatching(/^rotator\//),
      'x-initiator': 'user',
      'copilot-vision-request': 'true',
    });
  });
});

const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

describe('claude', () => {
  const messages = (rotator: Rotator) =>
    fetch(`${rotator.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': clientKey, 'anthropic-beta': 'my-beta' },
      body: JSON.stringify({
        model: 'claude/claude-sonnet-4-6',
        max_tokens: 10,
        messages: [{ role: 'user', content: 'hi' }],
      }),
    });

  test('is asked as rotator with the account’s token, and its refusal is the answer', async () => {
    using files = account('claude-1');
    const words = 'This credential is only authorized for use with Claude Code.';
    await using upstream = await startUpstream({
      answer: () => refusal(403, { message: words, type: 'permission_error' }),
    });
    await using rotator = await start(files, 'claude', { base_url: `${upstream.origin}/v1` });
    const response = await messages(rotator);
    expect(response.status).toBe(502);
    expect(await response.text()).toContain(words);
    const [call] = upstream.calls;
    expect(call?.path).toBe('/v1/messages');
    expect(Object.fromEntries(call?.headers ?? [])).toMatchObject({
      authorization: 'Bearer token-claude-1',
      'anthropic-beta': 'my-beta,oauth-2025-04-20',
      'user-agent': expect.stringMatching(/^rotator\//),
    });
    expect(call?.headers.get('x-api-key')).toBeNull();
    expect(bodyOf(call)).toEqual({ ...bodyOf(call), messages: [{ role: 'user', content: 'hi' }] });
    expect(bodyOf(call).system).toBeUndefined();
  });
});
