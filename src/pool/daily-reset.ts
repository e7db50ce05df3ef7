import { remembered } from '../shared/remembered.ts';

/**
 * When a day begins: every day at a wall-clock time of a zone. The reset of a local date is the first moment at which
 * the clock there shows that time or later. So a time that the spring change skips is the moment of the change, one that
 * the autumn change repeats counts the first time only, and every date has exactly one. Weeks begin with the reset of a
 * Monday, months with that of their first day.
 */

export type DailyReset = {
  /** 0–23. */
  readonly hour: number;
  /** 0–59. */
  readonly minute: number;
  /** IANA name. One that does not exist throws a RangeError: the config has checked it. */
  readonly timezone: string;
};

const DAY_MS = 24 * 60 * 60_000;
/** More zones than a config names; the bound is for one that is reloaded for years. */
const MAX_ZONES = 64;

/** The two resets around a moment: `last` is not after it, `next` is. */
type Day = { readonly last: number; readonly next: number };

type Zone = {
  readonly format: Intl.DateTimeFormat;
  /** By minute of the day: the one that was asked for last, which nearly always is the one asked for next. */
  readonly days: Map<number, Day>;
};

/** The first reset after `now`. Both are milliseconds since the epoch. */
export function nextReset(now: number, reset: DailyReset): number {
  return dayOf(now, reset).next;
}

/** The last reset at or before `now`. */
export function lastReset(now: number, reset: DailyReset): number {
  return dayOf(now, reset).last;
}

/** The first reset of a Monday after `now`. */
export function nextWeek(now: number, { hour, minute, timezone }: DailyReset): number {
  const zone = zoneOf(timezone);
  const wall = wallOf(zone, now);
  const midnight = wall - mod(wall, DAY_MS);
  // The first of January 1970 was a Thursday.
  const monday = midnight - mod(midnight / DAY_MS + 3, 7) * DAY_MS + (hour * 60 + minute) * 60_000;
  const moment = momentOf(zone, monday);
  return moment > now ? moment : momentOf(zone, monday + 7 * DAY_MS);
}

/** The first reset of a first day of a month after `now`. */
export function nextMonth(now: number, { hour, minute, timezone }: DailyReset): number {
  const zone = zoneOf(timezone);
  const wall = new Date(wallOf(zone, now));
  const firstOf = (month: number) => momentOf(zone, Date.UTC(wall.getUTCFullYear(), month, 1, hour, minute));
  const moment = firstOf(wall.getUTCMonth());
  return moment > now ? moment : firstOf(wall.getUTCMonth() + 1);
}

function dayOf(now: number, { hour, minute, timezone }: DailyReset): Day {
  const zone = zoneOf(timezone);
  const minuteOfDay = hour * 60 + minute;
  const known = zone.days.get(minuteOfDay);
  if (known && known.last <= now && now < known.next) return known;
  const wall = wallOf(zone, now);
  const today = wall - mod(wall, DAY_MS) + minuteOfDay * 60_000;
  // Two days back: where a zone jumped over the date line, yesterday's reset and today's are one moment.
  let last = momentOf(zone, today - 2 * DAY_MS);
  let next = last;
  for (let date = -1; next <= now; date++) {
    last = next;
    next = momentOf(zone, today + date * DAY_MS);
  }
  const day = { last, next };
  zone.days.set(minuteOfDay, day);
  return day;
}

/** The first moment at which the zone's clock shows `wall` or later. */
function momentOf(zone: Zone, wall: number): number {
  // A day away, so that a change of the clock near `wall` lies between the two.
  const before = wall - offsetAt(zone, wall - DAY_MS);
  const after = wall - offsetAt(zone, wall + DAY_MS);
  const early = Math.min(before, after);
  const late = Math.max(before, after);
  if (wallOf(zone, early) === wall) return early;
  if (wallOf(zone, late) === wall) return late;
  // Skipped: the change lies after `early`, which shows less than `wall`, and not after `late`, which shows more.
  let low = early;
  let high = late;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (wallOf(zone, middle) >= wall) high = middle;
    else low = middle;
  }
  return high;
}

const offsetAt = (zone: Zone, at: number) => wallOf(zone, at) - at;

/** What the zone's clock shows, written as if it were UTC. */
function wallOf(zone: Zone, at: number): number {
  const fields: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
  for (const { type, value } of zone.format.formatToParts(at)) fields[type] = Number(value);
  const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = fields;
  return Date.UTC(year, month - 1, day, hour, minute, second) + mod(at, 1000);
}

const zoneOf = remembered(MAX_ZONES, (timezone: string): Zone => {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return { format, days: new Map<number, Day>() };
});

const mod = (value: number, by: number) => ((value % by) + by) % by;
