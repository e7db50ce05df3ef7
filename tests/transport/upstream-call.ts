import { Secret } from '../../src/shared/secret.ts';
import type { UpstreamCall } from '../../src/transport/upstream.ts';

const body = new TextEncoder().encode('{"model":"m"}');

/** A POST with everything set, so that a test names only what it is about. */
export function post(url: string, more: Partial<Omit<UpstreamCall, 'proxy'>> & { proxy?: string } = {}): UpstreamCall {
  const { proxy, ...rest } = more;
  return {
    url,
    method: 'POST',
    headers: new Headers({ authorization: 'Bearer upstream-key', 'content-type': 'application/json' }),
    body,
    signal: AbortSignal.timeout(10_000),
    poolKey: 'test',
    isHttp2: false,
    connectTimeoutMs: 5000,
    ...rest,
    proxy: proxy === undefined ? null : new Secret(proxy),
  };
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('did not reject');
}
