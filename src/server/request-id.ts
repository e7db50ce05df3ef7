const ACCEPTED = /^[\w.-]{1,64}$/;

/** The client's own `x-request-id` when it is harmless in a header, a log line and a file name; else a new one. */
export function requestIdOf(headers: Headers): string {
  const given = headers.get('x-request-id');
  // Ids that grow with time: the request log's index then grows at its end, which takes a third of the time.
  return given !== null && ACCEPTED.test(given) ? given : `req_${Bun.randomUUIDv7()}`;
}
