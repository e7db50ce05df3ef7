import { describe, expect, test } from 'bun:test';
import type { ProviderRuntime } from '../../src/gateway/gateway.ts';
import { isPlan, plan, type Routes } from '../../src/gateway/plan.ts';
import { findProvider, normalizeProviderId, ownProvider } from '../../src/providers/index.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { Secret } from '../../src/shared/secret.ts';
import { namePattern } from '../../src/shared/wildcard.ts';
import { credentialId, setUp } from '../pool/pool-fixture.ts';

type Setting = {
  readonly lists?: readonly string[];
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly define?: Readonly<Record<string, string>>;
  readonly hasKey?: boolean;
  readonly more?: Partial<Provider>;
};

const anybody = { name: null, models: [] };

function runtimeOf(id: string, { allow = [], deny = [], define = {}, hasKey = true, more = {} }: Setting) {
  const key = credentialId(`${id}-1`);
  const access = {
    id: key,
    label: null,
    key: new Secret('k'),
    proxy: null,
    source: 'config',
    sourceName: null,
    isEnabledInConfig: true,
    priority: 10,
  } as const;
  const provider = { ...(findProvider(id) ?? ownProvider(id, 'openai-chat')), ...more };
  return {
    id,
    provider,
    baseUrl: 'http://127.0.0.1:1/v1',
    headers: {},
    isHttp2: false,
    asksStreamUsage: true,
    timeouts: { acquireMs: 1, connectMs: 1, firstByteMs: 1, totalMs: 1, idleMs: 1, requestMs: 1 },
    retriesSameKey: 1,
    waitSameKeyMs: 1,
    pool: setUp([]).pool,
    credentials: new Map(hasKey ? [[key, access]] : []),
    allow: allow.map(namePattern),
    deny: deny.map(namePattern),
    define: new Map(Object.entries(define)),
  } satisfies ProviderRuntime;
}

function routesOf(settings: Readonly<Record<string, Setting>>): Routes {
  const runtimes = new Map(
    Object.entries(settings).map(([id, setting]) => [normalizeProviderId(id), runtimeOf(id, setting)]),
  );
  return {
    runtimes,
    knownId: (name) => {
      const id = normalizeProviderId(findProvider(name)?.id ?? name);
      return runtimes.has(id) || findProvider(name) ? id : null;
    },
    providerNames: () => [...runtimes.keys(), 'groq'],
    listed: (runtime) => (settings[runtime.id]?.lists ?? []).map((id) => ({ id })),
  };
}

/** `provider/model` of each target, or status and message of the problem. */
function planned(model: string, settings: Readonly<Record<string, Setting>>, models: readonly string[] = []) {
  const found = plan(model, { ...anybody, models: models.map(namePattern) }, routesOf(settings));
  return isPlan(found)
    ? `${found.resolved}: ${found.targets.map((target) => target.name).join(', ')}`
    : `${found.status}: ${found.message}`;
}

describe('a name with a provider before the first slash', () => {
  test.each([
    ['groq/llama', { groq: {} }, 'provider: groq/llama'],
    ['groq/meta/llama:free', { groq: {} }, 'provider: groq/meta/llama:free'],
    ['GROQ/llama', { groq: {} }, 'provider: groq/llama'],
    ['nvidia-nim/m', { nvidia: {} }, 'provider: nvidia/m'],
    ['lm-studio/m', { lm_studio: {} }, 'provider: lm_studio/m'],
    ['my-vllm/m', { 'my-vllm': {} }, 'provider: my-vllm/m'],
    ['my_vllm/m', { 'my-vllm': {} }, 'provider: my-vllm/m'],
    ['groq/smart', { groq: { define: { smart: 'llama-3' } } }, 'provider: groq/llama-3'],
    ['groq/llama', { groq: { deny: ['*'], allow: ['llama'] } }, 'provider: groq/llama'],
  ] as [string, Record<string, Setting>, string][])('%s', (model, settings, expected) => {
    expect(planned(model, settings)).toBe(expected);
  });

  test.each([
    ['groq/llama', {}, '404: provider "groq" has no credentials; add one: rotator keys add groq'],
    [
      'groq/llama',
      { groq: { hasKey: false } },
      '404: provider "groq" has no credentials; add one: rotator keys add groq',
    ],
    ['groq/', { groq: {} }, '404: "groq/" names a provider but no model'],
    [
      'groq/llama',
      { groq: { deny: ['llama'] } },
      '404: model "groq/llama" is filtered out by the models rules of groq',
    ],
    [
      'groq/llama',
      { groq: { allow: ['qwen*'] } },
      '404: model "groq/llama" is filtered out by the models rules of groq',
    ],
    ['grok/llama', { groq: { lists: ['llama'] } }, '404: model "grok/llama" is not known. Did you mean "groq/llama"?'],
  ] as [string, Record<string, Setting>, string][])('%s is refused in words that help', (model, settings, expected) => {
    expect(planned(model, settings)).toBe(expected);
  });
});

describe('a bare name', () => {
  const lists = ['llama'];
  test.each([
    ['goes to the provider that lists it', { groq: { lists }, mistral: {} }, 'bare: groq/llama'],
    ['goes to the best tier', { mistral: { lists }, groq: { lists } }, 'bare: groq/llama'],
    ['of equal tiers to the first of the config', { openrouter: { lists }, groq: { lists } }, 'bare: openrouter/llama'],
    ['goes to one without a tier last', { mine: { lists }, mistral: { lists } }, 'bare: mistral/llama'],
    ['may be one that the user defined', { mine: { define: { llama: 'llama-3' } } }, 'bare: mine/llama-3'],
    ['passes over a provider without a key', { groq: { lists, hasKey: false }, mine: { lists } }, 'bare: mine/llama'],
    ['passes over one that filters it', { groq: { lists, deny: ['llama'] }, mine: { lists } }, 'bare: mine/llama'],
  ] as [string, Record<string, Setting>, string][])('%s', (_, settings, expected) => {
    expect(planned('llama', settings)).toBe(expected);
  });

  test('never reaches a provider that wants to be asked for by name', () => {
    const demo = { demo: { lists, more: { isExplicitOnly: true } } };
    expect(planned('llama', demo)).toStartWith('404: model "llama" is not known');
    expect(planned('demo/llama', demo)).toBe('provider: demo/llama');
  });
});

describe('a client key’s allow-list', () => {
  const groq = { groq: { lists: ['llama'], define: { smart: 'llama-3' } } };
  test.each([
    ['groq/llama', ['groq/*'], 'provider: groq/llama'],
    ['llama', ['groq/*'], 'bare: groq/llama'],
    ['groq/smart', ['groq/smart'], 'provider: groq/llama-3'],
    ['groq/smart', ['groq/llama-3'], 'provider: groq/llama-3'],
    ['groq/llama', ['mistral/*'], '403: the client key may not use model "groq/llama"'],
  ])('%s with %j', (model, models, expected) => {
    expect(planned(model, groq, models)).toBe(expected);
  });
});
