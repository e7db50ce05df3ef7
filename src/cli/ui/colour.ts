import { Chalk, type ChalkInstance } from 'chalk';

export type Paint = ChalkInstance;

/**
 * May this stream be coloured? The flag beats FORCE_COLOR (`0` and `false` mean no), which beats NO_COLOR
 * (https://no-color.org: any text but the empty one), TERM=dumb and "not a terminal".
 */
export function isColoured(
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
  isColourOff: boolean,
): boolean {
  if (isColourOff) return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false';
  if (env.NO_COLOR) return false;
  return isTerminal && env.TERM !== 'dumb';
}

/** The sixteen basic colours only: they follow the terminal's own theme. */
export const paint = (hasColour: boolean): Paint => new Chalk({ level: hasColour ? 1 : 0 });
