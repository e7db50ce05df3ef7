import { describe, expect, test } from 'bun:test';
import { findProvider, normalizeProviderId, ownEntries, ownProvider, providers } from '../../src/providers/index.ts';
import { callUrl, upstreamHeaders } from '../../src/providers/request.ts';

describe('the registry', () => {
  test('has no id, second name or key name twice', () => {
    const names = ownEntries.flatMap((provider) => [provider.id, ...(provider.names ?? [])]);
    const keys = ownEntries.flatMap((provider) => provider.keyEnv);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test.each(ownEntries.map((provider) => [provider.id, provider] as const))(
    '%s says what a person needs',
    (id, provider) => {
      expect(id).toBe(normalizeProviderId(id));
      if (provider.needs) expect([provider.baseUrl, provider.needs.length > 0]).toEqual([null, true]);
      else expect(provider.baseUrl).toMatch(provider.isLocal ? /^http:\/\/localhost:\d+\/v1$/ : /^https:\/\/\S+[^/]$/);
      expect(provider.keyEnv.every((name) => /^[A-Z][A-Z0-9_]*$/.test(name))).toBe(true);
      expect(provider.keyEnv.length > 0).toBe(provider.key !== 'account');
      if (provider.key === 'account') expect(provider.accounts).toBeDefined();
      if (provider.key === 'required') expect(provider.keyUrl).toStartWith('https://');
    },
  );

  test('says whose model list answers without a key, so that reading it proves nothing about one', () => {
    expect(providers.filter((provider) => provider.isListPublic).map((provider) => provider.id)).toEqual([
      'openrouter',
      'g4f',
    ]);
  });

  test.each([
    ['lm-studio', 'lm_studio'],
    ['LM_Studio', 'lm_studio'],
    ['nvidia_nim', 'nvidia'],
    ['nvidia-nim', 'nvidia'],
    [' Groq ', 'groq'],
    ['qwen', 'qwen_code'],
  ])('finds %p as %s', (name, id) => {
    expect(findProvider(name)?.id).toBe(id);
  });

  test.each(['grok', '', 'constructor', '__proto__'])('does not find %p', (name) => {
    expect(findProvider(name)).toBeUndefined();
  });

  test('makes a provider of a user’s own server', () => {
    expect(ownProvider('my-vllm.2', 'openai-chat')).toMatchObject({
      id: 'my-vllm.2',
      baseUrl: null,
      key: 'optional',
      tier: null,
      keyEnv: ['MY_VLLM_2_API_KEY'],
    });
  });
});

describe('a request’s head', () => {
  const own = ownProvider('mine', 'openai-chat');

  test.each([
    ['http://h:1/v1', 'http://h:1/v1/chat/completions'],
    ['http://h:1/v1///', 'http://h:1/v1/chat/completions'],
    ['http://h:1', 'http://h:1/chat/completions'],
    ['http://h:1/a/b/?api-version=2#x', 'http://h:1/a/b/chat/completions?api-version=2'],
    ['http://[::1]:80/v1', 'http://[::1]/v1/chat/completions'],
  ])('under %s goes to %s', (base, url) => {
    expect(callUrl(own, base, { model: 'm', isStream: false, protocol: 'openai-chat' })).toBe(url);
  });

  test.each([
    ['application/json; charset=utf-8', 'application/json; charset=utf-8'],
    ['application/x-www-form-urlencoded', 'application/json'],
    [null, 'application/json'],
  ])('with the content type %p says %s', (given, sent) => {
    const client = new Headers(given === null ? {} : { 'content-type': given });
    expect(upstreamHeaders(own, client, {}, '1').get('content-type')).toBe(sent);
  });

  test('sends each header once, by the user’s word before the provider’s, and that before the client’s', () => {
    const provider = { ...own, headers: { Accept: 'by the provider', 'X-Own': 'by the provider' } };
    const client = new Headers({ accept: 'by the client', 'idempotency-key': 'by the client' });
    const extra = { 'x-OWN': 'by the user', 'X-own': 'by the user, again' };
    expect(Object.fromEntries(upstreamHeaders(provider, client, extra, '1'))).toEqual({
      accept: 'by the provider',
      'content-type': 'application/json',
      'idempotency-key': 'by the client',
      'user-agent': 'rotator/1',
      'x-own': 'by the user, again',
    });
  });

  test.each([
    ['the client’s', { 'anthropic-version': 'old' }, {}, 'old'],
    ['the user’s', { 'anthropic-version': 'old' }, { 'Anthropic-Version': 'new' }, 'new'],
    ['the one that it needs', {}, {}, '2023-06-01'],
  ])('speaks Messages in %s version', (_, client, extra, version) => {
    const call = { protocol: 'anthropic-messages', isTranslated: false } as const;
    const headers = upstreamHeaders(own, new Headers(client), extra, '1', call);
    expect(headers.get('anthropic-version')).toBe(version);
  });

  test('carries the user’s own headers, and an honest user agent whatever they say', () => {
    const headers = upstreamHeaders(own, new Headers({ accept: 'a' }), { Accept: 'b', 'User-Agent': 'Mozilla' }, '1');
    expect(headers.get('accept')).toBe('b');
    expect(headers.get('user-agent')).toBe('rotator/1');
  });
});
