import type { JsonIndex } from '../shared/json-bytes.ts';

/** The client's `reasoning_effort` in lower case; null when it is absent or no text. */
export function effortOf(index: JsonIndex): string | null {
  const effort = index.get('reasoning_effort');
  return typeof effort === 'string' ? effort.toLowerCase() : null;
}

/** The words with which clients turn thinking off. */
export const isOff = (effort: string): boolean => /^(?:none|disabled?|off)$/.test(effort);

/** DeepSeek V4 knows two steps, on its own host and on others. Unset means the most. */
export const deepseekEffort = (effort: string | null): 'high' | 'max' =>
  effort === 'low' || effort === 'medium' || effort === 'minimal' ? 'high' : 'max';
