import { isObject, textOr } from '../../shared/json-shape.ts';
import type { CacheMark } from '../ir.ts';

/** `cache_control` on parts, messages and tools: no field of OpenAI's own, but one that many chat servers pass on. */

type Holder = { readonly [key: string]: unknown };

export function cacheMark(holder: Holder): CacheMark | null {
  const mark = holder.cache_control;
  return isObject(mark) ? { ttl: textOr(mark.ttl) } : null;
}

/** The mark as a field to be spread into a part. */
export function withMark(holder: Holder): { readonly cache?: CacheMark } {
  const cache = cacheMark(holder);
  return cache ? { cache } : {};
}

export const cacheControl = ({ ttl }: CacheMark) => ({ type: 'ephemeral', ...(ttl !== null && { ttl }) });
