import { TransportError } from './upstream.ts';

/*
 * What Bun 1.4.5 says of each fault, measured on real sockets with a POST (tests/transport/faults.test.ts holds the
 * same table as a test). "Not sent" is claimed only where no byte of the request can have reached the upstream.
 *
 * | fault                                              | code                                        | phase    |
 * | -------------------------------------------------- | ------------------------------------------- | -------- |
 * | nothing listens; network or host unreachable       | ECONNREFUSED                                | not-sent |
 * | the name does not resolve (upstream's or proxy's)  | ENOTFOUND                                   | not-sent |
 * | TLS to a port that speaks none; no common version; | EPROTO                                      | not-sent |
 * |   a client certificate is demanded                 |                                             |          |
 * | untrusted certificate                              | DEPTH_ZERO_SELF_SIGNED_CERT, UNABLE_TO_… …  | not-sent |
 * | certificate of another host                        | ERR_TLS_CERT_ALTNAME_INVALID                | not-sent |
 * | proxy does not listen                              | ECONNREFUSED                                | not-sent |
 * | proxy answers CONNECT with 403, 407, 502 …         | ERR_PROXY_TUNNEL                            | not-sent |
 * | proxy scheme unknown / proxy address no URL        | UnsupportedProxyProtocol / ERR_INVALID_ARG_VALUE | not-sent |
 * | HTTP/2 asked of a server without it                | HTTP2Unsupported (repeated over HTTP/1.1)   | not-sent |
 * | HTTP/2 REFUSED_STREAM (RFC 9113 §8.7)              | HTTP2RefusedStream                          | not-sent |
 * | closed or reset within the TLS handshake           | ECONNRESET: the same as after the request   | lost     |
 * | closed, half-closed or reset before the head, in   | ECONNRESET                                  | lost     |
 * |   the head, or by a proxy instead of an answer     |                                             |          |
 * | a kept-alive connection dies under a POST          | ECONNRESET                                  | lost     |
 * | plain HTTP to a TLS port                           | ECONNRESET                                  | lost     |
 * | not HTTP at all / a nonsensical content-length     | Malformed_HTTP_Response / InvalidContentLength | lost  |
 * | HTTP/2 RST_STREAM before the head                  | HTTP2StreamReset                            | lost     |
 * | body cut short (length, chunked) or reset          | ECONNRESET, from the body                   | lost     |
 * | body with broken chunk framing                     | InvalidHTTPResponse, from the body          | lost     |
 * | HTTP/2 RST_STREAM inside a body                    | none: Bun ends the body as if it were whole | –        |
 * | a body without length that ends with the connection | none: that is how such a body ends         | –        |
 */
const NOT_SENT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing answers there',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name does not resolve at the moment',
  EHOSTUNREACH: 'the host is unreachable',
  ENETUNREACH: 'the network is unreachable',
  EADDRNOTAVAIL: 'no local address is free',
  EPROTO: 'the TLS handshake failed',
  ERR_PROXY_TUNNEL: 'the proxy refused to open a tunnel',
  UnsupportedProxyProtocol: 'the proxy must be http://, https://, socks5:// or socks5h://',
  ERR_INVALID_ARG_VALUE: 'the address is not valid',
  ERR_INVALID_URL: 'the address is not valid',
  HTTP2Unsupported: 'the server has no HTTP/2',
  HTTP2RefusedStream: 'the server refused the HTTP/2 stream',
};

const LOST: Readonly<Record<string, string>> = {
  ECONNRESET: 'the connection was closed before the answer was whole',
  UND_ERR_SOCKET: 'the connection was closed before the answer was whole',
  EPIPE: 'the connection was closed while the request was written',
  Malformed_HTTP_Response: 'the answer is not HTTP',
  InvalidHTTPResponse: 'the answer is not valid HTTP',
};

// OpenSSL's verification results and Node's own names, all raised before a request can be written.
const CERTIFICATE =
  /^(CERT_|CRL_|UNABLE_TO_|ERR_TLS_|ERR_SSL_)|CERT|^(HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)$/;

/**
 * The failure of a call that got no head. `peer` is `host:port` for people.
 *
 * Bun's own error is not kept as `cause`: its message and `path` hold the whole URL, query included, and a proxy's
 * refusal holds the proxy's headers.
 */
export function sendFailure(error: unknown, peer: string): TransportError {
  if (error instanceof TransportError) return error;
  const code = codeOf(error);
  const known = Object.hasOwn(NOT_SENT, code) ? NOT_SENT[code] : undefined;
  const why = known ?? (CERTIFICATE.test(code) ? 'its certificate is not trusted' : undefined);
  if (why !== undefined) return new TransportError('not-sent', code, `${peer}: ${why} (${detailOf(error, code)})`);
  return lost(code, `${peer}: `);
}

/** The failure of a body that was being read. Not for a read that the caller's own signal ended. */
export function bodyFailure(error: unknown): TransportError {
  return error instanceof TransportError ? error : lost(codeOf(error), '');
}

function lost(code: string, prefix: string): TransportError {
  const why = (Object.hasOwn(LOST, code) && LOST[code]) || 'the connection failed';
  return new TransportError('lost', code, `${prefix}${why} (${code})`);
}

/** A proxy's status belongs to the story: 407 wants credentials, 403 a rule. Its words are not ours to repeat. */
function detailOf(error: unknown, code: string): string {
  const status = code === 'ERR_PROXY_TUNNEL' ? fieldOf(error, 'status') : undefined;
  return typeof status === 'number' ? `${code}, HTTP ${status}` : code;
}

function codeOf(error: unknown): string {
  const code = fieldOf(error, 'code');
  if (typeof code === 'string' && /^[\w.-]{1,60}$/.test(code)) return code;
  const cause = fieldOf(error, 'cause');
  if (cause !== undefined && cause !== error) return codeOf(cause);
  const name = fieldOf(error, 'name');
  return typeof name === 'string' && /^\w{1,60}$/.test(name) ? name : 'UNKNOWN';
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
