import { describe, expect, test } from 'bun:test';
import { ambientProxy, isLoopback } from '../../src/transport/ambient-proxy.ts';

const both = { HTTP_PROXY: 'http://p:1', HTTPS_PROXY: 'http://p:2' };

describe('the proxy that the environment names', () => {
  const rows: Record<string, [url: string, env: Record<string, string>, expected: string | null]> = {
    'none without variables': ['https://api.example.test', {}, null],
    'HTTPS_PROXY for https': ['https://api.example.test', both, 'http://p:2'],
    'HTTP_PROXY for http': ['http://api.example.test', both, 'http://p:1'],
    'lower case before upper case': ['https://api.example.test', { ...both, https_proxy: 'http://p:3' }, 'http://p:3'],
    'an empty variable is none': ['https://api.example.test', { HTTPS_PROXY: ' ' }, null],
    'ALL_PROXY where nothing else is named': [
      'https://api.example.test',
      { ALL_PROXY: 'socks5://p:4', HTTP_PROXY: 'x:1' },
      'socks5://p:4',
    ],
    'host:port for an HTTP proxy': ['https://api.example.test', { HTTPS_PROXY: 'p:2' }, 'http://p:2'],
    'never for localhost': ['http://localhost:11434', both, null],
    'never for names below localhost': ['http://ollama.localhost', both, null],
    'never for 127.0.0.0/8': ['http://127.8.9.10:1', both, null],
    'never for ::1': ['http://[::1]:1', both, null],
    'never for an embedded 127.0.0.1': ['http://[::ffff:127.0.0.1]:1', both, null],
    'never for 0.0.0.0': ['http://0.0.0.0:1', both, null],
    'for an address that only begins like it': ['http://127.0.0.1.example.test', both, 'http://p:1'],
    'for a private network, unless exempt': ['http://192.168.0.7', both, 'http://p:1'],
    'not for a name in NO_PROXY': ['https://api.example.test', { ...both, NO_PROXY: 'other, api.example.test' }, null],
    'not for a subdomain': ['https://api.example.test', { ...both, NO_PROXY: 'example.test' }, null],
    'not for .name': ['https://api.example.test', { ...both, no_proxy: '.example.test' }, null],
    'not for *.name': ['https://api.example.test', { ...both, no_proxy: '*.Example.Test' }, null],
    'for a name that only ends alike': [
      'https://api.notexample.test',
      { ...both, NO_PROXY: 'example.test' },
      'http://p:2',
    ],
    'not for *': ['https://api.example.test', { ...both, NO_PROXY: '*' }, null],
    'not for name:port': ['https://api.example.test', { ...both, NO_PROXY: 'api.example.test:443' }, null],
    'for another port': ['https://api.example.test:8443', { ...both, NO_PROXY: 'api.example.test:443' }, 'http://p:2'],
    'not for an address': ['http://10.1.2.3', { ...both, NO_PROXY: '10.1.2.3' }, null],
    'not for a network': ['http://10.1.2.3', { ...both, NO_PROXY: '10.0.0.0/8' }, null],
    'for an address outside the network': ['http://11.1.2.3', { ...both, NO_PROXY: '10.0.0.0/8' }, 'http://p:1'],
    'not for an IPv6 network': ['http://[fd00::7]', { ...both, NO_PROXY: 'fd00::/8' }, null],
    'not disturbed by nonsense': ['http://10.1.2.3', { ...both, NO_PROXY: '10.0.0.0/99,/,:,..,[' }, 'http://p:1'],
  };
  for (const [name, [url, env, expected]] of Object.entries(rows)) {
    test(name, () => expect(ambientProxy(new URL(url), env)).toBe(expected));
  }
});

test('a host with a trailing dot is still the machine itself', () => {
  expect([isLoopback('localhost.'), isLoopback('example.test')]).toEqual([true, false]);
});
