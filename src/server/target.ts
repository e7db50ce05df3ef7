/** The path of a request, as sent but for what the URL parser resolves (`..`, `\`), and its query without the `?`. */
export type Target = { readonly path: string; readonly query: string };

/**
 * Reads a request's URL without `new URL`, which throws on what can arrive here: with a malformed or missing Host the
 * URL is the bare path, with CONNECT a bare authority, and a broken IPv6 name stands in it as it came.
 */
export function targetOf(url: string): Target {
  const scheme = url.indexOf('://');
  const start = url.startsWith('/') ? 0 : scheme < 0 ? -1 : url.indexOf('/', scheme + 3);
  if (start < 0) return { path: '', query: '' };
  const hash = url.indexOf('#', start);
  const end = hash < 0 ? url.length : hash;
  const mark = url.indexOf('?', start);
  if (mark < 0 || mark > end) return { path: url.slice(start, end), query: '' };
  return { path: url.slice(start, mark), query: url.slice(mark + 1, end) };
}
