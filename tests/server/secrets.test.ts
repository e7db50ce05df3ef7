import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adminToken } from '../../src/server/admin-token.ts';
import { clientKey, defaultClientKey } from '../../src/server/client-keys.ts';
import { Secret } from '../../src/shared/secret.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rotator-secrets-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const modeOf = (path: string) => statSync(path).mode & 0o777;

test('a client key is made at the first start and found at the second', () => {
  const first = defaultClientKey({}, directory);
  expect(first.origin).toBe('made');
  expect(first.secret.reveal()).toMatch(/^sk-rotator-[\w-]{43}$/);
  expect(first.path).toBe(join(directory, 'client-key'));
  expect(modeOf(join(directory, 'client-key'))).toBe(0o600);
  const second = defaultClientKey({}, directory);
  expect(second.origin).toBe('file');
  expect(second.secret.reveal()).toBe(first.secret.reveal());
  expect(readdirSync(directory)).toEqual(['client-key']);
});

test('an admin token is made too, and is another secret', () => {
  const token = adminToken({}, directory);
  expect(token.origin).toBe('made');
  expect(modeOf(join(directory, 'admin-token'))).toBe(0o600);
  expect(token.secret.reveal()).not.toBe(defaultClientKey({}, directory).secret.reveal());
  expect(token.secret.reveal()).not.toStartWith('sk-rotator-');
});

test('the environment wins over the file and leaves it alone', () => {
  const kept = defaultClientKey({}, directory).secret.reveal();
  const given = defaultClientKey({ ROTATOR_CLIENT_KEY: ' mine ' }, directory);
  expect([given.origin, given.secret.reveal(), given.path]).toEqual(['given', 'mine', null]);
  expect(adminToken({ ROTATOR_ADMIN_TOKEN: 'tok' }, directory).secret.reveal()).toBe('tok');
  expect(readFileSync(join(directory, 'client-key'), 'utf8').trim()).toBe(kept);
  expect(readdirSync(directory)).toEqual(['client-key']);
});

test('an empty variable counts as unset and an empty file as missing', () => {
  writeFileSync(join(directory, 'client-key'), '\n');
  const made = defaultClientKey({ ROTATOR_CLIENT_KEY: '' }, directory);
  expect(made.origin).toBe('made');
  expect(readFileSync(join(directory, 'client-key'), 'utf8').trim()).toBe(made.secret.reveal());
});

test('a file that others could read is closed to them', () => {
  writeFileSync(join(directory, 'client-key'), 'sk-rotator-old\n', { mode: 0o644 });
  expect(defaultClientKey({}, directory).secret.reveal()).toBe('sk-rotator-old');
  expect(modeOf(join(directory, 'client-key'))).toBe(0o600);
});

test('without a state directory the secret lives in memory, new each time', () => {
  const first = defaultClientKey({}, null);
  expect([first.origin, first.path, first.problem]).toEqual(['memory', null, null]);
  expect(defaultClientKey({}, null).secret.reveal()).not.toBe(first.secret.reveal());
});

test('a place that cannot be written gives a secret for this run and says why', () => {
  const missing = defaultClientKey({}, join(directory, 'nowhere'));
  expect(missing.origin).toBe('memory');
  expect(missing.problem).toContain('client-key');
  mkdirSync(join(directory, 'admin-token'));
  const blocked = adminToken({}, directory);
  expect(blocked.origin).toBe('memory');
  expect(blocked.problem).toContain('admin-token');
});

test('a key of the config is kept as its digest, whether written plain or hashed', () => {
  const plain = clientKey('a', new Secret('key'));
  expect(plain.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(clientKey('a', new Secret(`sha256:${plain.sha256.toUpperCase()}`)).sha256).toBe(plain.sha256);
  // Not a digest, so a key that happens to begin like one.
  expect(clientKey('a', new Secret('sha256:abc')).sha256).not.toContain('abc"');
  expect(clientKey('a', new Secret('sha256:abc')).sha256).toHaveLength(64);
});
