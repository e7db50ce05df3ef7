// Every vendor of the long tail, without a network: what has no entry of its own has no recorded bodies either, so that
// what can be known of it is all in its data.
import { describe, expect, test } from 'bun:test';
import { adaptRequest } from '../../src/providers/adapt.ts';
import { findProvider, ownEntries, ownsKeyVariable, providerNames, providers } from '../../src/providers/index.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { authorize, callUrl, modelsUrl, upstreamHeaders } from '../../src/providers/request.ts';
import { JsonIndex } from '../../src/shared/json-bytes.ts';
import { Secret } from '../../src/shared/secret.ts';
import { nothingSaid } from './provider-fixture.ts';

const tail = providers.slice(ownEntries.length);

/** As a user would have configured it who gave what it asks for. */
function placed(provider: Provider): Provider & { readonly baseUrl: string } {
  const urlVariables = Object.fromEntries(
    (provider.needs ?? []).map((need) => [need.env, need.placeholder === 'https://…' ? 'https://x.example' : 'abc']),
  );
  const configured = provider.configure?.({ ...nothingSaid, urlVariables }) ?? provider;
  if (configured.baseUrl === null) throw new Error(`${provider.id} has no place`);
  return { ...configured, baseUrl: configured.baseUrl };
}

const PATHS: Readonly<Record<string, string>> = {
  'openai-chat': '/chat/completions',
  'openai-responses': '/responses',
  'anthropic-messages': '/messages',
};

describe.each(tail.map((provider) => [provider.id, provider] as const))('%s', (id, provider) => {
  test('has an id, a title, a variable of its own and no place among fallbacks', () => {
    expect(id).toMatch(/^[a-z0-9]+(_[a-z0-9]+)*$/);
    expect(provider.title).not.toBe('');
    expect(provider.keyEnv).toContain(`${id.toUpperCase()}_API_KEY`);
    for (const name of provider.keyEnv) expect(name).toMatch(/^[A-Z0-9_]+$/);
    expect(provider.tier).toBeNull();
  });

  test('is called at a place of its own, by TLS unless it is on this machine', () => {
    const { baseUrl, protocol } = placed(provider);
    const url = callUrl(provider, baseUrl, { model: 'a/m', isStream: false, protocol });
    expect(url).toBe(`${baseUrl}${PATHS[protocol]}`);
    expect(modelsUrl(provider, baseUrl)).toBe(`${baseUrl}/models`);
    expect(new URL(url).protocol).toBe(provider.isLocal ? 'http:' : 'https:');
    expect(url).not.toMatch(/[${}\s]|%7B|\/\/.*\/\//i);
  });

  test('gets its key, and no more than it needs', () => {
    const { protocol } = provider;
    const headers = upstreamHeaders(provider, new Headers({ authorization: 'Bearer client' }), {}, '1.2.3');
    expect(headers.get('authorization')).toBeNull();
    authorize(provider, headers, new Secret('sk-test'));
    const isMessages = protocol === 'anthropic-messages';
    expect(Object.fromEntries(headers)).toEqual({
      'content-type': 'application/json',
      'user-agent': 'rotator/1.2.3',
      ...(isMessages
        ? { 'x-api-key': 'sk-test', 'anthropic-version': '2023-06-01' }
        : { authorization: 'Bearer sk-test' }),
    });
  });

  test('gets a plain request byte for byte', () => {
    const bytes = new TextEncoder().encode('{ "model":"m","messages":[{"role":"user","content":"hi"}], "x_own": 1.0 }');
    const index = JsonIndex.of(bytes);
    if (!index) throw new Error('no object');
    const adapted = adaptRequest(provider, index, { model: 'm', isStream: false, protocol: provider.protocol }, {});
    expect(adapted).toEqual({ bytes, changes: [] });
  });
});

describe('the catalogue', () => {
  test('has more than a hundred vendors besides those with entries of their own', () => {
    expect(tail.length).toBeGreaterThan(100);
  });

  test('has no name twice, and finds each vendor by all of its names', () => {
    const all = providers.flatMap((provider) => [provider.id, ...(provider.names ?? [])]);
    expect(all.filter((name, i) => all.indexOf(name) !== i)).toEqual([]);
    for (const provider of providers) {
      for (const name of [provider.id, ...(provider.names ?? [])]) {
        expect([name, findProvider(name)?.id]).toEqual([name, provider.id]);
        expect(findProvider(name.replaceAll('_', '-').toUpperCase())?.id).toBe(provider.id);
      }
    }
    expect(providerNames).toHaveLength(all.length);
  });

  test('leaves a vendor to its own entry where there is one', () => {
    const own = [
      'deepseek',
      'groq',
      'iflowcn',
      'lmstudio',
      'mistral',
      'moonshotai',
      'nvidia_nim',
      'openrouter',
      'google',
    ];
    for (const name of own) expect(ownEntries.map(({ id }) => id)).toContain(findProvider(name)?.id ?? name);
  });

  test.each([
    ['together_ai', 'together'],
    ['fireworks-ai', 'fireworks'],
    ['novita_ai', 'novita'],
    ['vercel_ai_gateway', 'vercel'],
  ])('knows %s as %s', (name, id) => {
    expect(findProvider(name)?.id).toBe(id);
  });

  test('gives each variable of the environment to one vendor alone, and never to a server on this machine', () => {
    const unowned: string[] = [];
    const variables = new Set(providers.flatMap(({ keyEnv }) => keyEnv));
    for (const variable of variables) {
      const readers = providers.filter(({ keyEnv }) => keyEnv.includes(variable));
      const owners = readers.filter((provider) => ownsKeyVariable(provider, variable));
      if (owners.length === 0) unowned.push(variable);
      expect([variable, owners.length <= 1]).toEqual([variable, true]);
      if (readers.length > 1) expect([variable, owners[0]?.isLocal ?? false]).toEqual([variable, false]);
    }
    // Keys to whole accounts of clouds are nobody's, until the config names the vendor.
    expect(unowned.length).toBeLessThan(30);
    expect(unowned).toContainValues([
      'CLOUDFLARE_API_KEY',
      'DATABRICKS_TOKEN',
      'DIGITALOCEAN_ACCESS_TOKEN',
      'WANDB_API_KEY',
    ]);
  });

  test.each([
    ['MINIMAX_API_KEY', 'minimax'],
    ['ZHIPU_API_KEY', 'zhipuai'],
    ['MOONSHOT_API_KEY', 'moonshot'],
    ['DASHSCOPE_API_KEY', 'qwen_code'],
    ['OLLAMA_API_KEY', 'ollama_cloud'],
    ['PERPLEXITY_API_KEY', 'perplexity'],
  ])('takes %s for a key of %s', (variable, id) => {
    expect(providers.find((provider) => ownsKeyVariable(provider, variable))?.id).toBe(id);
  });
});
