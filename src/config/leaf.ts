/**
 * The kinds of value a field can hold. Each reads a scalar's text, says what it expected when it cannot, shows a value
 * again as the user would write it, and describes itself to editors as JSON Schema.
 */
import * as z from 'zod';
import { DURATION_PATTERN, formatDuration, parseDuration } from '../shared/duration.ts';
import { nearest } from '../shared/near-miss.ts';
import { COUNT_PATTERN, formatSize, parseCount, parseSize, SIZE_PATTERN } from '../shared/quantity.ts';
import { Secret } from '../shared/secret.ts';
import { isFields, isList, isText, isWritten, type Tree, textOf, type Written } from './written.ts';

/** What was expected instead, and the likely value. */
class Mistake {
  readonly expected: string;
  readonly likely: string | undefined;
  constructor(expected: string, likely?: string) {
    this.expected = expected;
    this.likely = likely;
  }
}

type JsonSchema = { readonly [keyword: string]: unknown };

export type LeafInfo = {
  /** For the reference: `duration`, `whole number`. */
  readonly kind: string;
  /** The value as the user would write it; a secret is masked. */
  format(value: unknown): unknown;
};

/** Every leaf schema's own description, for the reference and for showing a config. */
export const leafInfo = z.registry<LeafInfo>();

/** What an issue of a leaf carries to the problem list. */
export type LeafIssue = { readonly likely?: string | undefined; readonly isSecret: boolean };

const HAS_REFERENCE = { type: 'string', pattern: '\\$\\{' };

/** One field's value, read from one scalar. */
export type Leaf<T> = z.ZodPipe<z.ZodCustom<Written, Written>, z.ZodTransform<T, Written>>;

function leaf<T>(options: {
  readonly kind: string;
  readonly expected: string;
  readonly read: (value: Written) => T | Mistake;
  readonly format?: (value: T) => string | number | boolean;
  readonly json: JsonSchema;
  readonly isSecret?: boolean;
}): Leaf<T> {
  const isSecret = options.isSecret ?? false;
  const schema = z
    .custom<Written>(isWritten, { error: `expected ${options.expected}` })
    .transform((value, context): T => {
      const result = options.read(value);
      if (!(result instanceof Mistake)) return result;
      const params: LeafIssue = { likely: result.likely, isSecret };
      context.addIssue({ code: 'custom', message: `expected ${result.expected}`, params });
      return z.NEVER;
    })
    .meta(options.json);
  const { format } = options;
  leafInfo.add(schema, {
    kind: options.kind,
    // The registry holds leaves of every type; a leaf is only ever given what it read itself.
    format: (value) => (format ? format(value as T) : typeof value === 'object' ? String(value) : (value as string)),
  });
  return schema;
}

/** Text of at least one character. Numbers and truth values keep the digits and letters they were written with. */
export const text = (expected = 'text') =>
  leaf({
    kind: 'text',
    expected,
    read: (value) => (textOf(value).trim() === '' ? new Mistake(expected) : textOf(value)),
    json: { type: ['string', 'number', 'boolean'] },
  });

/** Text of one form. */
const formed = (kind: string, expected: string, pattern: RegExp) =>
  leaf({
    kind,
    expected,
    read: (value) => (pattern.test(textOf(value).trim()) ? textOf(value).trim() : new Mistake(expected)),
    json: { anyOf: [{ type: 'string', pattern: pattern.source }, HAS_REFERENCE] },
  });

/** A part of a host's name. */
export const resourceName = () =>
  formed('name', 'the name of a resource: letters, digits and "-"', /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/);

export const apiVersion = () =>
  formed('version', 'a version such as "2024-10-21", or v1', /^(?:\d{4}-\d{2}-\d{2}(?:-[a-z]+)?|v1)$/);

export const secret = (expected: string, check: (text: string) => string | null = () => null) =>
  leaf({
    kind: 'key',
    expected,
    isSecret: true,
    read: (value) => {
      const content = textOf(value).trim();
      const wrong = content === '' ? expected : check(content);
      return wrong === null ? new Secret(content) : new Mistake(wrong);
    },
    format: (value) => value.masked(),
    json: { type: ['string', 'number'] },
  });

/** Printable, one line. Not shown when it is wrong: many a header is a key. */
export const headerValue = () =>
  leaf({
    kind: 'header',
    expected: 'the text of a header',
    isSecret: true,
    read: (value) =>
      /^[\t\x20-\x7e\x80-\xff]*$/.test(textOf(value))
        ? textOf(value)
        : new Mistake('the text of a header, in one line'),
    json: { type: ['string', 'number', 'boolean'] },
  });

/** `isOffAllowed`: `off` is another way to write 0. */
export const duration = (options: { readonly isZeroAllowed?: boolean; readonly isOffAllowed?: boolean } = {}) => {
  const expected = `a duration such as 30s${options.isZeroAllowed ? ', or 0' : ''}${options.isOffAllowed ? ' or off' : ''}`;
  return leaf({
    kind: 'duration',
    expected,
    read: (value) => {
      const written = textOf(value);
      if (options.isOffAllowed && written.trim().toLowerCase() === 'off') return 0;
      const ms = parseDuration(written);
      if (ms === null) return new Mistake(expected, /^\d+$/.test(written) ? `${written}s` : undefined);
      if (ms === 0 && !options.isZeroAllowed) return new Mistake(`${expected}, longer than 0`);
      if (ms > 365 * 86_400_000) return new Mistake(`${expected}, at most 365d`);
      return ms;
    },
    format: formatDuration,
    json: {
      anyOf: [
        { type: 'string', pattern: `^${DURATION_PATTERN}$` },
        ...(options.isZeroAllowed ? [{ const: 0 }, { const: '0' }] : []),
        ...(options.isOffAllowed ? [{ const: 'off' }] : []),
        HAS_REFERENCE,
      ],
    },
  });
};

export type TimeOfDay = { readonly hour: number; readonly minute: number };

const TIME_PATTERN = '(?:[01]\\d|2[0-3]):[0-5]\\d';
const timeExpression = new RegExp(`^${TIME_PATTERN}$`);

export const timeOfDay = () => {
  const expected = 'a time of day such as "03:30"';
  return leaf({
    kind: 'time of day',
    expected,
    read: (value): TimeOfDay | Mistake => {
      const written = textOf(value).trim();
      if (!timeExpression.test(written)) {
        return new Mistake(expected, timeExpression.test(`0${written}`) ? `0${written}` : undefined);
      }
      const [hour = 0, minute = 0] = written.split(':').map(Number);
      return { hour, minute };
    },
    format: ({ hour, minute }) => `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`,
    json: { anyOf: [{ type: 'string', pattern: `^${TIME_PATTERN}$` }, HAS_REFERENCE] },
  });
};

export type CapAmount =
  | { readonly kind: 'count'; readonly count: number }
  /** 0 to 1 of the vendor's limit. */
  | { readonly kind: 'share'; readonly share: number }
  | { readonly kind: 'offset'; readonly by: number };

const SHARE_PATTERN = '(?:100|[1-9]?\\d(?:\\.\\d+)?)%';
const OFFSET_PATTERN = '[+-]\\d+';
const shareExpression = new RegExp(`^${SHARE_PATTERN}$`);
const offsetExpression = new RegExp(`^${OFFSET_PATTERN}$`);

/** How much of a cap: so many, a share of the vendor's limit, or so many more or less than that. */
export const capAmount = () => {
  const expected = 'a count such as 100, a share such as 80%, or an offset such as "-5"';
  return leaf({
    kind: 'count | share | offset',
    expected,
    read: (value): CapAmount | Mistake => {
      const written = textOf(value).trim();
      const share = shareExpression.test(written) ? Number.parseFloat(written) / 100 : 0;
      if (share > 0) return { kind: 'share', share };
      const by = offsetExpression.test(written) ? Number(written) : Number.NaN;
      if (Number.isSafeInteger(by)) return { kind: 'offset', by };
      const count = parseCount(written);
      return count !== null && count >= 1 ? { kind: 'count', count } : new Mistake(expected);
    },
    format: (amount) => {
      if (amount.kind === 'count') return amount.count;
      if (amount.kind === 'share') return `${Number((amount.share * 100).toFixed(6))}%`;
      return amount.by < 0 ? `${amount.by}` : `+${amount.by}`;
    },
    json: {
      anyOf: [
        { type: 'integer' },
        { type: 'string', pattern: `^(?:${COUNT_PATTERN}|${SHARE_PATTERN}|${OFFSET_PATTERN})$` },
        HAS_REFERENCE,
      ],
    },
  });
};

export type CapWindow =
  | { readonly kind: 'rolling'; readonly ms: number }
  | { readonly kind: 'daily' | 'weekly' | 'monthly' | 'authoritative' };

const CAP_WINDOWS = ['daily', 'weekly', 'monthly', 'authoritative'] as const;
const MAX_DURATION_MS = 365 * 86_400_000;

export const capWindow = () => {
  const expected = 'daily, weekly, monthly, authoritative or a duration such as 5h';
  return leaf({
    kind: 'duration | daily | weekly | monthly | authoritative',
    expected,
    read: (value): CapWindow | Mistake => {
      const written = textOf(value).trim();
      const kind = CAP_WINDOWS.find((known) => known === written);
      if (kind) return { kind };
      const ms = parseDuration(written);
      if (ms !== null && ms > 0 && ms <= MAX_DURATION_MS) return { kind: 'rolling', ms };
      return new Mistake(expected, nearest(written, CAP_WINDOWS));
    },
    format: (window) => (window.kind === 'rolling' ? formatDuration(window.ms) : window.kind),
    json: {
      anyOf: [{ enum: [...CAP_WINDOWS] }, { type: 'string', pattern: `^${DURATION_PATTERN}$` }, HAS_REFERENCE],
    },
  });
};

export type CapRest =
  | { readonly kind: 'until-reset'; readonly plusMs: number }
  | { readonly kind: 'for'; readonly ms: number };

const UNTIL_RESET = 'until_reset';

export const capRest = () => {
  const expected = 'until_reset, until_reset+1h, or a duration such as 2h';
  return leaf({
    kind: 'until_reset | until_reset+duration | duration',
    expected,
    read: (value): CapRest | Mistake => {
      const written = textOf(value).trim();
      if (written === UNTIL_RESET) return { kind: 'until-reset', plusMs: 0 };
      const isPlus = written.startsWith(`${UNTIL_RESET}+`);
      const ms = parseDuration(isPlus ? written.slice(UNTIL_RESET.length + 1) : written);
      if (ms === null || ms <= 0 || ms > MAX_DURATION_MS) return new Mistake(expected, nearest(written, [UNTIL_RESET]));
      return isPlus ? { kind: 'until-reset', plusMs: ms } : { kind: 'for', ms };
    },
    format: (rest) => {
      if (rest.kind === 'for') return formatDuration(rest.ms);
      return rest.plusMs === 0 ? UNTIL_RESET : `${UNTIL_RESET}+${formatDuration(rest.plusMs)}`;
    },
    json: {
      anyOf: [
        { type: 'string', pattern: `^(?:${UNTIL_RESET}(?:\\+${DURATION_PATTERN})?|${DURATION_PATTERN})$` },
        HAS_REFERENCE,
      ],
    },
  });
};

/** A name of the IANA time zone database, such as this runtime knows. */
export const timeZone = () => {
  const expected = 'a time zone such as UTC or Europe/Berlin';
  return leaf({
    kind: 'time zone',
    expected,
    read: (value) => {
      const written = textOf(value).trim();
      if (isTimeZone(written)) return written;
      return new Mistake(expected, nearest(written, ['UTC', ...Intl.supportedValuesOf('timeZone')]));
    },
    json: { type: 'string' },
  });
};

function isTimeZone(name: string): boolean {
  // An offset such as +02:00 is a zone to `Intl`, but one without summer and winter: nobody's midnight.
  if (!/^[a-z]/i.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export const size = () =>
  leaf({
    kind: 'size',
    expected: 'a size such as 32mb',
    read: (value) => {
      const bytes = parseSize(textOf(value));
      return bytes === null || bytes === 0 ? new Mistake('a size such as 32mb, larger than 0') : bytes;
    },
    format: formatSize,
    json: { anyOf: [{ type: 'integer', minimum: 1 }, { type: 'string', pattern: `^${SIZE_PATTERN}$` }, HAS_REFERENCE] },
  });

export const count = (minimum: 0 | 1 = 0) => {
  const expected = `a count such as 1000 or 200k${minimum === 1 ? ', 1 or more' : ''}`;
  return leaf({
    kind: 'count',
    expected,
    read: (value) => {
      const number = parseCount(textOf(value));
      return number !== null && number >= minimum ? number : new Mistake(expected);
    },
    json: {
      anyOf: [{ type: 'integer', minimum }, { type: 'string', pattern: `^${COUNT_PATTERN}$` }, HAS_REFERENCE],
    },
  });
};

export const integer = (minimum: number, maximum: number = Number.MAX_SAFE_INTEGER) => {
  const expected =
    maximum === Number.MAX_SAFE_INTEGER
      ? `a whole number, ${minimum} or more`
      : `a whole number from ${minimum} to ${maximum}`;
  return leaf({
    kind: 'whole number',
    expected,
    read: (value) => {
      const number = readNumber(value);
      const isFine = number !== null && Number.isSafeInteger(number) && number >= minimum && number <= maximum;
      return isFine ? number : new Mistake(expected);
    },
    json: {
      anyOf: [{ type: 'integer', minimum, ...(maximum !== Number.MAX_SAFE_INTEGER && { maximum }) }, HAS_REFERENCE],
    },
  });
};

/** `isAbove`: the bound itself is not allowed. */
export const number = (bound: number, isAbove = false) => {
  const expected = isAbove ? `a number above ${bound}` : `a number, ${bound} or more`;
  return leaf({
    kind: 'number',
    expected,
    read: (value) => {
      const number = readNumber(value);
      return number !== null && (isAbove ? number > bound : number >= bound) ? number : new Mistake(expected);
    },
    json: { anyOf: [{ type: 'number', [isAbove ? 'exclusiveMinimum' : 'minimum']: bound }, HAS_REFERENCE] },
  });
};

/** Any value that JSON has: a scalar, a list or a mapping, for fields whose meaning is the vendor's business. */
export const jsonValue = () => {
  const schema = z
    .custom<Tree>((value) => value !== undefined, { error: 'expected a value' })
    .transform(jsonOf)
    .meta({});
  leafInfo.add(schema, { kind: 'any value', format: (value) => value });
  return schema;
};

function jsonOf(tree: Tree): unknown {
  if (isList(tree)) return tree.flatMap((item) => (item === undefined ? [] : [jsonOf(item)]));
  if (isFields(tree)) {
    return Object.fromEntries(
      Object.entries(tree).flatMap(([name, item]) => (item === undefined ? [] : [[name, jsonOf(item)]])),
    );
  }
  if (!isWritten(tree)) return null;
  const written = textOf(tree);
  if (isText(tree)) return written;
  if (written === 'true' || written === 'false') return written === 'true';
  return readNumber(tree) ?? written;
}

/** `keep`, `remove`, or the number to send in its place. */
export const zeroRule = () => {
  const expected = 'keep, remove, or a number above 0';
  return leaf({
    kind: 'keep | remove | number',
    expected,
    read: (value): 'keep' | 'remove' | number | Mistake => {
      const written = textOf(value);
      if (written === 'keep' || written === 'remove') return written;
      const number = readNumber(value);
      return number !== null && number > 0 ? number : new Mistake(expected, nearest(written, ['keep', 'remove']));
    },
    json: { anyOf: [{ enum: ['keep', 'remove'] }, { type: 'number', exclusiveMinimum: 0 }, HAS_REFERENCE] },
  });
};

export const flag = () =>
  leaf({
    kind: 'true or false',
    expected: 'true or false',
    read: (value) => {
      const written = textOf(value).toLowerCase();
      if (written === 'true' || written === 'false')
        return isText(value) ? new Mistake('true or false') : written === 'true';
      const likely =
        { yes: 'true', on: 'true', no: 'false', off: 'false' }[written] ?? nearest(written, ['true', 'false']);
      return new Mistake('true or false', likely);
    },
    json: { anyOf: [{ type: 'boolean' }, HAS_REFERENCE] },
  });

export const choice = <const Values extends readonly [string, ...string[]]>(values: Values) => {
  const expected = values.length === 1 ? values[0] : `one of ${values.join(', ')}`;
  return leaf({
    kind: values.join(' | '),
    expected,
    read: (value): Values[number] | Mistake =>
      values.find((known) => known === textOf(value)) ?? new Mistake(expected, nearest(textOf(value), values)),
    json: { anyOf: [{ enum: [...values] }, HAS_REFERENCE] },
  });
};

/** http or https, without credentials, query or trailing slash. */
export const baseUrl = () => {
  const expected = 'a URL such as http://127.0.0.1:8001/v1';
  return leaf({
    kind: 'URL',
    expected,
    // A mistaken URL may hold a password: it is not shown.
    isSecret: true,
    read: (value) => {
      const url = readUrl(textOf(value));
      if (!url || !['http:', 'https:'].includes(url.protocol)) return new Mistake(expected);
      if (url.username || url.password) return new Mistake(`${expected}, without user and password (use headers)`);
      if (url.search || url.hash) return new Mistake(`${expected}, without ? and #`);
      return textOf(value).trim().replace(/\/+$/, '');
    },
    json: { type: 'string' },
  });
};

export const proxyUrl = () => {
  const expected = 'a proxy such as socks5://127.0.0.1:1080 or http://user:pass@host:3128';
  return leaf({
    kind: 'proxy URL',
    expected,
    isSecret: true,
    read: (value) => {
      const url = readUrl(textOf(value));
      const isProxy = url && ['http:', 'https:', 'socks5:', 'socks5h:'].includes(url.protocol) && url.hostname !== '';
      return isProxy ? new Secret(textOf(value).trim()) : new Mistake(expected);
    },
    // Where it leads is worth showing; who logs in there is not.
    format: (value) => {
      const url = new URL(value.reveal());
      return `${url.protocol}//${url.username || url.password ? '***@' : ''}${url.host}`;
    },
    json: { type: 'string' },
  });
};

/** As a browser sends it: scheme, host and port. */
export const origin = () => {
  const expected = 'an origin such as https://app.example.com';
  return leaf({
    kind: 'origin',
    expected,
    read: (value) => {
      const written = textOf(value);
      const url = readUrl(written);
      if (!url || url.host === '') return new Mistake(expected);
      const exact = `${url.protocol}//${url.host}`;
      return written === exact ? written : new Mistake(`${expected}, without a path`, exact);
    },
    json: { type: 'string' },
  });
};

const readUrl = (text: string): URL | null => (URL.canParse(text.trim()) ? new URL(text.trim()) : null);

/** YAML 1.2's decimal numbers. Quoted digits are text. */
function readNumber(value: Written): number | null {
  const written = textOf(value).trim();
  return !isText(value) && /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(written) ? Number(written) : null;
}
