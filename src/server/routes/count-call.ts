import type { CountCall, Counted } from '../../gateway/count.ts';
import { type Codec, isProblem } from '../../protocols/codec.ts';
import { type Refusal, refuse } from '../refusal.ts';
import type { Exchange } from './route.ts';

/** Counts the tokens of a request in the protocol of the surface that was called. */
export async function countFor(
  exchange: Exchange,
  codec: Codec,
  form: Partial<Pick<CountCall, 'path' | 'body'>> = {},
): Promise<Counted | Refusal> {
  const { deps, client, request, requestId, arrivedAt, body } = exchange;
  const counted = await deps.countTokens({
    requestId,
    codec,
    path: null,
    body,
    headers: request.headers,
    client,
    signal: request.signal,
    arrivedAt,
    timeoutMs: null,
    ...form,
  });
  return isProblem(counted) ? refuse(counted) : counted;
}
