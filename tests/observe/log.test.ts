import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { createLog, type LogLevel } from '../../src/observe/log.ts';
import { redact } from '../../src/observe/redact.ts';
import { Secret } from '../../src/shared/secret.ts';
import { ManualClock } from '../support/manual-clock.ts';

function logged(
  format: 'pretty' | 'json',
  run: (log: ReturnType<typeof createLog>) => void,
  level: LogLevel = 'debug',
): string[] {
  const lines: string[] = [];
  run(createLog({ level, format, write: (line) => lines.push(line), clock: new ManualClock() }));
  return lines;
}

const json = (run: (log: ReturnType<typeof createLog>) => void): Record<string, unknown> =>
  JSON.parse(logged('json', run)[0] ?? '');

describe('a log in JSON', () => {
  test('is one object per line', () => {
    expect(logged('json', (log) => log.info('hello', { a: 1, b: null, c: 'x\ny', d: undefined }))).toEqual([
      '{"time":"2026-01-01T00:00:00.000Z","level":"info","message":"hello","a":1,"b":null,"c":"x\\ny"}',
    ]);
  });

  test('drops what is below its level', () => {
    const lines = logged(
      'json',
      (log) => (['debug', 'info', 'warn', 'error'] as const).map((level) => log[level](level)),
      'warn',
    );
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['warn', 'error']);
  });

  test('shows where an error was thrown, and what was behind it', () => {
    const { error } = json((log) => log.error('x', { error: new Error('outer', { cause: new Error('inner') }) }));
    expect(error).toContain('Error: outer');
    expect(error).toContain('log.test.ts');
    expect(error).toContain('caused by Error: inner');
  });

  test('survives cycles, dates, bigints and functions', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const fields = json((log) =>
      log.info('x', { cycle, at: new Date(0), bad: new Date(Number.NaN), big: 1n, list: [1, 'a', null] }),
    );
    expect(fields).toMatchObject({ at: '1970-01-01T00:00:00.000Z', bad: null, big: '1', list: [1, 'a', null] });
  });

  test('cuts what is too long', () => {
    const { text } = json((log) => log.info('x', { text: 'word '.repeat(10_000) }));
    expect(String(text).length).toBe(4001);
  });
});

describe('a line in JSON', () => {
  const OWN: readonly string[] = ['time', 'level', 'message', '__proto__'];
  const SECRET_NAMES: readonly string[] = ['token', 'api_key', 'password', 'key'];
  const name = fc.oneof(
    fc.constantFrom('status', 'request_id', '"', '\\', '7', ...SECRET_NAMES),
    fc.string({ unit: 'binary', maxLength: 8 }).filter((drawn) => !OWN.includes(drawn)),
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('\ud800', '\u2028', '"},{', '\n'),
  );
  const plain = fc.oneof(text, fc.double(), fc.boolean(), fc.constant(null));
  const value = fc.oneof(plain, fc.constant(undefined), fc.array(plain, { maxLength: 3 }));
  const masked = (field: string, given: unknown): unknown =>
    Array.isArray(given)
      ? given.map((item) => masked(field, item))
      : typeof given !== 'string'
        ? given
        : SECRET_NAMES.includes(field)
          ? '***'
          : redact(given);

  test('says of any fields what JSON says of them, and no name twice', () => {
    fc.assert(
      fc.property(text, fc.dictionary(name, value), (message, fields) => {
        const [line = ''] = logged('json', (log) => log.info(message, fields));
        const shown = Object.fromEntries(Object.entries(fields).map(([field, given]) => [field, masked(field, given)]));
        const expected = { time: '2026-01-01T00:00:00.000Z', level: 'info', message: redact(message), ...shown };
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(expected)));
        expect(line).not.toContain('\n');
        expect(line).toHaveLength(JSON.stringify(expected).length);
      }),
      { numRuns: 2000 },
    );
  });

  test('has the time of a Date, whichever came before', () => {
    const moment = fc.oneof(
      fc.integer({ min: -8.64e15, max: 8.64e15 }),
      fc.integer({ min: -3000, max: 3000 }),
      fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2026, 0, 1) + 3000 }),
    );
    fc.assert(
      fc.property(fc.array(moment, { maxLength: 20 }), (moments) => {
        for (const at of moments) {
          const lines: string[] = [];
          const write = (line: string) => lines.push(line);
          createLog({ level: 'info', format: 'json', write, clock: new ManualClock(at) }).info('x');
          expect(JSON.parse(lines[0] ?? '').time).toBe(new Date(at).toISOString());
        }
      }),
    );
  });
});

describe('a secret is never logged', () => {
  const key = 'sk-proj-0123456789abcdefABCDEF';
  const places: Record<string, (log: ReturnType<typeof createLog>) => void> = {
    'as a Secret': (log) => log.info('x', { key: new Secret(key), nested: { a: [new Secret(key)] } }),
    'in the message': (log) => log.info(`the key ${key} was refused`),
    'in a field': (log) => log.info('x', { reason: `refused: ${key}` }),
    'deep inside': (log) => log.info('x', { a: { b: [{ c: key }] } }),
    'in an error': (log) => log.error('x', { error: new Error(`bad key ${key}`, { cause: new Error(key) }) }),
    'in a URL': (log) => log.info('x', { url: `https://u:${key}@host/?key=${key}` }),
    'across the place where a text is cut': (log) => log.info('x', { text: `${'a '.repeat(1995)}${key}` }),
  };
  for (const [place, run] of Object.entries(places)) {
    for (const format of ['json', 'pretty'] as const) {
      test(`${place} (${format})`, () => {
        const text = logged(format, run).join('\n');
        expect(text).not.toContain(key);
        expect(text).not.toContain('0123456789');
      });
    }
  }

  test('under a name that speaks for itself, whatever it looks like', () => {
    const names = [
      'authorization',
      'api_key',
      'x-api-key',
      'apiKey',
      'token',
      'admin_token',
      'password',
      'client_secret',
      'cookie',
    ];
    const line = logged('json', (log) => log.info('x', Object.fromEntries(names.map((name) => [name, 'plainword']))));
    expect(line.join('')).not.toContain('plainword');
  });

  test('and names that only sound alike are kept', () => {
    expect(json((log) => log.info('x', { input_tokens: 5, keys: 'two', monkey: 'see' }))).toMatchObject({
      input_tokens: 5,
      keys: 'two',
      monkey: 'see',
    });
  });
});

describe('a log for people', () => {
  const pretty = (run: (log: ReturnType<typeof createLog>) => void) =>
    logged('pretty', run).join('\n').replace(/^\S+ /, '');

  test('shows fields behind the message and leaves out those without a value', () => {
    expect(
      pretty((log) => log.warn('blocked', { credential: 'groq-1a', until: null, reason: 'rate limited', n: 2 })),
    ).toBe('warn  blocked credential=groq-1a reason="rate limited" n=2');
  });

  test('paints the level when it is given colours', () => {
    const lines: string[] = [];
    createLog({
      level: 'info',
      format: 'pretty',
      write: (line) => lines.push(line),
      paint: (level, text) => `<${level}>${text}</>`,
    }).info('x');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d <info>info <\/> x$/);
  });

  test('lets nobody steer the terminal or forge a line', () => {
    const text = pretty((log) =>
      log.info('a\nb\u001b[2J', { model: 'x\n12:00:00 error forged\u009b31m\u202e', list: ['\u001b]0;t\u0007'] }),
    );
    expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    expect(text).toContain('a\\u000ab\\u001b[2J');
  });

  test('shows a stack on lines of its own', () => {
    const text = pretty((log) => log.error('bug', { error: new Error('boom'), id: 'req-1' }));
    expect(text.split('\n')[0]).toBe('error bug id=req-1');
    expect(text.split('\n')[1]).toBe('  Error: boom');
  });
});
