import { expect, test } from 'bun:test';
import { isPreflight, judgeOrigin, type OriginVerdict, preflightResponse } from '../../src/server/origin-rule.ts';

const CORS = ['https://app.example', 'http://localhost:3000/', 'tauri://localhost'];

test.each<[string, OriginVerdict['kind']]>([
  ['https://app.example', 'allowed'],
  ['https://APP.example', 'allowed'],
  ['https://app.example:443', 'allowed'],
  ['http://localhost:3000', 'allowed'],
  ['tauri://localhost', 'allowed'],
  ['http://app.example', 'refused'],
  ['https://app.example:8443', 'refused'],
  ['https://app.example.evil.example', 'refused'],
  ['https://evil.example', 'refused'],
  ['http://localhost', 'refused'],
  ['tauri://localhost.evil', 'refused'],
  ['https://app.example, https://evil.example', 'refused'],
  ['null', 'refused'],
  ['', 'refused'],
])('the origin %p is %s', (origin, kind) => {
  expect(judgeOrigin(origin, false, CORS).kind).toBe(kind);
});

test('without an Origin there is nothing to judge', () => {
  expect(judgeOrigin(null, false, []).kind).toBe('none');
  expect(judgeOrigin(null, true, []).kind).toBe('none');
});

test('a star lets every origin in', () => {
  expect(judgeOrigin('https://anything.example', false, ['*']).kind).toBe('allowed');
  expect(judgeOrigin('null', false, ['*']).kind).toBe('allowed');
});

test('no origin may call the admin API, whatever is listed', () => {
  for (const cors of [[], ['*'], CORS]) expect(judgeOrigin('https://app.example', true, cors).kind).toBe('refused');
});

test('only an OPTIONS that asks for a method is a preflight', () => {
  const asks = { 'access-control-request-method': 'POST' };
  expect(isPreflight(new Request('http://h/', { method: 'OPTIONS', headers: asks }))).toBe(true);
  expect(isPreflight(new Request('http://h/', { method: 'OPTIONS' }))).toBe(false);
  expect(isPreflight(new Request('http://h/', { method: 'POST', headers: asks }))).toBe(false);
});

test('a preflight is told that the headers it wants are fine, and the private network too when it asks', () => {
  const asked = preflightResponse(
    new Request('http://h/', {
      method: 'OPTIONS',
      headers: {
        'access-control-request-headers': 'authorization, x-stainless-os',
        'access-control-request-private-network': 'true',
      },
    }),
  );
  expect(asked.status).toBe(204);
  expect(asked.headers.get('access-control-allow-headers')).toBe('authorization, x-stainless-os');
  expect(asked.headers.get('access-control-allow-private-network')).toBe('true');
  const plain = preflightResponse(new Request('http://h/', { method: 'OPTIONS' }));
  expect(plain.headers.has('access-control-allow-private-network')).toBe(false);
  expect(plain.headers.get('access-control-allow-methods')).toContain('POST');
});
