import { redact } from '../observe/redact.ts';
import { isObject, objectsIn } from '../shared/json-shape.ts';
import type { ErrorReply, JsonObject } from './provider.ts';

/** What an error reply says, read from any of the shapes that vendors use. */
export type ErrorFacts = {
  /** The upstream's status; for an error inside a 200 the one that the body names or implies, else 502. */
  readonly status: number;
  /** The vendor's words, whole: to be looked at, never to be shown. */
  readonly text: string;
  /** The same for people: one line, without secrets, at most 500 characters. */
  readonly message: string;
  readonly type: string | null;
  /** A numeric code is written out. */
  readonly code: string | null;
  readonly param: string | null;
  /** Google's status word, such as RESOURCE_EXHAUSTED. */
  readonly label: string | null;
  /** Google's `error.details[]`. */
  readonly details: readonly JsonObject[];
  /** OpenRouter's `error.metadata`. */
  readonly metadata: JsonObject | null;
  /** A web page stands where an API would have answered. */
  readonly isPage: boolean;
};

const MAX_MESSAGE = 500;
const MAX_DEPTH = 6;

/** Never throws and never returns an empty message. */
export function readError(reply: ErrorReply): ErrorFacts {
  const whole = unwrap(reply.json === undefined ? reply.text : reply.json);
  const body = isObject(whole) ? whole : null;
  const error = body ? innermost(body) : null;
  const isPage = body === null && /^\s*(<!doctype|<html|<head|<\?xml|<body)/i.test(reply.text);
  const text = (error && body && words(error, body)) || (isPage ? pageTitle(reply.text) : plain(whole, body));
  // Anthropic's finer codes stand among the details.
  const finer = isObject(error?.details) ? error.details.error_code : undefined;
  const code = firstText(error?.code, body?.code, finer);
  const type = firstText(error?.type, body?.type === 'error' ? null : body?.type, body?.error_type);
  const label = firstText(error?.status, body?.status);
  return {
    status: reply.status >= 300 ? reply.status : statusInside(error, body, [code, type, label]),
    text,
    message: oneLine(
      isRedirect(reply) ? redirection(reply) : text === '' ? `HTTP ${reply.status} without a body` : text,
    ),
    type,
    code,
    param: firstText(error?.param, body?.param),
    label: label !== null && /^[A-Z_]+$/.test(label) ? label : null,
    details: objectsIn(error?.details),
    metadata: error && isObject(error.metadata) ? error.metadata : null,
    isPage,
  };
}

/** Is a daily allowance among the limits that Google lists by `quotaId`? Several may be hit at once. */
export function violations(error: ErrorFacts): readonly string[] {
  return error.details
    .flatMap((detail) => objectsIn(detail.violations))
    .map((violation) => String(violation.quotaId ?? ''));
}

export const namesDailyQuota = (error: ErrorFacts): boolean => violations(error).some((id) => /PerDay|Daily/i.test(id));

/** One line, without secrets, at most 500 characters. */
export function oneLine(text: string): string {
  // Cut first: what is redacted must not become long again, and a megabyte need not be searched.
  const line = redact(text.slice(0, 4 * MAX_MESSAGE))
    .replace(/[\s\u0000-\u001f\u007f]+/g, ' ')
    .trim();
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE - 1)}…` : line;
}

const isRedirect = ({ status }: ErrorReply) => status >= 300 && status < 400;

/** A key must not follow to another host; where it leads says which base URL was meant. */
function redirection({ status, headers }: ErrorReply): string {
  const location = headers.get('location') ?? '';
  const host = URL.canParse(location) ? new URL(location).host : 'another place';
  return `HTTP ${status}: it redirects to ${host}, which is not followed; check base_url`;
}

/** Google wraps errors in a one-element array; proxies put JSON into strings, sometimes twice. */
function unwrap(value: unknown): unknown {
  let inner = value;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (Array.isArray(inner) && inner.length > 0) inner = inner[0];
    else if (typeof inner === 'string') {
      const parsed = parseLoosely(inner);
      if (parsed === undefined) return inner;
      inner = parsed;
    } else return inner;
  }
  return inner;
}

function parseLoosely(text: string): unknown {
  const trimmed = text.trim();
  if (!/^[[{"]/.test(trimmed)) return undefined;
  // Joined chunks leave double commas behind in Google's nested errors.
  for (const candidate of [trimmed, trimmed.replace(/,(\s*,)+/g, ',')]) {
    try {
      const parsed: unknown = JSON.parse(candidate);
      return parsed;
    } catch {}
  }
  return undefined;
}

/** The object that speaks of the error itself: `error`, Responses' `response.error`, or JSON inside its message. */
function innermost(body: JsonObject): JsonObject {
  let error = body;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const response = isObject(error.response) ? error.response.error : undefined;
    // A list under these two is a list of complaints, to be read as one sentence.
    const nested = [error.message, error.detail].filter((value) => !Array.isArray(value));
    const inner = [error.error, response, ...nested].map(unwrap).find(isObject);
    if (!inner) return error;
    // What only the outer object knows is kept, so that a wrapped body does not lose its code.
    error = { ...pickKnown(error), ...inner };
  }
  return error;
}

function pickKnown(error: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const key of ['code', 'type', 'status', 'param', 'metadata', 'details']) {
    const value = error[key];
    if (value !== undefined && value !== null && value !== 'error') kept[key] = value;
  }
  return kept;
}

function words(error: JsonObject, body: JsonObject): string {
  const own =
    sentence(error.message) ||
    sentence(error.error) ||
    sentence(error.detail) ||
    sentence(error.error_description) ||
    sentence(error.msg) ||
    sentence(error.title);
  const outer = sentence(body.message) || sentence(body.error) || sentence(body.detail) || sentence(body.title);
  // OpenRouter's "Provider returned error" says nothing without the words of the provider behind it.
  const raw = isObject(error.metadata) && typeof error.metadata.raw === 'string' ? error.metadata.raw : '';
  return [own || outer || sentence(body.errors), raw].filter((part) => part !== '').join(': ');
}

/** A text, or FastAPI's list of complaints, or a list of texts. */
function sentence(value: unknown): string {
  if (typeof value === 'string') return value;
  if (isObject(value)) return sentence(value.detail ?? value.message ?? value.msg);
  if (!Array.isArray(value)) return '';
  return value
    .map((item) => {
      if (typeof item === 'string') return item;
      if (!isObject(item)) return '';
      const where = Array.isArray(item.loc) ? item.loc.join('.') : '';
      const what = sentence(item.msg ?? item.message);
      return where && what ? `${where}: ${what}` : what;
    })
    .filter((part) => part !== '')
    .join('; ');
}

function plain(whole: unknown, body: JsonObject | null): string {
  if (typeof whole === 'string') return whole;
  return body && Object.keys(body).length > 0 ? JSON.stringify(body) : '';
}

function pageTitle(html: string): string {
  const title = /<title[^>]*>([^<]{0,200})/i.exec(html)?.[1]?.trim();
  return title ? `a web page: ${title}` : 'a web page instead of an answer';
}

function firstText(...values: readonly unknown[]): string | null {
  for (const value of values) {
    if (typeof value === 'string' && value !== '') return value;
    if (typeof value === 'number') return String(value);
  }
  return null;
}

// What the words of an error inside a 200 would have been as a status.
const IMPLIED: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  context_length_exceeded: 400,
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  authentication_error: 401,
  invalid_api_key: 401,
  UNAUTHENTICATED: 401,
  insufficient_quota: 429,
  permission_error: 403,
  PERMISSION_DENIED: 403,
  not_found_error: 404,
  model_not_found: 404,
  NOT_FOUND: 404,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  usage_limit_reached: 429,
  too_many_requests_error: 429,
  RESOURCE_EXHAUSTED: 429,
  overloaded_error: 529,
  server_is_overloaded: 529,
  UNAVAILABLE: 503,
};

function statusInside(error: JsonObject | null, body: JsonObject | null, said: readonly (string | null)[]): number {
  const response = body && isObject(body.response) ? body.response : null;
  for (const holder of [error, body, response]) {
    for (const value of [holder?.status, holder?.status_code, holder?.code]) {
      const status = typeof value === 'string' && /^\d{3}$/.test(value) ? Number(value) : value;
      if (typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599) return status;
    }
  }
  for (const word of said) {
    const status = word !== null && Object.hasOwn(IMPLIED, word) ? IMPLIED[word] : undefined;
    if (status !== undefined) return status;
  }
  return 502;
}
