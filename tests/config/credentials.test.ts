import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { clientKeysOf } from '../../src/config/client-keys.ts';
import { type Credentials, credentialId, credentialsOf } from '../../src/config/credentials.ts';
import { type Env, readConfig } from '../../src/config/load.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** `text` null: there is no config file. */
function credentials(text: string | null, env: Env, clientKeys: string[] = []): Credentials {
  const source = text === null ? null : { text, shown: 'rotator.yaml', path: '/rotator.yaml', isFound: false };
  return credentialsOf(readConfig(source, { env }).config, env, clientKeys);
}

/** provider → keys in order, each as its text or `none`. */
const keysOf = ({ providers }: Credentials) =>
  Object.fromEntries(
    [...providers.values()].map(({ id, keys }) => [id, keys.map(({ key }) => key?.reveal() ?? 'none')]),
  );

describe('ids', () => {
  test('are the provider and ten digits of a digest', () => {
    expect(credentialId('groq', 'gsk_1')).toBe(`groq-${sha256('groq\0gsk_1').slice(0, 10)}`);
  });

  test('grow on a collision', () => {
    const digest = sha256('groq\0gsk_1');
    const taken = new Set([`groq-${digest.slice(0, 10)}`, `groq-${digest.slice(0, 11)}`]);
    expect(credentialId('groq', 'gsk_1', taken)).toBe(`groq-${digest.slice(0, 12)}`);
  });

  test('are the same whether a key stands in the file or in the environment, and under any of the provider’s names', () => {
    const ids = [
      credentials('providers: { nvidia-nim: { keys: [nv] } }', {}),
      credentials('providers: { nvidia: { keys: ["${K}"] } }', { K: 'nv' }),
      credentials(null, { NVIDIA_API_KEY: 'nv' }),
    ].map(({ providers }) => providers.get('nvidia')?.keys[0]?.id);
    expect(new Set(ids)).toEqual(new Set([credentialId('nvidia', 'nv')]));
  });

  test('of a server without keys say so', () => {
    const { providers } = credentials('providers: { my-vllm: { base_url: "http://127.0.0.1:1/v1", keys: none } }', {});
    expect(providers.get('my-vllm')).toMatchObject({ id: 'my-vllm', keys: [{ id: 'my-vllm-none', key: null }] });
  });
});

describe('keys of the environment', () => {
  const env = { GROQ_API_KEY: 'g', MISTRAL_API_KEY_1: 'm1', OLLAMA_API_KEY: '' };

  test.each([
    ['no file', null, env, { groq: ['g'], mistral: ['m1'] }],
    ['a file that names nothing', 'server: {}', env, {}],
    ['a provider named without keys', 'providers: { groq: {} }', env, { groq: ['g'] }],
    ['a provider named with keys', 'providers: { groq: { keys: [f] } }', env, { groq: ['f'] }],
    ['a provider whose only key is skipped', 'providers: { groq: { keys: ["${NOPE}"] } }', env, { groq: [] }],
    ['an empty list', 'providers: { groq: { keys: [] } }', env, { groq: [] }],
    ['all', 'discover_env: all\nproviders: { groq: { keys: [f] } }', env, { groq: ['f', 'g'], mistral: ['m1'] }],
    ['off', 'discover_env: off\nproviders: { groq: {} }', env, { groq: [] }],
    ['keys: none', 'discover_env: all\nproviders: { groq: { keys: none } }', { GROQ_API_KEY: 'g' }, { groq: ['none'] }],
    ['a local server named', 'providers: { ollama: {} }', env, { ollama: ['none'] }],
    ['a local server with a key', 'providers: { ollama: {} }', { OLLAMA_API_KEY: 'o' }, { ollama: ['o'] }],
    ['a second name', 'providers: { nvidia-nim: {} }', { NVIDIA_NIM_API_KEY_2: 'n' }, { nvidia: ['n'] }],
    [
      'an own server named',
      'providers: { my-vllm: { base_url: "http://h/v1" } }',
      { MY_VLLM_API_KEY: 'v' },
      { 'my-vllm': ['v'] },
    ],
    [
      'gaps, order and emptiness',
      null,
      { GROQ_API_KEY_10: 'd', GROQ_API_KEY_3: 'c', GROQ_API_KEY_1: 'b', GROQ_API_KEY_2: ' ', GROQ_API_KEY: 'a' },
      { groq: ['a', 'b', 'c', 'd'] },
    ],
    [
      'names that only look alike',
      null,
      { GROQ_API_KEY_X: 'a', GROQ_API_KEYS: 'b', XGROQ_API_KEY: 'c', GROQ_API_KEY_1_2: 'd', groq_api_key: 'e' },
      {},
    ],
    ['white space around a key', null, { GROQ_API_KEY: ' g\n' }, { groq: ['g'] }],
    [
      'rotator’s and a proxy’s own',
      null,
      { ROTATOR_API_KEY: 'r', ROTATOR_API_BASE: 'http://h/v1', PROXY_API_KEY: 'p', PROXY_API_BASE: 'http://h/v1' },
      {},
    ],
    ['a key without a base', null, { FOO_API_KEY: 'f' }, {}],
    ['a base without a key', null, { FOO_API_BASE: 'http://h/v1' }, {}],
    [
      'a key beside a base',
      null,
      { FOO_API_KEY: 'f', FOO_API_KEY_2: 'f2', FOO_API_BASE: 'http://h/v1/' },
      { foo: ['f', 'f2'] },
    ],
    ['a key beside a base, with a file', 'server: {}', { FOO_API_KEY: 'f', FOO_API_BASE: 'http://h/v1/' }, {}],
    ['a key beside what is no base', null, { FOO_API_KEY: 'f', FOO_API_BASE: 'file:///etc' }, {}],
  ] as [string, string | null, Env, Record<string, string[]>][])('%s', (_, text, variables, expected) => {
    expect(keysOf(credentials(text, variables))).toEqual(expected);
  });

  test('name a server of the user’s own, without the slash at its end', () => {
    const { providers } = credentials(null, { FOO_API_KEY: 'f', FOO_API_BASE: 'http://h/v1/' });
    expect(providers.get('foo')).toMatchObject({ settings: { base_url: 'http://h/v1' }, provider: { id: 'foo' } });
  });

  test('may come with another base URL for a known provider, which is said', () => {
    const env = { OPENAI_API_KEY: 'o', OPENAI_API_BASE: 'http://h/v1' };
    const found = credentials(null, env);
    expect(found.providers.get('openai')?.settings.base_url).toBe('http://h/v1');
    expect(found.notes).toEqual(['the base URL of openai comes from OPENAI_API_BASE']);
    expect(
      credentials('providers: { openai: { keys: [k] } }', env).providers.get('openai')?.settings.base_url,
    ).toBeNull();
  });

  test('that hold a client key are skipped, however the client key is written', () => {
    const env = { GROQ_API_KEY: 'client', MISTRAL_API_KEY: 'other', OPENAI_API_KEY: 'hashed' };
    const text = `discover_env: all\nserver: { client_keys: [{ key: "sha256:${sha256('hashed')}" }] }\n`;
    const { found, notes } = credentials(text, env, ['client']);
    expect(found).toEqual([{ provider: 'mistral', name: 'MISTRAL_API_KEY' }]);
    expect(notes).toEqual([
      'OPENAI_API_KEY is not used for openai: it holds a client key',
      'GROQ_API_KEY is not used for groq: it holds a client key',
    ]);
  });

  test('that stand in the file, too, are one credential with a note', () => {
    const { providers, found, notes } = credentials(
      'discover_env: all\nproviders: { groq: { keys: [{ key: same, label: work }, same] } }',
      { GROQ_API_KEY: 'same' },
    );
    expect(providers.get('groq')?.keys).toMatchObject([{ label: 'work', source: 'config', sourceName: null }]);
    expect(found).toEqual([]);
    expect(notes).toEqual([
      'providers.groq.keys[1] holds the same key as providers.groq.keys[0]; it is one credential',
      'GROQ_API_KEY holds the same key as providers.groq.keys[0]; it is one credential',
    ]);
  });

  test('carry the name of their variable', () => {
    const { providers, found } = credentials(null, { GROQ_API_KEY_7: 'g' });
    expect(found).toEqual([{ provider: 'groq', name: 'GROQ_API_KEY_7' }]);
    expect(providers.get('groq')?.keys).toMatchObject([
      {
        source: 'env',
        sourceName: 'GROQ_API_KEY_7',
        priority: 10,
        weight: 1,
        isEnabled: true,
        models: [],
        label: null,
        quotaPool: null,
        limits: { rpm: null, tpm: null, rpd: null, tpd: null, concurrency: null },
      },
    ]);
  });
});

describe('settings of a provider', () => {
  test('name the limits and the quota pool of a key', () => {
    const { providers } = credentials(
      'providers: { groq: { keys: [{ key: a, quota_pool: p, limits: { rpm: 3 } }] } }',
      {},
    );
    expect(providers.get('groq')?.keys).toMatchObject([{ quotaPool: 'p', limits: { rpm: 3, tpm: null } }]);
  });

  test('spread over credentials as the mode wants it, whoever names the mode', () => {
    const { providers } = credentials(
      `rotation: { mode: sequential }
providers:
  groq: { keys: [a] }
  mistral: { keys: [a], rotation: { mode: balanced } }
  cohere: { keys: [a], concurrency: { optimal_per_key: 5 } }
`,
      {},
    );
    const optimal = [...providers].map(([id, { settings }]) => [id, settings.concurrency.optimal_per_key]);
    expect(Object.fromEntries(optimal)).toEqual({ groq: 0, mistral: 1, cohere: 5 });
  });

  test('hold the quota groups of the vendor behind those of the user, who can replace or drop them', () => {
    const groupsOf = (fields: string) => {
      const { providers } = credentials(`providers: { openrouter: { keys: [a], ${fields} } }`, {});
      return Object.entries(providers.get('openrouter')?.settings.quota_groups ?? {});
    };
    expect(groupsOf('')).toEqual([['free', ['*:free']]]);
    expect(groupsOf('quota_groups: { pro: [a*] }')).toEqual([
      ['pro', ['a*']],
      ['free', ['*:free']],
    ]);
    expect(groupsOf('quota_groups: { free: [x] }')).toEqual([['free', ['x']]]);
    expect(groupsOf('quota_groups: { free: [] }')).toEqual([]);
  });

  test('take from the top what the provider does not say', () => {
    const { providers } = credentials(
      `timeouts: { connect: 1s, idle: 2s }
rotation: { tolerance: 7, cooldowns: { auth: 1m } }
providers:
  groq: { keys: [a], timeouts: { idle: 9s }, rotation: { cooldowns: { transient: 1s } } }
`,
      {},
    );
    expect(providers.get('groq')?.settings).toMatchObject({
      timeouts: { connect: 1000, idle: 9000, total: 600_000 },
      rotation: { tolerance: 7, mode: 'balanced', cooldowns: { auth: 60_000, transient: 1000, rate_limit: 60_000 } },
    });
  });
});

describe('client keys', () => {
  const of = (text: string) =>
    clientKeysOf(readConfig({ text, shown: 'c', path: '/c', isFound: false }, { env: {} }).config);

  test('become digests', () => {
    const keys = of(
      `server: { client_keys: [{ name: a, key: literal, models: ["groq/*"] }, { key: "SHA256:${sha256('b').toUpperCase()}" }] }`,
    );
    if (!Array.isArray(keys)) throw new Error('expected a list');
    expect(keys.map(({ name, sha256: digest }) => [name, digest])).toEqual([
      ['a', sha256('literal')],
      [null, sha256('b')],
    ]);
    expect(keys[0]?.models[0]?.matches('groq/llama')).toBe(true);
  });

  test('are none or open when the file says so', () => {
    expect(of('server: {}')).toBeNull();
    expect(of('server: { client_keys: none }')).toBe('open');
  });
});

test('a variable whose text no header can carry is named and not used', () => {
  const found = credentials(null, {
    GROQ_API_KEY: 'gsk_🎉',
    GROQ_API_KEY_1: 'two\nlines',
    GROQ_API_KEY_2: ' good\r\n',
  });
  expect(keysOf(found)).toEqual({ groq: ['good'] });
  expect(found.notes).toEqual([
    'GROQ_API_KEY is not used for groq: only printable ASCII can be a key',
    'GROQ_API_KEY_1 is not used for groq: only printable ASCII can be a key',
  ]);
});

describe('the day of a provider', () => {
  const dayOf = (text: string, id: string) => {
    const { daily_reset, timezone } = credentials(text, {}).providers.get(id)?.settings.rotation ?? {};
    return `${daily_reset?.hour}:${daily_reset?.minute} ${timezone}`;
  };

  test.each([
    ['providers: { gemini: { keys: [k] } }', '0:0 America/Los_Angeles'],
    [
      'rotation: { daily_reset: 03:00, timezone: Europe/Berlin }\nproviders: { gemini: { keys: [k] } }',
      '0:0 America/Los_Angeles',
    ],
    ['providers: { gemini: { keys: [k], rotation: { timezone: UTC } } }', '0:0 UTC'],
    ['providers: { gemini: { keys: [k], rotation: { daily_reset: 07:30 } } }', '7:30 UTC'],
  ])('is the vendor’s own where that is known, unless the provider says otherwise: %s', (text, day) => {
    expect(dayOf(text, 'gemini')).toBe(day);
  });

  test('is else that of all', () => {
    expect(dayOf('rotation: { timezone: Europe/Berlin }\nproviders: { groq: { keys: [k] } }', 'groq')).toBe(
      '0:0 Europe/Berlin',
    );
  });
});

describe('vendors of one family, which read the same variable', () => {
  const env = { MINIMAX_API_KEY: 'mm' };

  test('the vendor whose name it bears takes it, and no other', () => {
    expect(keysOf(credentials(null, env))).toEqual({ minimax: ['mm'] });
  });

  test('of a whole account is taken only for a vendor that the config names', () => {
    const env = { DIGITALOCEAN_ACCESS_TOKEN: 'cloud', WANDB_API_KEY: 'lab', GROQ_API_KEY: 'g' };
    expect(keysOf(credentials('discover_env: all', env))).toEqual({ groq: ['g'] });
    expect(keysOf(credentials('providers: { digitalocean: {} }', env))).toEqual({ digitalocean: ['cloud'] });
  });

  test('the one that the config names takes it, and its owner does not', () => {
    expect(keysOf(credentials('{ discover_env: all, providers: { minimax-cn: {} } }', env))).toEqual({
      minimax_cn: ['mm'],
    });
    expect(keysOf(credentials('providers: { minimax_cn: {} }', env))).toEqual({ minimax_cn: ['mm'] });
  });

  test('of several that are named the owner takes it', () => {
    expect(keysOf(credentials('providers: { minimax_cn: {}, minimax: {} }', env))).toEqual({
      minimax_cn: [],
      minimax: ['mm'],
    });
  });

  test('one that is named with keys of its own leaves it to the owner', () => {
    expect(keysOf(credentials('{ discover_env: all, providers: { minimax_cn: { keys: none } } }', env))).toEqual({
      minimax_cn: ['none'],
      minimax: ['mm'],
    });
  });

  test('a variable that bears the vendor’s own name is nobody else’s', () => {
    expect(keysOf(credentials(null, { MINIMAX_CN_API_KEY: 'cn' }))).toEqual({ minimax_cn: ['cn'] });
  });

  test('a server on this machine is not set up by a key that means its maker’s cloud', () => {
    expect(keysOf(credentials(null, { OLLAMA_API_KEY: 'o' }))).toEqual({ ollama_cloud: ['o'] });
    expect(keysOf(credentials('providers: { ollama: {} }', { OLLAMA_API_KEY: 'o' }))).toEqual({ ollama: ['o'] });
  });
});

describe('a vendor whose URL holds something of the user’s own', () => {
  test('is set up from the environment when all of it is there', () => {
    const env = { CLOUDFLARE_WORKERS_AI_API_KEY: 'k', CLOUDFLARE_ACCOUNT_ID: '0123' };
    const found = credentials(null, env);
    expect(keysOf(found)).toEqual({ cloudflare_workers_ai: ['k'] });
    expect(found.providers.get('cloudflare_workers_ai')?.provider.baseUrl).toBe(
      'https://api.cloudflare.com/client/v4/accounts/0123/ai/v1',
    );
  });

  test('is passed over, with a note, when a part is missing', () => {
    const { providers, found, notes } = credentials(null, { CLOUDFLARE_WORKERS_AI_API_KEY: 'k' });
    expect([providers.size, found]).toEqual([0, []]);
    expect(notes).toEqual([
      'CLOUDFLARE_WORKERS_AI_API_KEY is not used: cloudflare_workers_ai needs CLOUDFLARE_ACCOUNT_ID, too',
    ]);
  });

  test('the config goes before the environment', () => {
    const text = 'providers: { cloudflare: { keys: [k], url_variables: { CLOUDFLARE_ACCOUNT_ID: mine } } }';
    const { providers } = credentials(text, { CLOUDFLARE_ACCOUNT_ID: 'other' });
    expect(providers.get('cloudflare_workers_ai')?.provider.baseUrl).toContain('/accounts/mine/');
  });

  test('Azure takes its resource or its base URL from the environment', () => {
    const placeOf = (env: Env) => {
      const azure = credentials(null, { AZURE_API_KEY: 'k', ...env }).providers.get('azure');
      return azure?.settings.base_url ?? azure?.provider.baseUrl;
    };
    expect(placeOf({ AZURE_RESOURCE_NAME: 'mine' })).toBe('https://mine.openai.azure.com');
    expect(placeOf({ AZURE_API_BASE: 'https://gateway.example/' })).toBe('https://gateway.example');
    expect(placeOf({})).toBeUndefined();
  });
});

test('an application that signs in is one credential, known by its secret', () => {
  const { providers } = credentials(
    'providers: { azure: { resource: mine, entra: { tenant: t, client_id: c, client_secret: s3cret } } }',
    {},
  );
  const azure = providers.get('azure');
  expect(azure?.keys).toMatchObject([{ id: credentialId('azure', 's3cret'), label: 'entra', source: 'config' }]);
  expect(azure?.provider.signsIn?.clientId).toBe('c');
});
