/** Durations as people write them, in milliseconds: `500ms 30s 5m 2h 1d`. */

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** One number and one unit. A source for expressions, so that the JSON Schema and the parser cannot disagree. */
export const DURATION_PATTERN = '\\d+(?:\\.\\d+)?(?:ms|s|m|h|d)';

const expression = new RegExp(`^${DURATION_PATTERN}$`);

/** Whole milliseconds; `0` needs no unit. Null for anything else. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim();
  if (trimmed === '0') return 0;
  if (!expression.test(trimmed)) return null;
  const unit = trimmed.replace(/^[\d.]+/, '');
  const ms = Math.round(Number.parseFloat(trimmed) * (UNITS[unit as keyof typeof UNITS] satisfies number));
  return Number.isSafeInteger(ms) ? ms : null;
}

/** In the largest unit that needs no fraction: 120000 is `2m`, 90000 is `90s`. What `parseDuration` reads back. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  for (const unit of ['d', 'h', 'm', 's'] as const) if (ms % UNITS[unit] === 0) return `${ms / UNITS[unit]}${unit}`;
  return `${ms}ms`;
}
