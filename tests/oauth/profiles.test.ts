import { describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '../../src/shared/secret.ts';
import { findProfile, profileNames, profiles } from '../../src/oauth/profiles/index.ts';
import { missingFor, NO_SETTINGS, serviceOf } from '../../src/oauth/service-settings.ts';
import { profileNamed, serviceAt, serviceWith, StateDirectory } from './oauth-fixture.ts';

describe.each(profiles.map((profile) => [profile.id, profile] as const))('%s', (id, profile) => {
  test('is found under each of its names, however written', () => {
    for (const name of [id, ...(profile.names ?? [])]) {
      expect(findProfile(name)?.id).toBe(id);
      expect(findProfile(name.replaceAll('_', '-').toUpperCase())?.id).toBe(id);
    }
  });

  test('speaks TLS to the vendor everywhere', () => {
    const { endpoints } = serviceWith(id);
    const urls = [...Object.values(endpoints), profile.userinfoUrl].filter((url) => url !== null && url !== undefined);
    expect(urls.filter((url) => !url.startsWith('https://'))).toEqual([]);
  });

  test('can be logged in to', () => expect(profile.authorize ?? profile.device).not.toBeNull());

  test('says since when it is as it is, and why it is not open', () => {
    expect(profile.status.since).toMatch(/^2026-\d\d-\d\d$/);
    if (profile.status.kind !== 'works') expect(profile.status.reason.length).toBeGreaterThan(30);
  });

  test('asks nobody but the server of the user’s own when there is one', () => {
    const { endpoints } = serviceAt(id, 'http://127.0.0.1:4711');
    for (const url of Object.values(endpoints))
      expect(url ?? 'http://127.0.0.1:4711').toStartWith('http://127.0.0.1:4711');
  });

  test('keeps the vendor’s addresses out of a login at a server that names only some', () => {
    const { endpoints } = serviceWith(id, { token_url: 'http://127.0.0.1:4711/token' });
    expect([endpoints.authorizeUrl, endpoints.deviceUrl]).toEqual([null, null]);
  });
});

test('no two services share a name or a prefix', () => {
  expect(new Set(profileNames).size).toBe(profileNames.length);
  expect(new Set(profiles.map(({ envPrefix }) => envPrefix)).size).toBe(profiles.length);
});

test('no client secret is part of the program', () => {
  const source = join(import.meta.dir, '..', '..', 'src', 'oauth');
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  // How Google's begin, put together so that this file holds none either.
  const secret = new RegExp(['GOC', 'SPX-'].join(''));
  expect(files.filter((name) => secret.test(readFileSync(join(source, name), 'utf8')))).toEqual([]);
});

describe('the client as which a service is asked', () => {
  const clientOf = (settings: Partial<typeof NO_SETTINGS>, env: Record<string, string> = {}) => {
    const { client } = serviceOf(profileNamed('gemini_cli'), { ...NO_SETTINGS, ...settings }, env);
    return [client.id, client.secret?.reveal() ?? null];
  };
  const { clientId } = profileNamed('gemini_cli');

  test('is the config’s, else the environment’s', () => {
    const env = { GEMINI_CLI_CLIENT_ID: 'env-id', GEMINI_CLI_CLIENT_SECRET: 'env-secret' };
    expect(clientOf({}, env)).toEqual(['env-id', 'env-secret']);
    expect(clientOf({ client_id: 'my-id', client_secret: new Secret('my-secret') }, env)).toEqual([
      'my-id',
      'my-secret',
    ]);
  });

  test('is read from the vendor’s own tool where that is installed', () => {
    using place = new StateDirectory();
    const root = join(place.path, 'lib/node_modules/@google/gemini-cli');
    const core = join(root, 'node_modules/@google/gemini-cli-core/dist/src/code_assist');
    for (const path of [core, join(root, 'dist'), join(place.path, 'bin')]) mkdirSync(path, { recursive: true });
    writeFileSync(
      join(core, 'oauth2.js'),
      "const OAUTH_CLIENT_ID = 'x';\nconst OAUTH_CLIENT_SECRET = 'made-up-secret_1';\n",
    );
    writeFileSync(join(root, 'dist/index.js'), '#!/usr/bin/env node\n');
    chmodSync(join(root, 'dist/index.js'), 0o755);
    symlinkSync(join(root, 'dist/index.js'), join(place.path, 'bin/gemini'));
    expect(clientOf({}, { PATH: `${place.path}/none:${place.path}/bin` })).toEqual([clientId, 'made-up-secret_1']);
    // Another client’s id goes with another secret.
    expect(clientOf({ client_id: 'my-id' }, { PATH: `${place.path}/bin` })).toEqual(['my-id', null]);
  });

  test('that lacks its secret is told with all the ways to get one', () => {
    const missing = missingFor(serviceWith('gemini_cli'));
    expect(missing?.message).toBe('Gemini CLI wants a client secret, which rotator does not come with');
    for (const way of [
      'GEMINI_CLI_CLIENT_SECRET',
      'providers.gemini_cli.oauth.client_secret',
      'rotator oauth import',
      'gemini',
    ]) {
      expect(missing?.hint).toContain(way);
    }
  });

  test('needs no secret where a server of the user’s own decides, or the service wants none', () => {
    expect(missingFor(serviceAt('gemini_cli', 'http://127.0.0.1:1'))).toBeNull();
    expect(missingFor(serviceWith('codex'))).toBeNull();
  });
});

describe('where the calls of an account go', () => {
  test.each([
    ['qwen_code', { resource_url: 'portal.qwen.ai' }, null, 'https://portal.qwen.ai/v1'],
    ['qwen_code', { resource_url: 'https://eu.qwen.test/v1/' }, null, 'https://eu.qwen.test/v1'],
    ['qwen_code', { resource_url: 'eu.qwen.test/' }, null, 'https://eu.qwen.test/v1'],
    ['qwen_code', { resource_url: ' :' }, null, 'https://portal.qwen.ai/v1'],
    ['qwen_code', {}, null, 'https://portal.qwen.ai/v1'],
    ['qwen_code', { resource_url: 'eu.qwen.test' }, 'http://127.0.0.1:1/v1', 'http://127.0.0.1:1/v1'],
    ['copilot', {}, null, 'https://api.githubcopilot.com'],
    ['copilot', { api_base: 'https://api.business.test' }, null, 'https://api.business.test'],
    ['copilot', {}, 'http://127.0.0.1:1', 'http://127.0.0.1:1'],
  ] as const)('%s with %j and %j: %s', (id, details, configured, expected) => {
    expect(profileNamed(id).callUrl?.(details, configured)).toBe(expected);
  });
});

describe('a service of the user’s own', () => {
  test.each([
    ['http://127.0.0.1:1', 'http://127.0.0.1:1/v1internal'],
    ['http://127.0.0.1:1/', 'http://127.0.0.1:1/v1internal'],
    ['http://127.0.0.1:1/other/v1', 'http://127.0.0.1:1/other/v1'],
  ])('has its API at %s: %s', (api_url, expected) => {
    expect(serviceWith('gemini_cli', { api_url }).endpoints.apiUrl).toBe(expected);
  });

  test('without TLS beyond this machine is refused', () => {
    const missing = missingFor(
      serviceWith('codex', { token_url: 'http://x.test/t', authorize_url: 'http://x.test/a' }),
    );
    expect(missing?.message).toContain('is not encrypted: http://x.test');
  });

  test('without a page or a device code says which is missing', () => {
    expect(missingFor(serviceWith('codex', { token_url: 'http://127.0.0.1:1/t' }))?.hint).toBe(
      'set providers.codex.oauth.authorize_url',
    );
    expect(missingFor(serviceWith('kimi', { token_url: 'http://127.0.0.1:1/t' }))?.hint).toBe(
      'set providers.kimi.oauth.device_url',
    );
  });

  test('takes port and project from the config before the environment', () => {
    const env = { GEMINI_CLI_OAUTH_PORT: '9000', GEMINI_CLI_PROJECT_ID: 'env-p', GOOGLE_CLOUD_PROJECT: 'g-p' };
    const of = (settings: Partial<typeof NO_SETTINGS>, from: Record<string, string>) =>
      serviceOf(profileNamed('gemini_cli'), { ...NO_SETTINGS, ...settings }, from);
    expect(of({}, env)).toMatchObject({ redirectPort: 9000, projectId: 'env-p' });
    expect(of({ redirect_port: 0, project_id: 'p' }, env)).toMatchObject({ redirectPort: 0, projectId: 'p' });
    expect(of({}, { GOOGLE_CLOUD_PROJECT: 'g-p' })).toMatchObject({ redirectPort: 8085, projectId: 'g-p' });
    expect(serviceOf(profileNamed('kimi'), NO_SETTINGS, env).projectId).toBeNull();
  });
});
