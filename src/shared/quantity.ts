/** Counts (`200k` is 200,000) and sizes (`64kb` is 65,536 bytes) as people write them. */

const COUNT_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1000, m: 1_000_000 };
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

/** Sources for expressions, so that the JSON Schema and the parsers cannot disagree. */
export const COUNT_PATTERN = '\\d+(?:\\.\\d+)?[kKmM]?';
export const SIZE_PATTERN = '\\d+(?:\\.\\d+)?(?:[kKmMgG]?[bB])?';

const countExpression = new RegExp(`^${COUNT_PATTERN}$`);
const sizeExpression = new RegExp(`^${SIZE_PATTERN}$`);

/** A whole number, or null. */
export function parseCount(text: string): number | null {
  return countExpression.test(text.trim()) ? read(text, COUNT_UNITS) : null;
}

/** Bytes, or null. A bare number is bytes. */
export function parseSize(text: string): number | null {
  return sizeExpression.test(text.trim()) ? read(text, SIZE_UNITS) : null;
}

function read(text: string, units: Readonly<Record<string, number>>): number | null {
  const trimmed = text.trim().toLowerCase();
  const unit = units[trimmed.replace(/^[\d.]+/, '')];
  if (unit === undefined) return null;
  // 1.1m is 1100000.0000000002 in binary floating point; what a person wrote as whole stays whole.
  const exact = Number.parseFloat(trimmed) * unit;
  const whole = Math.round(exact);
  return Math.abs(exact - whole) < 1e-6 * unit && Number.isSafeInteger(whole) ? whole : null;
}

/** What `parseSize` reads back: 33554432 is `32mb`. */
export function formatSize(bytes: number): string {
  for (const unit of ['gb', 'mb', 'kb'] as const) {
    const factor = SIZE_UNITS[unit] ?? 1;
    if (bytes !== 0 && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}`;
}
