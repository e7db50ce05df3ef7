import { constants } from 'node:buffer';
import { gunzip, type ZlibOptions, zstdDecompress } from 'node:zlib';
import { type Refusal, refuse } from './refusal.ts';

type Inflate = (
  bytes: Uint8Array,
  options: Pick<ZlibOptions, 'maxOutputLength'>,
  done: (error: Error | null, result: Uint8Array) => void,
) => void;

/** RFC 9110 §8.4.1.3: `x-gzip` is the same coding. */
const INFLATERS: ReadonlyMap<string, Inflate> = new Map<string, Inflate>([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  ['zstd', zstdDecompress],
]);
const ACCEPTED = { 'accept-encoding': 'gzip, zstd' };

/** The whole body, inflated. At most `maxBytes` are taken in, and at most `maxBytes` come out of a compressed one. */
export function readBody(request: Request, maxBytes: number): Promise<Uint8Array | Refusal> {
  const encoding = request.headers.get('content-encoding');
  const declared = request.headers.get('content-length');
  // Nearly every request.
  if (encoding === null && declared !== null && Number(declared) <= maxBytes) {
    return request.bytes().then((bytes) => (bytes.length > maxBytes ? tooLarge(maxBytes) : bytes), brokenOff);
  }
  return readUnusual(request, (encoding ?? 'identity').trim().toLowerCase(), declared, maxBytes);
}

async function readUnusual(
  request: Request,
  encoding: string,
  declared: string | null,
  maxBytes: number,
): Promise<Uint8Array | Refusal> {
  const inflater = INFLATERS.get(encoding);
  if (!inflater && encoding !== 'identity' && encoding !== '') {
    const message = `a request body in content-encoding "${encoding.slice(0, 40)}" is not understood; use gzip, zstd or none`;
    return refuse({ kind: 'unsupported-encoding', status: 415, message }, ACCEPTED);
  }
  if (declared !== null && Number(declared) > maxBytes) return tooLarge(maxBytes);
  let bytes: Uint8Array | null;
  try {
    // Without a declared length the body is counted while it comes.
    bytes = declared === null ? await readCounted(request, maxBytes) : await request.bytes();
  } catch {
    return brokenOff();
  }
  if (bytes === null || bytes.length > maxBytes) return tooLarge(maxBytes);
  return inflater ? inflate(inflater, bytes, maxBytes) : bytes;
}

const brokenOff = () =>
  refuse({ kind: 'bad-request', status: 400, message: 'the request body broke off before its end' });

/** Null when there is more than `maxBytes`. */
async function readCounted(request: Request, maxBytes: number): Promise<Uint8Array | null> {
  if (!request.body) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks, length);
    length += value.length;
    if (length > maxBytes) {
      await reader.cancel();
      return null;
    }
    chunks.push(value);
  }
}

function inflate(inflater: Inflate, bytes: Uint8Array, maxBytes: number): Promise<Uint8Array | Refusal> {
  return new Promise((resolve) => {
    // The limit stops the inflater itself: a bomb costs no more memory than a legitimate body.
    inflater(bytes, { maxOutputLength: Math.min(maxBytes, constants.MAX_LENGTH) }, (error, result) => {
      if (!error) return resolve(result);
      if ('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') return resolve(tooLarge(maxBytes));
      const message = 'the request body is not what its content-encoding says';
      resolve(refuse({ kind: 'bad-request', status: 400, message }));
    });
  });
}

function tooLarge(maxBytes: number): Refusal {
  const message = `the request body is larger than ${maxBytes} bytes (server.max_body)`;
  return refuse({ kind: 'body-too-large', status: 413, message });
}
