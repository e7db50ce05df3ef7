import { describe, expect, test } from 'bun:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { readBody } from '../../src/server/body.ts';
import { isRefusal } from '../../src/server/refusal.ts';

const LIMIT = 1000;

const post = (body: RequestInit['body'], headers: Record<string, string> = {}) =>
  new Request('http://h/', { method: 'POST', body, headers });

/** The text, or the status of the refusal. */
async function read(request: Request): Promise<string | number> {
  const body = await readBody(request, LIMIT);
  return isRefusal(body) ? body.refused.status : new TextDecoder().decode(body);
}

/** A body without a declared length, in chunks. */
function chunked(sizes: readonly number[], seen: { pulled: number; isCancelled: boolean }) {
  let next = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const size = sizes[next++];
        if (size === undefined) return controller.close();
        seen.pulled++;
        controller.enqueue(new Uint8Array(size).fill(97));
      },
      cancel() {
        seen.isCancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
}

test('a plain body comes as it is', async () => {
  expect(await read(post('{"a":1}'))).toBe('{"a":1}');
  expect(await read(post('{"a":1}', { 'content-encoding': 'identity' }))).toBe('{"a":1}');
  expect(await read(post(null))).toBe('');
});

describe('the limit', () => {
  test('holds to the byte', async () => {
    expect(await read(post('a'.repeat(LIMIT)))).toHaveLength(LIMIT);
    expect(await read(post('a'.repeat(LIMIT + 1)))).toBe(413);
  });

  test('refuses a declared length without reading', async () => {
    const request = post('abc', { 'content-length': '1001' });
    expect(await read(request)).toBe(413);
    expect(request.bodyUsed).toBe(false);
  });

  test('does not believe a declared length that is too small', async () => {
    expect(await read(post('a'.repeat(LIMIT + 1), { 'content-length': '5' }))).toBe(413);
  });

  test('stops reading a body of unknown length', async () => {
    const seen = { pulled: 0, isCancelled: false };
    expect(await read(post(chunked([400, 400, 400, 400, 400], seen)))).toBe(413);
    expect(seen).toEqual({ pulled: 3, isCancelled: true });
  });

  test('lets a body of unknown length through when it fits', async () => {
    const seen = { pulled: 0, isCancelled: false };
    expect(await read(post(chunked([400, 600], seen)))).toHaveLength(LIMIT);
  });
});

describe.each([
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['zstd', zstdCompressSync],
  ['GZIP', gzipSync],
] as const)('a body in %s', (encoding, compress) => {
  // As over a socket: with its length declared.
  const send = (bytes: Uint8Array) =>
    read(post(new Uint8Array(bytes), { 'content-encoding': encoding, 'content-length': `${bytes.length}` }));

  test('is inflated', async () => {
    expect(await send(compress('{"a":1}'))).toBe('{"a":1}');
  });

  test('is limited after inflation, to the byte', async () => {
    expect(await send(compress('a'.repeat(LIMIT)))).toHaveLength(LIMIT);
    expect(await send(compress('a'.repeat(LIMIT + 1)))).toBe(413);
  });

  test('that is a bomb stops at the limit', async () => {
    const bomb = compress(new Uint8Array(100_000_000));
    const body = await readBody(post(new Uint8Array(bomb), { 'content-encoding': encoding }), 200_000);
    expect(isRefusal(body) && body.refused.code === undefined && body.refused.status).toBe(413);
  });

  test('that is something else is a bad request', async () => {
    expect(await send(new TextEncoder().encode('{"a":1}'))).toBe(400);
  });
});

test.each(['br', 'deflate', 'gzip, gzip', 'constructor', '__proto__', 'toString'])(
  'the encoding %s is refused with the ones that are understood',
  async (encoding) => {
    const body = await readBody(post('x', { 'content-encoding': encoding }), LIMIT);
    if (!isRefusal(body)) throw new Error('it is to be refused');
    expect(body.refused.status).toBe(415);
    expect(body.headers).toEqual({ 'accept-encoding': 'gzip, zstd' });
  },
);

test('a body that breaks off is a bad request and not a crash', async () => {
  const broken = new ReadableStream({
    pull(controller) {
      controller.error(new Error('gone'));
    },
  });
  expect(await read(post(broken))).toBe(400);
});
