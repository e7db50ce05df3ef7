// What a config says of accounts: where their calls go, and whose they are.
import { describe, expect, test } from 'bun:test';
import { accountSettings, usesEnvironment } from '../../src/config/account-settings.ts';
import { readConfig } from '../../src/config/load.ts';
import { findProfile } from '../../src/oauth/profiles/index.ts';

const config = (text: string, isFound = false) => ({
  ...readConfig({ text, shown: 'rotator.yaml', path: '/rotator.yaml', isFound }, { env: {} }),
  isFound,
});

function settings(provider: string, text: string, isFound = false) {
  const profile = findProfile(provider);
  if (!profile) throw new Error(`no profile ${provider}`);
  return accountSettings(config(text, isFound), profile);
}

describe('the API of a service', () => {
  test.each([
    ['is the vendor’s', 'codex', '{}', null],
    [
      'is where base_url says',
      'codex',
      'providers: { codex: { base_url: "https://own.test/x" } }',
      'https://own.test/x',
    ],
    [
      'is where oauth.api_url says, first',
      'xai',
      'providers: { xai: { base_url: "https://keys.test/v1", oauth: { api_url: "https://accounts.test/v1" } } }',
      'https://accounts.test/v1',
    ],
    [
      'is not where its sibling’s keys go',
      'gemini_cli',
      'providers: { gemini: { base_url: "https://own.test/v1" } }',
      null,
    ],
  ] as const)('%s', (_, provider, text, url) => {
    expect(settings(provider, text).api_url).toBe(url);
  });

  test('of a file that was found and not named does not take the accounts of a vendor with keys along', () => {
    const text = (host: string) => `providers: { xai: { base_url: "${host}/v1", keys: [sk-0123456789abcdef] } }`;
    expect(settings('xai', text('https://own.test'), true).api_url).toBeNull();
    expect(settings('xai', text('http://127.0.0.1:1'), true).api_url).toBe('http://127.0.0.1:1/v1');
  });

  test('where there are only accounts such a file is refused', () => {
    const text = 'providers: { codex: { base_url: "https://evil.test" } }';
    expect(() => settings('codex', text, true)).toThrow('this base URL would receive your accounts');
    expect(settings('codex', text).api_url).toBe('https://evil.test');
  });
});

test('a sibling’s section is read where the service has none', () => {
  expect(settings('gemini_cli', 'providers: { gemini: { oauth: { project_id: mine } } }').project_id).toBe('mine');
});

describe('accounts of the environment', () => {
  test.each([
    ['all', '{}', true],
    ['off', 'providers: { codex: {} }', false],
    ['auto', 'providers: { codex: {} }', true],
    ['auto', 'providers: { groq: {} }', false],
  ] as const)('discover_env: %s, %s: %p', (discovers, text, isUsed) => {
    const read = config(text).config;
    expect(usesEnvironment({ ...read, discover_env: discovers }, 'codex')).toBe(isUsed);
  });
});

test('a service that lets only accounts in takes no keys', () => {
  expect(() => config('providers: { codex: { keys: [sk-0123456789abcdef] } }')).toThrow(
    'codex takes no keys, only accounts: rotator oauth login codex',
  );
});
