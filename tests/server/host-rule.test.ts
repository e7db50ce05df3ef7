import { describe, expect, test } from 'bun:test';
import { isHostAllowed, isLoopbackHost } from '../../src/server/host-rule.ts';

describe('on a loopback bind', () => {
  test.each([
    '127.0.0.1',
    '127.0.0.1:8000',
    '127.8.9.10:1',
    'localhost',
    'LocalHost:8000',
    'localhost.',
    'app.localhost:8000',
    '[::1]',
    '[::1]:8000',
    '[0:0:0:0:0:0:0:1]:8000',
  ])('the loopback name %s is served', (host) => {
    expect(isHostAllowed('127.0.0.1', host, [])).toBe(true);
  });

  test.each([
    'evil.example',
    'evil.example:8000',
    '127.0.0.1.evil.example',
    '127.0.0.1.nip.io:8000',
    'localhost.evil.example',
    'evillocalhost',
    '192.168.1.5:8000',
    '0.0.0.0:8000',
    '[::]:8000',
    '[fe80::1]',
    '10.127.0.0',
    '127.0.0.1@evil.example',
    'evil.example@127.0.0.1',
    'evil.example/127.0.0.1',
    'evil.example#127.0.0.1',
    'evil.example, 127.0.0.1',
    '127.0.0.1, evil.example',
    'evil.example 127.0.0.1',
    '127.0.0.1\\evil.example',
    '[bad',
    ':8000',
    '',
  ])('the Host %p is refused', (host) => {
    expect(isHostAllowed('127.0.0.1', host, [])).toBe(false);
  });

  test('a missing Host is refused', () => {
    expect(isHostAllowed('127.0.0.1', null, [])).toBe(false);
  });

  test.each(['localhost', '::1', '[::1]', '127.0.0.1', '127.1.2.3'])('the rule holds when bound to %s', (bind) => {
    expect(isLoopbackHost(bind)).toBe(true);
    expect(isHostAllowed(bind, 'evil.example', [])).toBe(false);
    expect(isHostAllowed(bind, 'localhost', [])).toBe(true);
  });
});

test('a name in allowed_hosts is served on any port, and with a port on that one alone', () => {
  expect(isHostAllowed('127.0.0.1', 'LLM.home:8000', ['llm.home'])).toBe(true);
  expect(isHostAllowed('127.0.0.1', 'llm.home', ['llm.home'])).toBe(true);
  expect(isHostAllowed('127.0.0.1', 'llm.home:8000', ['llm.home:8000'])).toBe(true);
  expect(isHostAllowed('127.0.0.1', 'llm.home:9000', ['llm.home:8000'])).toBe(false);
  expect(isHostAllowed('127.0.0.1', 'sub.llm.home', ['llm.home'])).toBe(false);
});

test.each(['0.0.0.0', '::', '192.168.1.5', 'llm.example'])('a server bound to %s takes every Host', (bind) => {
  expect(isLoopbackHost(bind)).toBe(false);
  expect(isHostAllowed(bind, 'llm.example', [])).toBe(true);
});
