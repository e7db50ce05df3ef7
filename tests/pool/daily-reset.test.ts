import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type DailyReset, lastReset, nextMonth, nextReset, nextWeek } from '../../src/pool/daily-reset.ts';

const at = (text: string) => Date.parse(text);
const text = (moment: number) => new Date(moment).toISOString().replace('.000Z', 'Z');
const HOUR = 60 * 60_000;

function reset(time: string, timezone: string): DailyReset {
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  return { hour, minute, timezone };
}

describe('the next reset', () => {
  const rows: [string, string, string, string, string][] = [
    ['later today', '2026-03-01T10:00:00Z', '12:30', 'UTC', '2026-03-01T12:30:00Z'],
    ['tomorrow when it has passed', '2026-03-01T13:00:00Z', '12:30', 'UTC', '2026-03-02T12:30:00Z'],
    ['a day later at the moment itself', '2026-03-01T12:30:00Z', '12:30', 'UTC', '2026-03-02T12:30:00Z'],
    ['over the end of a year', '2026-12-31T23:59:59Z', '00:00', 'UTC', '2027-01-01T00:00:00Z'],
    ['over a leap day', '2028-02-28T12:00:00Z', '00:00', 'UTC', '2028-02-29T00:00:00Z'],
    ['midnight in California, winter', '2026-01-10T07:59:59Z', '00:00', 'America/Los_Angeles', '2026-01-10T08:00:00Z'],
    ['midnight in California, summer', '2026-07-10T07:00:00Z', '00:00', 'America/Los_Angeles', '2026-07-11T07:00:00Z'],
    ['a zone half an hour off', '2026-07-10T18:00:00Z', '00:00', 'Asia/Kolkata', '2026-07-10T18:30:00Z'],
    ['a zone 14 hours ahead', '2026-07-10T09:00:00Z', '00:00', 'Pacific/Kiritimati', '2026-07-10T10:00:00Z'],
    ['a zone 11 hours behind', '2026-07-10T10:59:00Z', '00:00', 'Pacific/Pago_Pago', '2026-07-10T11:00:00Z'],
    ['on the short day', '2026-03-28T23:30:00Z', '03:00', 'Europe/Berlin', '2026-03-29T01:00:00Z'],
    ['a time that the spring change skips', '2026-03-28T23:30:00Z', '02:30', 'Europe/Berlin', '2026-03-29T01:00:00Z'],
    ['the day after it', '2026-03-29T01:00:00Z', '02:30', 'Europe/Berlin', '2026-03-30T00:30:00Z'],
    ['a time that autumn repeats', '2026-10-24T23:00:00Z', '02:30', 'Europe/Berlin', '2026-10-25T00:30:00Z'],
    ['not its repetition', '2026-10-25T00:30:00Z', '02:30', 'Europe/Berlin', '2026-10-26T01:30:00Z'],
    ['a change of half an hour', '2026-10-03T15:00:00Z', '02:15', 'Australia/Lord_Howe', '2026-10-03T15:30:00Z'],
    ['a change at midnight', '2026-09-05T12:00:00Z', '00:00', 'America/Santiago', '2026-09-06T04:00:00Z'],
    ['over a day that does not exist', '2011-12-30T09:59:00Z', '12:00', 'Pacific/Apia', '2011-12-30T10:00:00Z'],
  ];
  test.each(rows)('%s', (_, now, time, zone, expected) => {
    expect(text(nextReset(at(now), reset(time, zone)))).toBe(expected);
  });

  test('an unknown zone throws', () => {
    expect(() => nextReset(0, reset('00:00', 'Mars/Olympus'))).toThrow(RangeError);
  });
});

describe('the next week', () => {
  const rows: [string, string, string, string, string][] = [
    ['begins on Monday', '2026-03-01T10:00:00Z', '00:00', 'UTC', '2026-03-02T00:00:00Z'],
    ['begins later on a Monday', '2026-03-02T02:59:59Z', '03:00', 'UTC', '2026-03-02T03:00:00Z'],
    ['is a week away at the moment itself', '2026-03-02T03:00:00Z', '03:00', 'UTC', '2026-03-09T03:00:00Z'],
    ['goes over the end of a year', '2026-12-29T00:00:00Z', '00:00', 'UTC', '2027-01-04T00:00:00Z'],
    ['goes by the Monday of the zone', '2026-03-01T16:00:00Z', '00:00', 'Asia/Tokyo', '2026-03-08T15:00:00Z'],
    ['before midnight there', '2026-03-01T14:59:59Z', '00:00', 'Asia/Tokyo', '2026-03-01T15:00:00Z'],
    [
      'is an hour short over the spring change',
      '2026-03-23T00:00:00Z',
      '02:00',
      'Europe/Berlin',
      '2026-03-23T01:00:00Z',
    ],
    ['whose Monday is in summer time', '2026-03-23T01:00:00Z', '02:00', 'Europe/Berlin', '2026-03-30T00:00:00Z'],
    [
      'is an hour long over the autumn change',
      '2026-10-19T00:00:00Z',
      '02:00',
      'Europe/Berlin',
      '2026-10-26T01:00:00Z',
    ],
    ['began in 1969', '1970-01-01T00:00:00Z', '00:00', 'UTC', '1970-01-05T00:00:00Z'],
  ];
  test.each(rows)('%s', (_, now, time, zone, expected) => {
    expect(text(nextWeek(at(now), reset(time, zone)))).toBe(expected);
  });
});

describe('the next month', () => {
  const rows: [string, string, string, string, string][] = [
    ['begins on the first', '2026-03-15T10:00:00Z', '00:00', 'UTC', '2026-04-01T00:00:00Z'],
    ['begins later on a first', '2026-03-01T02:59:59Z', '03:00', 'UTC', '2026-03-01T03:00:00Z'],
    ['is a month away at the moment itself', '2026-03-01T03:00:00Z', '03:00', 'UTC', '2026-04-01T03:00:00Z'],
    ['on the 31st', '2026-01-31T23:59:59Z', '00:00', 'UTC', '2026-02-01T00:00:00Z'],
    ['after a short February', '2026-02-28T12:00:00Z', '00:00', 'UTC', '2026-03-01T00:00:00Z'],
    ['after a leap day', '2028-02-29T12:00:00Z', '00:00', 'UTC', '2028-03-01T00:00:00Z'],
    ['over the end of a year', '2026-12-31T23:59:59Z', '00:00', 'UTC', '2027-01-01T00:00:00Z'],
    ['in a zone that is ahead', '2026-02-28T15:00:00Z', '00:00', 'Asia/Tokyo', '2026-03-31T15:00:00Z'],
    ['in a zone that is behind', '2026-04-01T06:59:59Z', '00:00', 'America/Los_Angeles', '2026-04-01T07:00:00Z'],
    ['with a spring change in it', '2026-03-01T00:00:00Z', '03:00', 'Europe/Berlin', '2026-03-01T02:00:00Z'],
    ['after a spring change', '2026-03-01T02:00:00Z', '03:00', 'Europe/Berlin', '2026-04-01T01:00:00Z'],
    ['after an autumn change', '2026-10-02T00:00:00Z', '03:00', 'Europe/Berlin', '2026-11-01T02:00:00Z'],
  ];
  test.each(rows)('%s', (_, now, time, zone, expected) => {
    expect(text(nextMonth(at(now), reset(time, zone)))).toBe(expected);
  });
});

describe('for every zone and time', () => {
  const zones = [
    'UTC',
    'Europe/Berlin',
    'America/Los_Angeles',
    'Australia/Lord_Howe',
    'Asia/Kathmandu',
    'Africa/Casablanca',
  ];
  const resets = fc.record({
    hour: fc.integer({ min: 0, max: 23 }),
    minute: fc.integer({ min: 0, max: 59 }),
    timezone: fc.constantFrom(...zones, 'America/Santiago', 'Pacific/Chatham', 'America/Sao_Paulo', 'Asia/Tokyo'),
  });
  const moments = fc.integer({ min: at('2005-01-01'), max: at('2036-01-01') });

  test('the next week and month are resets of a day, at most so far away', () => {
    fc.assert(
      fc.property(resets, moments, (reset, now) => {
        for (const [next, most] of [
          [nextWeek(now, reset), 7],
          [nextMonth(now, reset), 31],
        ] as const) {
          expect(next).toBeGreaterThan(now);
          expect(next - now).toBeLessThanOrEqual(most * 24 * HOUR + 2 * HOUR);
          expect(lastReset(next, reset)).toBe(next);
        }
      }),
    );
  });

  test('now lies between the last and the next, which are about a day apart', () => {
    fc.assert(
      fc.property(moments, resets, (now, { hour, minute, timezone }) => {
        const daily = { hour, minute, timezone };
        const last = lastReset(now, daily);
        const next = nextReset(now, daily);
        expect(last).toBeLessThanOrEqual(now);
        expect(next).toBeGreaterThan(now);
        expect(next - last).toBeGreaterThanOrEqual(22 * HOUR);
        expect(next - last).toBeLessThanOrEqual(26 * HOUR);
        expect(nextReset(last, daily)).toBe(next);
        expect(lastReset(next, daily)).toBe(next);
        expect(lastReset(next - 1, daily)).toBe(last);
      }),
      { numRuns: 1_000 },
    );
  });

  test('it is the time asked for, by another calendar, unless the clock skipped that', () => {
    fc.assert(
      fc.property(moments, resets, (now, { hour, minute, timezone }) => {
        const next = nextReset(now, { hour, minute, timezone });
        const shown = Temporal.Instant.fromEpochMilliseconds(next).toZonedDateTimeISO(timezone);
        const wanted = shown.toPlainDate().toPlainDateTime({ hour, minute });
        const early = wanted.toZonedDateTime(timezone, { disambiguation: 'earlier' });
        const late = wanted.toZonedDateTime(timezone, { disambiguation: 'later' });
        const isSkipped = !early.toPlainDateTime().equals(wanted);
        const change = early.getTimeZoneTransition('next');
        expect(next).toBe(isSkipped && change ? change.epochMilliseconds : early.epochMilliseconds);
        expect(next).toBeLessThanOrEqual(late.epochMilliseconds);
      }),
      { numRuns: 1_000 },
    );
  });
});
