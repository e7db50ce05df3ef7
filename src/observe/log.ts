import { type Clock, systemClock } from '../shared/clock.ts';
import { printable } from '../shared/printable.ts';
import { remembered } from '../shared/remembered.ts';
import { Secret } from '../shared/secret.ts';
import { redact } from './redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
/** Not under the names that the line itself has: in JSON one of the two would hide the other. */
export type LogFields = Readonly<Record<string, unknown>> & {
  readonly time?: never;
  readonly level?: never;
  readonly message?: never;
};

/** One line each. Nothing that looks like a secret gets through, in the message or in the fields. */
export type Log = { readonly [level in LogLevel]: (message: string, fields?: LogFields) => void };

export type LogOptions = {
  /** Lines below it are dropped before anything is formatted. */
  readonly level: LogLevel;
  /** `pretty` for people, `json` with one object per line. The caller knows whether a terminal reads. */
  readonly format: 'pretty' | 'json';
  /** Takes one line without its newline. */
  readonly write: (line: string) => void;
  /** Colours for `pretty`; given the level and the word that stands for it. */
  readonly paint?: (level: LogLevel, text: string) => string;
  readonly clock?: Clock;
};

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const MAX_TEXT = 4000;
const MASK = '***';
// Names under which nothing but a secret is ever logged, whatever the value looks like.
const SECRET_FIELD =
  /^(?:proxy-?)?authorization$|^(?:x-)?(?:goog-)?api[-_]?key$|^(?:.*[-_])?(?:token|secret|password|passwd)$|^(?:set-)?cookie$|^key$/i;

const MAX_HARMLESS = 2000;

/** Names come from the code, and from the fields of what it logs: few, and always the same. */
const isSecretField = remembered(MAX_HARMLESS, (name: string) => SECRET_FIELD.test(name));

export function createLog({ level: lowest, format, write, paint, clock = systemClock }: LogOptions): Log {
  const at = (level: LogLevel) => {
    if (RANK[level] < RANK[lowest]) return () => undefined;
    const line = format === 'json' ? jsonLine : prettyLine(paint ?? ((_, text) => text));
    return (message: string, fields: LogFields = {}) => write(line(clock.now(), level, clean(message), fields));
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function jsonLine(at: number, level: LogLevel, message: string, fields: LogFields): string {
  const json = stringify(isClean(fields) ? fields : plainFields(fields));
  const head = `{"time":"${isoTime(at)}","level":"${level}","message":${JSON.stringify(message)}`;
  return json === '{}' ? `${head}}` : `${head},${json.slice(1)}`;
}

/** Nothing in it has to be changed, so that it needs no copy: the line of every request is so. */
function isClean(fields: LogFields): boolean {
  for (const name in fields) {
    const value = fields[name];
    if (value === null || typeof value === 'number' || typeof value === 'boolean') continue;
    if (typeof value !== 'string' || isSecretField(name) || clean(value) !== value) return false;
  }
  return true;
}

let second = Number.NaN;
let secondText = '';

/** Of the same second only the milliseconds differ. */
function isoTime(at: number): string {
  const ms = Math.floor(at);
  const of = Math.floor(ms / 1000);
  if (of !== second) {
    secondText = new Date(of * 1000).toISOString().slice(0, -4);
    second = of;
  }
  return `${secondText}${String(ms - of * 1000).padStart(3, '0')}Z`;
}

function prettyLine(paint: (level: LogLevel, text: string) => string) {
  return (at: number, level: LogLevel, message: string, fields: LogFields): string => {
    const time = new Date(at);
    const clock = [time.getHours(), time.getMinutes(), time.getSeconds()]
      .map((part) => String(part).padStart(2, '0'))
      .join(':');
    let line = `${clock} ${paint(level, level.padEnd(5))} ${printable(message)}`;
    let below = '';
    for (const [name, value] of Object.entries(plainFields(fields))) {
      if (value === null || value === undefined) continue;
      // A stack is read line by line.
      if (typeof value === 'string' && value.includes('\n    at '))
        below += `\n  ${value.split('\n').map(printable).join('\n  ')}`;
      else line += ` ${name}=${shown(value)}`;
    }
    return line + below;
  };
}

/** Quoted when it would not be one word otherwise. What a client sent must not steer the terminal. */
function shown(value: unknown): string {
  if (typeof value === 'string') return /^[\w./:@+~%*,…-]+$/.test(value) ? value : printable(JSON.stringify(value));
  return printable(stringify(value));
}

function plainFields(fields: LogFields): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) plain[name] = plainValue(name, fields[name], 0);
  return plain;
}

function plainValue(name: string, value: unknown, depth: number): unknown {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  if (value instanceof Secret) return MASK;
  if (typeof value === 'string') return isSecretField(name) ? MASK : clean(value);
  if (value instanceof Error) return clean(errorText(value));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (typeof value === 'object') {
    // Cycles end here too; nobody reads a log that deep.
    if (depth >= 4) return '…';
    if (Array.isArray(value)) return value.map((item) => plainValue(name, item, depth + 1));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainValue(key, item, depth + 1)]));
  }
  return value === undefined ? undefined : String(value);
}

/** Where it was thrown, and what was behind it. */
function errorText(error: Error): string {
  const own = error.stack?.includes(error.message) ? error.stack : `${error.name}: ${error.message}`;
  return error.cause instanceof Error ? `${own}\ncaused by ${error.cause.name}: ${error.cause.message}` : own;
}

// Clients, models and credentials are named again in every line: what was once found harmless is not looked at again.
const harmless = new Set<string>();
const MAX_REMEMBERED_LENGTH = 100;

/** An id that was made here, in every line another one. */
const OWN_ID = /^req_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function clean(text: string): string {
  if (harmless.has(text) || OWN_ID.test(text)) return text;
  const cleaned = cleanOnce(text);
  if (cleaned === text && text.length <= MAX_REMEMBERED_LENGTH) {
    if (harmless.size >= MAX_HARMLESS) harmless.clear();
    harmless.add(text);
  }
  return cleaned;
}

function cleanOnce(text: string): string {
  if (text.length <= MAX_TEXT) return redact(text);
  // Redacted with a margin, so that a key that lies across the cut does not show its beginning.
  return `${redact(text.slice(0, MAX_TEXT + 500)).slice(0, MAX_TEXT)}…`;
}

function stringify(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}
