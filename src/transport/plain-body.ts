/** `content-encoding` names to what the runtime calls them. */
const FORMATS = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate', br: 'brotli', zstd: 'zstd' } as const;

type Format = (typeof FORMATS)[keyof typeof FORMATS];

/**
 * The same response with its body as plain bytes. Compression is never asked for, but some servers send it all the
 * same, and then `content-encoding` and `content-length` no longer fit what a reader sees. A response without an
 * encoding, or with one that is not known, is returned as it came.
 *
 * Bun's own decompression is not used: it leaves both headers in place and prints to stderr when the data is broken.
 */
export function withPlainBody(response: Response): Response {
  const encoding = response.headers.get('content-encoding');
  if (encoding === null) return response;
  const formats = formatsOf(encoding);
  if (formats === null) return response;
  const headers = new Headers(response.headers);
  headers.delete('content-encoding');
  if (formats.length > 0) headers.delete('content-length');
  let body = response.body;
  for (const format of formats) body = body && body.pipeThrough(new DecompressionStream(format));
  return new Response(body, { status: response.status, statusText: response.statusText, headers });
}

/** In the order of undoing; null when one of them is unknown. */
function formatsOf(encoding: string): Format[] | null {
  const formats: Format[] = [];
  for (const part of encoding.toLowerCase().split(',')) {
    const name = part.trim();
    if (name === '' || name === 'identity') continue;
    if (!isKnown(name)) return null;
    formats.unshift(FORMATS[name]);
  }
  return formats;
}

function isKnown(name: string): name is keyof typeof FORMATS {
  return Object.hasOwn(FORMATS, name);
}
