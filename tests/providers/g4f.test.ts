import { describe, expect, test } from 'bun:test';
import { g4f } from '../../src/providers/g4f.ts';
import { authorize, callUrl, modelsUrl, upstreamHeaders } from '../../src/providers/request.ts';
import { Secret } from '../../src/shared/secret.ts';
import { nothingSaid } from '../conformance/provider-fixture.ts';

const configured = (settings: Partial<typeof nothingSaid>) => g4f.configure({ ...nothingSaid, ...settings });
const at = (settings: Partial<typeof nothingSaid>, model: string) =>
  callUrl(configured(settings), settings.baseUrl ?? g4f.baseUrl ?? '', {
    model,
    isStream: true,
    protocol: 'openai-chat',
  });

describe('where a model is asked for', () => {
  const bases = {
    groq: 'http://g4f.test/api/groq',
    grok: 'http://g4f.test/api/grok',
    gemini: 'http://g4f.test/api/gemini',
    nvidia: 'http://g4f.test/api/nvidia',
  };

  test.each([
    ['gemini-2.5-flash', 'http://g4f.test/api/gemini/chat/completions'],
    ['Grok-4', 'http://g4f.test/api/grok/chat/completions'],
    ['nvidia/llama-3.1-nemotron-70b', 'http://g4f.test/api/nvidia/chat/completions'],
    ['llama-3.3-70b', 'http://g4f.test/api/groq/chat/completions'],
    ['mixtral-8x7b', 'http://g4f.test/api/groq/chat/completions'],
    ['gemma-3-27b', 'http://g4f.test/api/groq/chat/completions'],
    ['gpt-4o-mini', 'http://127.0.0.1:1337/v1/chat/completions'],
  ])('%s', (model, url) => {
    expect(at({ baseUrl: 'http://127.0.0.1:1337/v1', bases }, model)).toBe(url);
  });

  test('a family without a base of its own is asked for at the main one', () => {
    expect(at({ bases: { groq: bases.groq } }, 'gemini-2.5-flash')).toBe('http://localhost:1337/v1/chat/completions');
  });

  test.each([
    ['v1', 'http://h:1', 'http://h:1/v1'],
    ['v1', 'http://h:1/', 'http://h:1/v1'],
    ['v1', 'http://h:1/v1', 'http://h:1/v1'],
    // There `v1` would be taken for a conversation that all callers share.
    ['v1', 'http://h:1/api/groq', 'http://h:1/api/groq'],
    ['api', 'http://h:1/openai', 'http://h:1/openai'],
  ] as const)('path style %s: %s', (pathStyle, baseUrl, place) => {
    expect(at({ baseUrl, pathStyle }, 'gpt-4o')).toBe(`${place}/chat/completions`);
    expect(modelsUrl(configured({ baseUrl, pathStyle }), baseUrl)).toBe(`${place}/models`);
  });
});

describe('what it gets for a key', () => {
  const sent = (settings: Partial<typeof nothingSaid>, key: Secret | null) => {
    const provider = configured(settings);
    const headers = upstreamHeaders(provider, new Headers({ authorization: 'Bearer of-the-client' }), {}, '1.0.0');
    authorize(provider, headers, key);
    return headers.get('authorization');
  };

  test('without a key, and with auth: none, nothing', () => {
    expect(sent({}, null)).toBeNull();
    expect(sent({ auth: 'none' }, new Secret('k'))).toBeNull();
  });

  test('with auth: secret the word that it forwards to nobody, whatever else there is', () => {
    expect(sent({ auth: 'secret' }, null)).toBe('Bearer secret');
    expect(sent({ auth: 'secret' }, new Secret('k'))).toBe('Bearer secret');
  });

  test('its own key where it has one', () => {
    expect(sent({}, new Secret('k'))).toBe('Bearer k');
    expect(sent({ auth: 'key' }, new Secret('k'))).toBe('Bearer k');
  });
});
