import type { FinishReason, JsonRecord } from '../ir.ts';
import { finishOf } from './terminal-events.ts';

/** Why a response ended. That it calls tools it does not say: whoever has seen its items knows. */
export function finishReason(response: JsonRecord, hasCalls: boolean): FinishReason {
  const raw = finishOf(response);
  switch (raw) {
    case 'max_output_tokens':
    case 'max_tokens':
      return { unified: 'length', raw };
    case 'content_filter':
      return { unified: 'content-filter', raw };
    case 'completed':
    case null:
      return { unified: hasCalls ? 'tool-calls' : 'stop', raw };
    default:
      return { unified: 'other', raw };
  }
}

/** A response that is whole, or why it is not. */
export function statusOf(finish: FinishReason): {
  readonly status: 'completed' | 'incomplete';
  readonly reason: string | null;
} {
  switch (finish.unified) {
    case 'length':
      return { status: 'incomplete', reason: 'max_output_tokens' };
    case 'content-filter':
      return { status: 'incomplete', reason: 'content_filter' };
    default:
      return { status: 'completed', reason: null };
  }
}
