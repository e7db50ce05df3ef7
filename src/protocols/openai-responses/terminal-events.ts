import { isObject } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';

/** How a stream of Responses ends: with one event that carries the whole response. */

const ENDS = new Set(['response.completed', 'response.incomplete', 'response.cancelled']);

/** Ends an answer. `response.failed` ends a stream too, but there is no answer then. */
export const isEnd = (event: JsonRecord): boolean => typeof event.type === 'string' && ENDS.has(event.type);

/** A failure that travels inside a 200: `response.failed`, an `error` event, or a bare envelope. */
export function errorIn(json: unknown, event: string | null): unknown {
  if (!isObject(json)) return event === 'error' ? json : undefined;
  if (event === 'error' || json.type === 'error' || json.type === 'response.failed') return json;
  // Events have a type; an envelope of an error has none.
  return typeof json.type !== 'string' && isObject(json.error) ? json : undefined;
}

/** The events' own ending, by the response's status: `incomplete` → `response.incomplete`. */
export function endTypeOf(response: JsonRecord): string {
  switch (response.status) {
    case 'incomplete':
    case 'cancelled':
    case 'failed':
      return `response.${response.status}`;
    default:
      return 'response.completed';
  }
}

/** As the upstream wrote it: why an incomplete response is incomplete, else its status. */
export function finishOf(response: JsonRecord): string | null {
  const details = isObject(response.incomplete_details) ? response.incomplete_details : {};
  if (typeof details.reason === 'string') return details.reason;
  return typeof response.status === 'string' ? response.status : null;
}
