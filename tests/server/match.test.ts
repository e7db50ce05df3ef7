import { expect, test } from 'bun:test';
import { createMatcher } from '../../src/server/routes/match.ts';
import type { Route } from '../../src/server/routes/route.ts';

const route = (method: Route['method'], path: string): Route => ({
  method,
  path,
  access: 'client',
  answer: () => new Response(),
});
const match = createMatcher([
  route('GET', '/v1/models'),
  route('GET', '/v1/models/{id}'),
  route('GET', '/jobs'),
  route('POST', '/jobs'),
  route('POST', '/admin/keys/{id}/enable'),
]);

test.each([
  ['GET', '/v1/models', '/v1/models', ''],
  ['HEAD', '/v1/models', '/v1/models', ''],
  ['POST', '/jobs', '/jobs', ''],
  ['GET', '/v1/models/groq/llama-3', '/v1/models/{id}', 'groq/llama-3'],
  ['GET', '/v1/models/groq%2Fllama-3%3Afree', '/v1/models/{id}', 'groq/llama-3:free'],
  ['GET', '/v1/models/%E2%82%AC', '/v1/models/{id}', '€'],
  ['GET', '/v1/models/%zz', '/v1/models/{id}', '%zz'],
  ['GET', '/v1/models//', '/v1/models/{id}', '/'],
  ['POST', '/admin/keys/groq-1/enable', '/admin/keys/{id}/enable', 'groq-1'],
])('%s %s goes to %s', (method, path, pattern, id) => {
  const found = match(method, path);
  expect(found.kind).toBe('route');
  if (found.kind !== 'route') return;
  expect([found.route.path, found.id]).toEqual([pattern, id]);
});

test.each([
  ['POST', '/v1/models', 'GET, HEAD'],
  ['DELETE', '/jobs', 'GET, HEAD, POST'],
  ['TRACE', '/jobs', 'GET, HEAD, POST'],
  ['OPTIONS', '/v1/models/x', 'GET, HEAD'],
  ['GET', '/admin/keys/groq-1/enable', 'POST'],
])('%s %s is a wrong method', (method, path, allow) => {
  expect(match(method, path)).toEqual({ kind: 'wrong-method', allow });
});

test.each([
  '//v1/models',
  '/v1/models/',
  '/v1//models',
  '/V1/models',
  '/v1%2Fmodels',
  '/%761/models',
  '/v1/model',
  '/admin/keys//enable',
  '/admin/keys/enable',
  '',
  '*',
  '/constructor',
])('the path %p is nobody', (path) => {
  expect(match('GET', path).kind).toBe('unknown');
});
