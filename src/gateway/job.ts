import type { Envelope, WireCodec } from '../protocols/codec.ts';
import type { Problem } from '../protocols/problem.ts';
import { type Prepared, prepareSame } from './lane.ts';
import type { Target } from './plan.ts';
import { estimateTokens } from './token-estimate.ts';

/** What a client wants done, whatever the endpoint: it can be made ready for any target. The loop knows no more of it. */
export interface Job {
  /** The client wants its answer as a stream. */
  readonly isStream: boolean;
  /** A problem: this request cannot be put into words that the target understands. */
  prepare(target: Target): Prepared | Problem;
  /** Input and output tokens to reserve. `meanOutput`: of the model's answers so far; null when there was none. */
  estimateTokens(meanOutput: number | null): number;
}

/** A chat in the protocol of the surface that was called. */
export function chatJob(codec: WireCodec, envelope: Envelope): Job {
  return {
    isStream: envelope.isStream,
    prepare: (target) => prepareSame(target, codec, envelope),
    estimateTokens: (meanOutput) =>
      estimateTokens(envelope.index.bytes, codec.layout.maxOutputTokens(envelope.index), meanOutput),
  };
}
