/** `${NAME}` and `${NAME:-default}` in a scalar's text, replaced once. */

import type { Env } from './environment.ts';

export type Interpolation = {
  readonly text: string;
  /** Something was replaced: the field's type now decides what the text means. */
  readonly isChanged: boolean;
  /** Some of the text came from a variable, not from a default. */
  readonly isFromEnvironment: boolean;
  /** Variables that are not set and have no default. */
  readonly unset: readonly string[];
  /** A `${` that is no reference; what was expected instead. */
  readonly mistakes: readonly string[];
};

const REFERENCE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([^]*))?$/;

/**
 * Only `${` is special and `$${` is a literal `${`. An empty variable counts as unset. What a variable or a default
 * holds is not looked at again, so that no value can reach another variable.
 */
export function interpolate(source: string, env: Env): Interpolation {
  const unset: string[] = [];
  const mistakes: string[] = [];
  let isChanged = false;
  let isFromEnvironment = false;
  let text = '';
  let at = 0;
  for (;;) {
    const open = source.indexOf('${', at);
    if (open < 0) break;
    if (source[open - 1] === '$' && open - 1 >= at) {
      text += `${source.slice(at, open - 1)}\${`;
      isChanged = true;
      at = open + 2;
      continue;
    }
    text += source.slice(at, open);
    const close = source.indexOf('}', open);
    const reference = close < 0 ? null : REFERENCE.exec(source.slice(open + 2, close));
    if (!reference) {
      mistakes.push('expected ${NAME} or ${NAME:-default} after "${"; a literal "${" is written "$${"');
      at = open + 2;
      continue;
    }
    const [, name = '', fallback] = reference;
    const value = env[name];
    isChanged = true;
    if (value) {
      text += value;
      isFromEnvironment = true;
    } else if (fallback !== undefined) text += fallback;
    else unset.push(name);
    at = close + 1;
  }
  return { text: text + source.slice(at), isChanged, isFromEnvironment, unset, mistakes };
}
