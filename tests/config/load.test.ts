import { describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Env, type LoadedConfig, loadConfig, readConfig } from '../../src/config/load.ts';
import { configPath, newConfigPath, stateDir } from '../../src/config/places.ts';
import { ConfigError } from '../../src/config/problems.ts';
import type { Config } from '../../src/config/schema.ts';
import { effectiveConfig, showConfig } from '../../src/config/show.ts';
import { Secret } from '../../src/shared/secret.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const read = (text: string, env: Env = {}, isFound = false): Config =>
  readConfig({ text, shown: 'rotator.yaml', path: '/etc/rotator/rotator.yaml', isFound }, { env }).config;

function errorOf(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
}

test('the config of another gateway is called so, beside its unknown fields', () => {
  const error = errorOf(() => read('model_list: []\ngeneral_settings: {}\n'));
  expect(error.problems.map(({ path }) => path)).toEqual(['model_list', 'general_settings']);
  expect(error.hint).toBe('this is a config of LiteLLM: docs/migrating.md says what of it goes where');
  expect(errorOf(() => read('general_settings: {}\n')).hint).toBeUndefined();
});

describe('what the fields become', () => {
  test('a file of comments has every default', () => {
    const config = read('# nothing yet\n');
    expect(config.server).toEqual({
      host: '127.0.0.1',
      port: 8000,
      client_keys: null,
      cors: [],
      allowed_hosts: [],
      max_body: 32 * 1024 * 1024,
      hold: 15_000,
      heartbeat: 15_000,
      expose_route: true,
    });
    expect(config.timeouts).toEqual({
      acquire: 30_000,
      connect: 10_000,
      first_byte: 120_000,
      total: 600_000,
      idle: 300_000,
      request: 600_000,
    });
    expect(config.rotation.cooldowns).toEqual({
      ladder: [10_000, 30_000, 60_000, 120_000, 300_000],
      rate_limit: 60_000,
      auth: 300_000,
      transient: 30_000,
    });
    expect(config.rotation).toMatchObject({
      mode: 'balanced',
      balance_by: 'requests',
      affinity: true,
      daily_reset: { hour: 0, minute: 0 },
      timezone: 'UTC',
    });
    expect(config.storage).toEqual({ dir: null, retention: 90 * 86_400_000 });
    expect(config.discover_env).toBe('auto');
  });

  test('the limits of a key are counts, and null where there is none', () => {
    const config = read(
      'providers: { groq: { keys: [a, { key: b, quota_pool: p, limits: { tpm: 200k, tpd: "1.5m", rpm: "${N}" } }] } }',
      { N: '30' },
    );
    const none = { rpm: null, tpm: null, rpd: null, tpd: null, concurrency: null };
    expect(config.providers.groq?.keys).toMatchObject([
      { quota_pool: null, limits: none },
      { quota_pool: 'p', limits: { ...none, rpm: 30, tpm: 200_000, tpd: 1_500_000 } },
    ]);
  });

  test('the daily reset is a time of day, written with and without quotes', () => {
    const config = read('rotation: { daily_reset: 07:30, timezone: America/Los_Angeles }');
    expect(config.rotation).toMatchObject({ daily_reset: { hour: 7, minute: 30 }, timezone: 'America/Los_Angeles' });
    expect(read('rotation: { daily_reset: "23:59" }').rotation.daily_reset).toEqual({ hour: 23, minute: 59 });
    expect(showConfig(config)).toContain('daily_reset: 07:30\n');
  });

  test.each([
    ['', 1],
    ['rotation: { mode: sequential }', 0],
    ['rotation: { mode: sequential }, concurrency: { optimal_per_key: 3 }', 3],
  ])('a credential is spread over its peers unless one is to follow the other: %p', (fields, optimal) => {
    expect(read(`providers: { groq: { ${fields} } }`).providers.groq?.concurrency.optimal_per_key).toBe(optimal);
  });

  test('a section or provider that is named and left empty has its defaults', () => {
    const config = read('server:\ntimeouts: ~\nproviders:\n  groq:\n');
    expect(config.server.port).toBe(8000);
    expect(config.providers.groq?.concurrency).toEqual({
      max_per_key: 0,
      optimal_per_key: 1,
      priority_multipliers: {},
    });
  });

  test.each([
    ['0123456', '0123456'],
    ['1e10', '1e10'],
    ['0x1F', '0x1F'],
    ['true', 'true'],
    ['12345678901234567890', '12345678901234567890'],
    ['1_000.50', '1_000.50'],
    ['"quoted # text"', 'quoted # text'],
  ])('a key written as %s keeps its text', (source, key) => {
    const short = read(`providers:\n  groq:\n    keys:\n      - ${source}\n      - key: ${source}\n`);
    const keys = short.providers.groq?.keys;
    expect(Array.isArray(keys) && keys.map((item) => item.key.reveal())).toEqual([key, key]);
  });

  test('the value of a variable takes the type of its field', () => {
    const config = read(
      'server: { port: "${P}", expose_route: "${E:-false}", hold: "${H:-5s}" }\nproviders:\n  groq: { keys: [ "${K}" ], http2: "${T}" }\n',
      { P: '9000', K: '000', T: 'true' },
    );
    expect(config.server).toMatchObject({ port: 9000, expose_route: false, hold: 5000 });
    expect(config.providers.groq).toMatchObject({ http2: true });
  });

  test('an empty default leaves a field as if it were not there', () => {
    expect(read('providers:\n  groq: { proxy: "${NO_PROXY_HERE:-}" }\n').providers.groq?.proxy).toBeNull();
  });

  test('keys are secrets and do not print', () => {
    const config = read('providers:\n  groq: { keys: [sk-live-0123456789abcdef] }\n');
    expect(JSON.stringify(config)).not.toContain('sk-live');
    const [key] = config.providers.groq?.keys ?? [];
    expect(typeof key === 'object' && key.key).toBeInstanceOf(Secret);
  });

  test('routes are shown to clients on loopback only, unless the file says otherwise', () => {
    expect(read('server: { host: 0.0.0.0 }').server.expose_route).toBe(false);
    expect(read('server: { host: 0.0.0.0, expose_route: true }').server.expose_route).toBe(true);
    expect(read('server: { host: "::1" }').server.expose_route).toBe(true);
  });

  test('an alias and a merge stand for what they name', () => {
    const config = read(
      'timeouts: &t { connect: 1s, idle: 2s }\nproviders:\n  groq: { timeouts: *t }\n  mistral:\n    timeouts: { <<: *t, idle: 9s }\n',
    );
    expect(config.providers.groq?.timeouts).toMatchObject({ connect: 1000, idle: 2000 });
    expect(config.providers.mistral?.timeouts).toMatchObject({ connect: 1000, idle: 9000 });
  });

  test('CRLF and a byte order mark change nothing', () => {
    using directory = temporaryDirectory();
    const file = directory.file('rotator.yaml');
    writeFileSync(file, '\ufeffserver:\r\n  port: 1234\r\n  host: localhost\r\n');
    const { config } = loadConfig({ path: file, env: {}, cwd: directory.path });
    expect(config.server).toMatchObject({ port: 1234, host: 'localhost' });
  });
});

describe('variables that are not set', () => {
  test('skip the key that names them, with a warning', () => {
    const text = 'providers:\n  groq:\n    keys:\n      - ${A}\n      - key: ${B}\n        label: b\n      - c\n';
    const { config, warnings } = readConfig(
      { text, shown: 'rotator.yaml', path: '/rotator.yaml', isFound: false },
      { env: { B: '' } },
    );
    const keys = config.providers.groq?.keys;
    expect(Array.isArray(keys) && keys.map(({ key }) => key.reveal())).toEqual(['c']);
    expect(warnings).toEqual([
      'rotator.yaml:4:9: providers.groq.keys[0]: skipped, because A is not set',
      'rotator.yaml:5:9: providers.groq.keys[1]: skipped, because B is not set',
    ]);
  });

  test('do not hide a mistake in the key that is skipped', () => {
    const error = errorOf(() => read('providers:\n  groq:\n    keys:\n      - key: ${A}\n        lable: x\n'));
    expect(error.message).toContain('lable: unknown field. Did you mean "label"?');
  });

  test('are an error in a client key: a server must not start with fewer locks', () => {
    expect(errorOf(() => read('server:\n  client_keys:\n    - key: ${LAPTOP}\n')).message).toBe(
      'rotator.yaml:3:12: server.client_keys[0].key: the environment variable LAPTOP is not set',
    );
  });
});

describe('flag over environment over file over default', () => {
  const load = (text: string, env: Env, overrides = {}) =>
    readConfig({ text, shown: 'rotator.yaml', path: '/rotator.yaml', isFound: false }, { env, overrides }).config;

  test('for host, port and log level', () => {
    const file = 'server: { host: 127.0.0.2, port: 1 }\nlogging: { level: warn }\n';
    expect(load(file, {}).server).toMatchObject({ host: '127.0.0.2', port: 1 });
    const env = { ROTATOR_HOST: '127.0.0.3', ROTATOR_PORT: '2', ROTATOR_LOG_LEVEL: 'debug' };
    expect(load(file, env).server).toMatchObject({ host: '127.0.0.3', port: 2 });
    expect(load(file, env).logging.level).toBe('debug');
    expect(load(file, env, { host: 'localhost', port: 3 }).server).toMatchObject({ host: 'localhost', port: 3 });
    expect(load(file, { ROTATOR_PORT: '' }).server.port).toBe(1);
  });

  test('a bad value is blamed on where it came from', () => {
    expect(errorOf(() => load('server: { port: 1 }', { ROTATOR_PORT: 'x' })).message).toBe(
      'ROTATOR_PORT: expected a whole number from 0 to 65535, got "x"',
    );
    expect(errorOf(() => load('server: { port: 1 }', {}, { port: '70000' })).message).toStartWith('--port: ');
  });

  test('a flag cannot open a server that asks for no key', () => {
    expect(() => load('server: { client_keys: none }', {}, { host: '0.0.0.0' })).toThrow(ConfigError);
  });

  const clientKeys = (config: Config) =>
    Array.isArray(config.server.client_keys)
      ? config.server.client_keys.map(({ name, key }) => [name, key.reveal()])
      : config.server.client_keys;

  test.each([
    ['', [['default', 'env']]],
    ['server: { client_keys: none }', [['default', 'env']]],
    [
      'server: { client_keys: [{ name: a, key: b }] }',
      [
        ['a', 'b'],
        ['default', 'env'],
      ],
    ],
    ['server: { client_keys: [{ name: a, key: "${ROTATOR_CLIENT_KEY}" }] }', [['a', 'env']]],
  ] as [string, string[][]][])('ROTATOR_CLIENT_KEY beside %p', (text, expected) => {
    expect(clientKeys(load(`# config\n${text}`, { ROTATOR_CLIENT_KEY: 'env' }))).toEqual(expected);
  });
});

describe('the file', () => {
  const load = (file: string, cwd: string): LoadedConfig => loadConfig({ path: file, env: {}, cwd });

  test.each([
    ['is not there', null, 'does not exist'],
    ['is empty', '', 'is empty'],
    ['is white space', ' \n\n', 'is empty'],
    ['is binary', new Uint8Array([0, 1, 2, 3]), 'is not text in UTF-8'],
    ['is latin-1', new Uint8Array([0x61, 0xe4, 0x62]), 'is not text in UTF-8'],
    ['is UTF-16', new Uint8Array([0xff, 0xfe, 0x61, 0]), 'is UTF-16'],
  ])('%s: the error says so', (_, content, expected) => {
    using directory = temporaryDirectory();
    const file = directory.file('rotator.yaml');
    if (content !== null) writeFileSync(file, content);
    const error = errorOf(() => load(file, directory.path));
    expect(error.message).toStartWith(`rotator.yaml ${expected}`);
    expect(error.exitCode).toBe(2);
  });

  test('is a directory, or leads through something that is none', () => {
    using directory = temporaryDirectory();
    mkdirSync(directory.file('rotator.yaml'));
    expect(errorOf(() => load(directory.file('rotator.yaml'), '/')).message).toEndWith(
      'is a directory; expected a file',
    );
    symlinkSync('loop', directory.file('loop'));
    expect(errorOf(() => load(directory.file('loop'), '/')).message).toContain('cannot be read (ELOOP)');
  });

  test.skipIf(process.getuid?.() === 0)('may not be read', () => {
    using directory = temporaryDirectory();
    writeFileSync(directory.file('rotator.yaml'), 'server: {}\n', { mode: 0 });
    expect(errorOf(() => load(directory.file('rotator.yaml'), '/')).message).toContain('may not be read');
  });

  test.skipIf(process.platform === 'win32')('with literal keys that others can read gets a warning', () => {
    using directory = temporaryDirectory();
    const file = directory.file('rotator.yaml');
    const warningsOf = (text: string, mode: number) => {
      writeFileSync(file, text);
      chmodSync(file, mode);
      return load(file, directory.path).warnings;
    };
    const literal = 'providers: { groq: { keys: [sk] } }\n';
    expect(warningsOf(literal, 0o644)).toEqual([
      'rotator.yaml holds keys and others on this machine can read it; chmod 600 rotator.yaml',
    ]);
    expect(warningsOf(literal, 0o600)).toEqual([]);
    expect(warningsOf('server: { client_keys: [{ key: abc }] }\n', 0o640)).toHaveLength(1);
    expect(warningsOf('providers: { groq: { keys: ["${HOME_KEY:-x}"] } }\n', 0o644)).toEqual([]);
    expect(warningsOf(`server: { client_keys: [{ key: "sha256:${'0'.repeat(64)}" }] }\n`, 0o644)).toEqual([]);
  });
});

describe('which file', () => {
  test('is the first that exists of flag, environment, current directory and home', () => {
    using directory = temporaryDirectory();
    const cwd = directory.file('work');
    const home = directory.file('home');
    const env = { HOME: home };
    mkdirSync(cwd);
    mkdirSync(path.join(home, '.config/rotator'), { recursive: true });
    const around = { env, cwd, platform: 'linux' } as const;
    expect(configPath(around)).toBeNull();
    expect(loadConfig(around)).toMatchObject({ path: null, isFound: false, config: { discover_env: 'all' } });

    const own = path.join(home, '.config/rotator/rotator.yaml');
    writeFileSync(own, 'server: { port: 1 }');
    expect(configPath(around)).toEqual({ path: own, source: 'home' });
    writeFileSync(path.join(cwd, 'rotator.yaml'), 'server: { port: 2 }');
    expect(configPath(around)).toEqual({ path: path.join(cwd, 'rotator.yaml'), source: 'found' });
    expect(loadConfig(around)).toMatchObject({ isFound: true, config: { server: { port: 2 }, discover_env: 'auto' } });
    expect(configPath({ ...around, env: { ...env, ROTATOR_CONFIG: 'a.yaml' } })).toEqual({
      path: path.join(cwd, 'a.yaml'),
      source: 'env',
    });
    expect(configPath({ ...around, path: '/b.yaml', env: { ROTATOR_CONFIG: 'a.yaml' } })?.path).toBe('/b.yaml');
  });

  test('a new one is never made in the current directory unasked', () => {
    const around = { env: { HOME: '/home/u' }, cwd: '/here' };
    const make = (extra: object, platform: NodeJS.Platform = 'linux') =>
      newConfigPath({ ...around, ...extra, platform });
    expect(make({})).toBe('/home/u/.config/rotator/rotator.yaml');
    expect(make({ env: { HOME: '/home/u', XDG_CONFIG_HOME: '/x' } }, 'darwin')).toBe('/x/rotator/rotator.yaml');
    expect(make({ env: { HOME: '/home/u', XDG_CONFIG_HOME: 'relative' } })).toStartWith('/home/u/.config/');
    expect(make({ path: 'c.yaml' })).toBe('/here/c.yaml');
    expect(make({ env: { APPDATA: '/roaming' } }, 'win32')).toBe('/roaming/rotator/rotator.yaml');
  });

  test('state goes by flag, environment, config, platform', () => {
    const config = read('storage: { dir: ~/elsewhere }', { HOME: '/home/u' });
    const env = { HOME: '/home/u' };
    expect(stateDir(null, undefined, env, 'linux')).toBe('/home/u/.local/state/rotator');
    expect(stateDir(null, undefined, { ...env, XDG_STATE_HOME: '/s' }, 'linux')).toBe('/s/rotator');
    expect(stateDir(null, undefined, { LOCALAPPDATA: '/l' }, 'win32')).toBe('/l/rotator');
    expect(stateDir(config, undefined, env, 'linux')).toBe('/home/u/elsewhere');
    expect(stateDir(config, undefined, { ...env, ROTATOR_STATE: '/env' }, 'linux')).toBe('/env');
    expect(stateDir(config, '/flag', { ROTATOR_STATE: '/env' }, 'linux')).toBe('/flag');
  });

  test('a relative state directory starts at the config file', () => {
    expect(read('storage: { dir: state }').storage.dir).toBe('/etc/rotator/state');
  });
});

describe('a rotator.yaml that was found and not named', () => {
  const env = { GROQ_API_KEY: 'gsk', MY_KEY: 'mk' };

  test.each([
    'providers: { azure: { resource: evil, keys: ["${MY_KEY}"] } }',
    'providers: { azure: { resource: mine, entra: { tenant: t, client_id: c, client_secret: "${MY_KEY}", token_url: "https://evil.example/t" } } }',
    'providers: { g4f: { keys: ["${MY_KEY}"], bases: { groq: "https://evil.example/v1" } } }',
    'providers: { databricks: { keys: ["${MY_KEY}"], url_variables: { DATABRICKS_HOST: evil.example } } }',
    'providers: { groq: { base_url: "https://evil.example/v1" } }',
    'providers: { groq: { base_url: "https://evil.example/v1", keys: ["${GROQ_API_KEY}"] } }',
    'providers: { own: { base_url: "https://evil.example/v1", keys: ["${MY_KEY}"] } }',
    'providers: { own: { base_url: "https://evil.example/v1", keys: none, headers: { x: "${MY_KEY}" } } }',
    'providers: { own: { base_url: "https://evil.example/${MY_KEY}/v1", keys: none } }',
    'providers: { groq: { proxy: "http://evil.example:1" } }',
    'providers: { groq: { keys: [{ key: "${GROQ_API_KEY}", proxy: "socks5://evil.example:1" }] } }',
    'discover_env: all\nproviders: { groq: { keys: [a], base_url: "https://evil.example/v1" } }',
    'providers: { a: { base_url: "http://127.0.0.1/v1", keys: &k ["${MY_KEY}"] }, own: { base_url: "https://evil.example/v1", keys: *k } }',
    'providers: { a: &a { base_url: "http://127.0.0.1/v1", keys: ["${MY_KEY}"] }, own: { <<: *a, base_url: "https://evil.example/v1" } }',
  ])('cannot send a key from the environment elsewhere: %s', (text) => {
    const error = errorOf(() => read(text, env, true));
    expect(error).toMatchObject({ exitCode: 2, hint: 'if this file is yours, name it: --config rotator.yaml' });
    expect(() => read(text, env, false)).not.toThrow();
  });

  test.each([
    'providers: { cloudflare: { keys: ["${MY_KEY}"], url_variables: { CLOUDFLARE_ACCOUNT_ID: of-somebody } } }',
    'providers: { g4f: { keys: ["${MY_KEY}"], bases: { groq: "http://127.0.0.1:1337/v1" } } }',
    'providers: { groq: {} }',
    'providers: { groq: { base_url: "http://127.0.0.1:9/v1" } }',
    'providers: { groq: { proxy: "socks5://localhost:9" } }',
    'providers: { groq: { base_url: "https://api.groq.com/openai/v2" } }',
    'providers: { own: { base_url: "https://example.com/v1", keys: [literal] } }',
    'providers: { own: { base_url: "https://example.com/v1", keys: none } }',
    'discover_env: off\nproviders: { groq: { base_url: "https://example.com/v1" } }',
  ])('may do what sends nothing of the environment elsewhere: %s', (text) => {
    expect(() => read(text, env, true)).not.toThrow();
  });
});

describe('the config as it is shown', () => {
  const config = read(
    `providers:
  groq:
    keys: [gsk_0123456789abcdefghij, { key: short, proxy: "http://user:pass@127.0.0.1:3128" }]
    headers: { x-api-key: topsecret, x-extra: "1" }
    timeouts: { first_byte: 90s }
  own: { base_url: "http://127.0.0.1:1/v1", keys: none }
server: { client_keys: [{ name: a, key: abcdefghijklmnop0123 }], heartbeat: 0, max_body: 1mb }
`,
  );

  test('has units and no secret', () => {
    const text = showConfig(config);
    for (const secret of ['gsk_0123456789', 'short', 'user:pass', 'topsecret', 'abcdefghij']) {
      expect(text).not.toContain(secret);
    }
    expect(effectiveConfig(config)).toMatchObject({
      server: { client_keys: [{ name: 'a', key: 'abcd…0123' }], heartbeat: '0', max_body: '1mb', hold: '15s' },
      providers: {
        groq: {
          keys: [{ key: 'gsk_…ghij' }, { key: '…', proxy: 'http://***@127.0.0.1:3128' }],
          headers: { 'x-api-key': '***', 'x-extra': '1' },
          timeouts: { first_byte: '90s' },
        },
        own: { keys: 'none', base_url: 'http://127.0.0.1:1/v1' },
      },
    });
  });
});
