import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { NO_NEEDS, type Needs } from '../../src/gateway/needs.ts';
import { ableTargets, isPlan, PLAIN_WISH, plan, type PlanWish, route } from '../../src/gateway/plan.ts';
import { namePattern } from '../../src/shared/wildcard.ts';
import { type RoutesSetting, routesOf, type Setting } from './routes-fixture.ts';

const anybody = { id: '', name: null, models: [] };

/** `provider/model` of each target, or status and message of the problem. */
function planned(
  model: string,
  settings: Readonly<Record<string, Setting>>,
  models: readonly string[] = [],
  { needs, wish, ...setting }: RoutesSetting & { needs?: Partial<Needs>; wish?: Partial<PlanWish> } = {},
) {
  const whole = { ...PLAIN_WISH, needs: () => ({ ...NO_NEEDS, ...needs }), ...wish };
  const found = plan(model, { ...anybody, models: models.map(namePattern) }, routesOf(settings, setting), whole);
  return isPlan(found)
    ? `${found.resolved}: ${[...found.targets, ...ableTargets(found.substitutes().candidates)].map(({ name }) => name).join(', ')}`
    : `${found.status}: ${found.message}`;
}

/** Of every place of the route its name, and why it is skipped. */
function routed(
  model: string,
  settings: Readonly<Record<string, Setting>>,
  { needs, ...setting }: RoutesSetting & { needs?: Partial<Needs> } = {},
) {
  const wish = { ...PLAIN_WISH, needs: () => ({ ...NO_NEEDS, ...needs }) };
  const found = route(model, anybody, routesOf(settings, setting), wish);
  if ('kind' in found) return [`${found.status}`];
  return [...found.candidates, ...found.substitutes().candidates].map((each) =>
    each.kind === 'able' ? each.target.name : `${each.name}: ${each.reason}`,
  );
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
    ['goes to the best tier', { nvidia: { lists }, groq: { lists } }, 'bare: groq/llama, nvidia/llama'],
    [
      'of equal tiers to the first of the config',
      { openrouter: { lists }, groq: { lists } },
      'bare: openrouter/llama, groq/llama',
    ],
    ['goes to one without a tier last', { mine: { lists }, mistral: { lists } }, 'bare: mistral/llama'],
    [
      'goes by the tier that the config gives',
      { mine: { lists, tier: 1 }, groq: { lists } },
      'bare: mine/llama, groq/llama',
    ],
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

const LLAMA = {
  groq: { lists: ['llama-3.3-70b-versatile'] },
  openrouter: { lists: ['meta-llama/llama-3.1-70b-instruct', 'meta-llama/llama-3.3-70b-instruct'] },
  nvidia: { lists: ['meta/llama-3.3-70b-instruct'] },
  gemini: { lists: ['gemini-2.5-flash'] },
  openai: { lists: ['gpt-4o'] },
} satisfies Record<string, Setting>;

describe('when a target fails, a request goes on', () => {
  test('to the same model at others of its tier or below', () => {
    expect(planned('groq/llama-3.3-70b-versatile', LLAMA)).toBe(
      'provider: groq/llama-3.3-70b-versatile, openrouter/meta-llama/llama-3.3-70b-instruct, nvidia/meta/llama-3.3-70b-instruct',
    );
  });

  test('never to one of a better tier', () => {
    expect(planned('nvidia/meta/llama-3.3-70b-instruct', LLAMA)).toBe('provider: nvidia/meta/llama-3.3-70b-instruct');
  });

  test('and the route says who was left out', () => {
    expect(routed('groq/llama-3.3-70b-versatile', LLAMA)).toEqual([
      'groq/llama-3.3-70b-versatile',
      'openrouter/meta-llama/llama-3.3-70b-instruct',
      'gemini/llama-3.3-70b-versatile: not listed',
      'nvidia/meta/llama-3.3-70b-instruct',
    ]);
  });

  test('from a provider without a key at once, and to any tier', () => {
    const { groq: _, ...others } = LLAMA;
    expect(planned('groq/llama-3.3-70b-versatile', others)).toBe(
      'provider: openrouter/meta-llama/llama-3.3-70b-instruct, nvidia/meta/llama-3.3-70b-instruct',
    );
    expect(planned('cerebras/gpt-4o', { openai: LLAMA.openai })).toBe('provider: openai/gpt-4o');
  });

  test('from nobody without a tier and to nobody without one', () => {
    const lists = ['m'];
    expect(planned('mine/m', { mine: { lists }, other: { lists, tier: 3 } })).toBe('provider: mine/m');
    expect(planned('mine/m', { mine: { lists, tier: 1 }, other: { lists } })).toBe('provider: mine/m');
    expect(planned('mine/m', { mine: { lists, tier: 1 }, other: { lists, tier: 1 } })).toBe(
      'provider: mine/m, other/m',
    );
  });

  test('not to what a rule filters, a client may not use or a model cannot do', () => {
    const lists = ['m'];
    const mine = { lists, tier: 1 };
    expect(routed('mine/m', { mine, other: { lists, tier: 1, deny: ['m'] } })).toEqual(['mine/m', 'other/m: filtered']);
    expect(planned('mine/m', { mine, other: { lists, tier: 1 } }, ['mine/*'])).toBe('provider: mine/m');
    const small = { lists, tier: 1, abilities: { m: { contextLength: 1000, takesTools: false } } };
    expect(routed('mine/m', { mine, small }, { needs: { inputTokens: 1001 } })).toEqual(['mine/m', 'small/m: context']);
    expect(routed('mine/m', { mine, small }, { needs: { usesTools: true } })).toEqual([
      'mine/m',
      'small/m: capability',
    ]);
    expect(routed('small/m', { small }, { needs: { usesTools: true } })).toEqual(['small/m']);
  });

  test('by a name that the user has defined at both, or put beside it in an alias', () => {
    const mine = { define: { smart: 'a-1' }, tier: 1 };
    const other = { define: { smart: 'b-1' }, lists: ['b-2'], tier: 2 };
    expect(planned('mine/smart', { mine, other })).toBe('provider: mine/a-1, other/b-1');
    expect(planned('mine/x', { mine, other }, [], { aliases: { pair: ['mine/x', 'other/b-2'] } })).toBe(
      'provider: mine/x, other/b-2',
    );
    const both = { lists: ['b-2', 'x'], tier: 2 };
    expect(planned('mine/x', { mine, other: both }, [], { aliases: { pair: ['mine/x', 'other/b-2'] } })).toBe(
      'provider: mine/x, other/x',
    );
  });

  test('nowhere when the client or the config says so', () => {
    const first = 'provider: groq/llama-3.3-70b-versatile';
    expect(planned('groq/llama-3.3-70b-versatile', LLAMA, [], { wish: { isFallbackOff: true } })).toBe(first);
    expect(planned('groq/llama-3.3-70b-versatile', LLAMA, [], { isFallbackOff: true })).toBe(first);
  });
});

describe('an alias', () => {
  const settings = { groq: { lists: ['a'] }, gemini: { lists: ['b'] }, mine: { lists: ['c'] } };

  test('stands for its targets in order, whatever their tiers', () => {
    expect(planned('fast', settings, [], { aliases: { fast: ['mine/c', 'gemini/b', 'groq/a'] } })).toBe(
      'alias: mine/c, gemini/b, groq/a',
    );
  });

  test('goes before a provider and a bare name of the same spelling', () => {
    expect(planned('groq/a', settings, [], { aliases: { 'groq/a': ['gemini/b'] } })).toBe('alias: gemini/b');
    expect(planned('a', settings, [], { aliases: { a: ['gemini/b'] } })).toBe('alias: gemini/b');
  });

  test('with wildcards stands for every name that fits, after the exact ones', () => {
    const aliases = { 'claude-*': ['groq/a'], 'claude-x': ['gemini/b'] };
    expect(planned('claude-y', settings, [], { aliases })).toBe('alias: groq/a');
    expect(planned('claude-x', settings, [], { aliases })).toBe('alias: gemini/b');
  });

  test('skips what has no key, is filtered or is not listed', () => {
    const more = { ...settings, cerebras: { hasKey: false }, nvidia: { lists: ['n'], deny: ['n'] } };
    const aliases = { all: ['openai/x', 'cerebras/y', 'nvidia/n', 'groq/unheard', 'gemini/b'] };
    expect(routed('all', more, { aliases })).toEqual([
      'openai/x: no credentials',
      'cerebras/y: no credentials',
      'nvidia/n: filtered',
      'groq/unheard: not listed',
      'gemini/b',
    ]);
  });

  test('trusts its user where a list has none of its targets', () => {
    expect(planned('all', settings, [], { aliases: { all: ['groq/x', 'gemini/y'] } })).toBe('alias: groq/x, gemini/y');
  });

  test('of whose targets none can be called is not found, with the reasons', () => {
    expect(planned('all', settings, [], { aliases: { all: ['openai/x', 'nvidia/n'] } })).toBe(
      '404: nothing that the alias "all" stands for can be called (openai/x: no credentials; nvidia/n: no credentials)',
    );
  });

  test('of whose targets none holds the prompt or takes what it uses says that', () => {
    const small = {
      lists: ['m', 'n'],
      abilities: { m: { contextLength: 10, takesTools: false }, n: { contextLength: 20 } },
    };
    const aliases = { all: ['small/m', 'small/n'], blunt: ['small/m', 'openai/x'] };
    expect(planned('all', { small }, [], { aliases, needs: { inputTokens: 30 } })).toBe(
      '400: the request has about 30 tokens, and no model that "all" leads to holds as many',
    );
    expect(planned('blunt', { small }, [], { aliases, needs: { usesTools: true } })).toBe(
      '400: no model that "blunt" leads to can do what the request uses (tools)',
    );
  });

  test.each([
    ['its own name', ['fast'], 'alias: groq/a, gemini/b'],
    ['one of its targets', ['gemini/*'], 'alias: gemini/b'],
    ['neither', ['mistral/*'], '403: the client key may not use model "fast"'],
  ])('may be used by a client whose allow-list names %s', (_, models, expected) => {
    expect(planned('fast', settings, models, { aliases: { fast: ['groq/a', 'gemini/b'] } })).toBe(expected);
  });

  test('may want the cheapest first, what has no price last', () => {
    const priced = { groq: { prices: { a: 3 } }, gemini: { prices: { b: 1 } }, mine: {} };
    const aliases = { cheap: { targets: ['mine/c', 'groq/a', 'gemini/b'], strategy: 'cheapest' } } as const;
    expect(planned('cheap', priced, [], { aliases })).toBe('alias: gemini/b, groq/a, mine/c');
  });

  test('may want the fastest first', () => {
    const aliases = { quick: { targets: ['groq/a', 'gemini/b'], strategy: 'fastest' } } as const;
    const expected = { 'groq/a': 900, 'gemini/b': 300 };
    expect(planned('quick', settings, [], { aliases, expected })).toBe('alias: gemini/b, groq/a');
  });
});

describe('a suffix', () => {
  const asked = (model: string, settings: Readonly<Record<string, Setting>>, setting: RoutesSetting = {}) => {
    const found = plan(model, anybody, routesOf(settings, setting));
    return isPlan(found) ? [found.targets[0]?.name, found.reasoning?.amount] : found.status;
  };

  test.each([
    ['groq/a(high)', { kind: 'level', level: 'high' }],
    ['groq/a (low)', { kind: 'level', level: 'low' }],
    ['groq/a(8192)', { kind: 'budget', tokens: 8192 }],
    ['groq/a(none)', { kind: 'off' }],
    ['groq/a(0)', { kind: 'off' }],
    ['groq/a(auto)', { kind: 'dynamic' }],
  ] as const)('%s is a wish for reasoning', (model, amount) => {
    expect(asked(model, { groq: {} })).toEqual(['groq/a', amount]);
  });

  test('may follow an alias and a bare name', () => {
    expect(asked('fast(high)', { groq: {} }, { aliases: { fast: ['groq/a'] } })).toEqual([
      'groq/a',
      { kind: 'level', level: 'high' },
    ]);
    expect(asked('a(high)', { groq: { lists: ['a'] } })).toEqual(['groq/a', { kind: 'level', level: 'high' }]);
  });

  test('is a part of the name where such a name is listed, defined or an alias', () => {
    expect(asked('groq/a(high)', { groq: { lists: ['a', 'a(high)'] } })).toEqual(['groq/a(high)', undefined]);
    expect(asked('groq/a(high)', { groq: { define: { 'a(high)': 'b' } } })).toEqual(['groq/b', undefined]);
    expect(asked('a(high)', { groq: {} }, { aliases: { 'a(high)': ['groq/b'] } })).toEqual(['groq/b', undefined]);
  });

  test.each(['groq/a(other)', 'groq/a()', 'groq/a(12345678)', 'groq/a(High)'])('%s has none', (model) => {
    expect(asked(model, { groq: {} })).toEqual([model, undefined]);
  });
});

describe('whatever is configured', () => {
  const ids = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'];
  const models = ['m1', 'm2', 'm3'];
  const setting = fc.record({
    lists: fc.uniqueArray(fc.constantFrom(...models)),
    tier: fc.option(fc.integer({ min: 1, max: 4 })),
    hasKey: fc.boolean(),
    deny: fc.uniqueArray(fc.constantFrom(...models), { maxLength: 2 }),
    abilities: fc.dictionary(fc.constantFrom(...models), fc.record({ contextLength: fc.constantFrom(10, 1000) })),
  });
  const world = fc.record(Object.fromEntries(ids.map((id) => [id, setting])));

  test('a fallback is of no better tier, stands there once, and is able', () => {
    fc.assert(
      fc.property(world, fc.constantFrom(...ids), fc.constantFrom(...models), (settings, id, model) => {
        const found = plan(`${id}/${model}`, anybody, routesOf(settings), {
          ...PLAIN_WISH,
          needs: () => ({ ...NO_NEEDS, inputTokens: 100 }),
        });
        if (!isPlan(found)) return;
        const targets = [...found.targets, ...ableTargets(found.substitutes().candidates)];
        const names = targets.map(({ name }) => name);
        expect(new Set(names).size).toBe(names.length);
        const asked = settings[id];
        for (const target of targets) {
          const own = settings[target.runtime.id];
          expect(own?.hasKey).toBe(true);
          expect(own?.deny).not.toContain(target.model);
          if (target.runtime.id === id) continue;
          expect(own?.lists).toContain(target.model);
          expect(own?.abilities[target.model]?.contextLength).not.toBe(10);
          expect(own?.tier).not.toBeNull();
          if (asked?.hasKey) expect(own?.tier ?? 0).toBeGreaterThanOrEqual(asked.tier ?? Number.POSITIVE_INFINITY);
        }
      }),
      { numRuns: 300 },
    );
  });
});
