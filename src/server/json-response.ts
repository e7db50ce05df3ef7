/**
 * A whole JSON answer. Nothing here may be stored by a cache: answers differ by key. The length is stated so that
 * HEAD can tell it too, and so that the socket's keeper knows that no quiet stream follows.
 */
export function jsonResponse(value: unknown, status = 200): Response {
  return jsonTextResponse(JSON.stringify(value), status);
}

/** The same for JSON that is text already. */
export function jsonTextResponse(text: string, status: number, extra: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, {
    status,
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...extra,
    },
  });
}
