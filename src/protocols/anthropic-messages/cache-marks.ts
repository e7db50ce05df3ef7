import { isObject } from '../../shared/json-shape.ts';
import type { CacheMark, JsonRecord } from '../ir.ts';

/** A block, a tool or a piece of instructions that is being written. */
export type Block = { type?: string; [field: string]: unknown };

export const MAX_MARKS = 4;

export function readCacheMark(value: unknown): { readonly cache?: CacheMark } {
  if (!isObject(value) || value.type !== 'ephemeral') return {};
  return { cache: { ttl: typeof value.ttl === 'string' ? value.ttl : null } };
}

export function writeCacheMark(mark: CacheMark | undefined): JsonRecord {
  if (!mark) return {};
  const isKnown = mark.ttl === '5m' || mark.ttl === '1h';
  return { cache_control: { type: 'ephemeral', ...(isKnown && { ttl: mark.ttl }) } };
}

/**
 * The vendor takes four marks, and none for an hour behind one for five minutes; `blocks` are in its order: tools,
 * instructions, messages. The oldest go first: the newest cover them.
 */
export function settleCacheMarks(blocks: readonly Block[], allowed: number): readonly string[] {
  const warnings: string[] = [];
  const marked = blocks.flatMap(withNested).filter(({ cache_control: mark }) => isObject(mark));
  const surplus = Math.max(0, marked.length - allowed);
  for (const block of marked.slice(0, surplus)) delete block.cache_control;
  if (surplus > 0) warnings.push(`cache marks above ${MAX_MARKS} removed`);
  let isShortSeen = false;
  for (const block of marked.slice(surplus)) {
    const mark = block.cache_control;
    if (!isObject(mark)) continue;
    if (mark.ttl !== '1h') isShortSeen = true;
    else if (isShortSeen) {
      const { ttl: _, ...rest } = mark;
      block.cache_control = rest;
      warnings.push('cache mark of an hour behind one of five minutes shortened');
    }
  }
  return [...new Set(warnings)];
}

/** The pieces of a tool's result stand before its own mark. */
function withNested(block: Block): readonly Block[] {
  const { type, content } = block;
  return type === 'tool_result' && Array.isArray(content) ? [...content.filter(isBlock), block] : [block];
}

const isBlock = (value: unknown): value is Block => isObject(value);
