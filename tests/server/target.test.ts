import { expect, test } from 'bun:test';
import { targetOf } from '../../src/server/target.ts';

test.each([
  ['http://h/v1/models', '/v1/models', ''],
  ['http://h:8000/v1/models?key=a%20b&x=1', '/v1/models', 'key=a%20b&x=1'],
  ['http://h//v1/models', '//v1/models', ''],
  ['http://h/', '/', ''],
  ['http://h/a#b?c', '/a', ''],
  ['http://h/a?b#c', '/a', 'b'],
  ['http://h/a?b=http://x/y', '/a', 'b=http://x/y'],
  ['http://[bad/v1/models', '/v1/models', ''],
  // What Bun gives for a request whose Host is missing or malformed.
  ['/v1/models?x', '/v1/models', 'x'],
  // CONNECT names an authority and has no path.
  ['a.example:443', '', ''],
  ['http://h', '', ''],
])('%s is %p with query %p', (url, path, query) => {
  expect(targetOf(url)).toEqual({ path, query });
});
