import type { WindowReport } from '../../gateway/operations.ts';

/** Numbers as people read them. */

/** `1 request`, `1,204 requests`. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}

const UNITS = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;

/** Three digits and a unit: `999`, `12.3k`, `1.2M`. Of what is counted in parts, one digit: `163.8`. */
export function compact(count: number): string {
  for (const [size, unit] of UNITS) {
    const value = count / size;
    // 999,500 is a million, not 1000k.
    if (value < 0.9995) continue;
    return `${value >= 99.95 ? Math.round(value) : Number(value.toFixed(1))}${unit}`;
  }
  return String(Number(count.toFixed(1)));
}

/** US dollars: cents, and what is less with two digits that say something. Not known is `unknown`, never 0. */
export function dollars(cost: number | null, unknown: string): string {
  if (cost === null) return unknown;
  if (cost === 0 || cost >= 0.995)
    return `$${cost.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  return `$${cost >= 0.0001 ? Number(cost.toPrecision(2)) : '0.0001'}`;
}

/** Of a limit: dollars as such, everything else as a count. */
export function amount(count: number, unit: WindowReport['unit']): string {
  return unit === 'usd' ? dollars(count, '') : compact(count);
}

/** A part of a whole in per cent, rounded down: nothing is said to be left that is not, and a rest is never 0. */
export function percent(part: number, whole: number): string {
  const share = whole <= 0 ? 0 : (part / whole) * 100;
  return share > 0 && share < 1 ? '<1 %' : `${Math.floor(Math.max(0, share))} %`;
}
