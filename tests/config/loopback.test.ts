import { expect, test } from 'bun:test';
import { isLoopbackHost, isLoopbackUrl } from '../../src/config/loopback.ts';
import { isHostAllowed } from '../../src/server/host-rule.ts';

test.each([
  ['localhost', true],
  ['LOCALHOST', true],
  ['api.localhost', true],
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['::1', true],
  ['[::1]', true],
  ['0.0.0.0', false],
  ['::', false],
  ['::ffff:127.0.0.1', false],
  ['192.168.1.5', false],
  ['localhost.example', false],
  ['127.0.0.1.example', false],
])('%s is this machine itself: %p', (host, expected) => {
  expect(isLoopbackHost(host)).toBe(expected);
  // Where a server may be open, because only this machine reaches it, a page under another name must not reach it either.
  if (expected) expect(isHostAllowed(host, 'page.example', [])).toBe(false);
});

test.each([
  ['http://127.0.0.1:8001/v1', true],
  ['http://127.1/v1', true],
  ['http://localhost:1', true],
  ['http://[::1]:1/v1', true],
  ['https://localhost.example/v1', false],
  ['not a url', false],
])('%s leads to this machine: %p', (url, expected) => {
  expect(isLoopbackUrl(url)).toBe(expected);
});
