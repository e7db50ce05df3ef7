import { expect } from 'bun:test';

/** An error body in OpenAI's envelope, as a client reads it. */
export type ErrorBody = {
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
  readonly rotator?: {
    readonly request_id: string;
    readonly target: string | null;
    readonly attempts: readonly {
      readonly target: string;
      readonly credential: string;
      readonly status: number | null;
      readonly failure: string | null;
      readonly ms: number;
    }[];
    readonly retry_at: string | null;
  };
};

/** Checks status, type and code, and that the envelope is one an OpenAI client understands. Returns the error. */
export async function expectError(
  response: Response,
  wanted: { status: number; type: string; code?: string | null },
): Promise<ErrorBody> {
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Error(`${response.status} with a body that is not JSON: ${text}`);
  }
  const error = readError(body);
  expect({ status: response.status, type: error.type, code: error.code, in: text }).toEqual({
    status: wanted.status,
    type: wanted.type,
    code: wanted.code === undefined ? null : wanted.code,
    in: text,
  });
  expect(response.headers.get('content-type')).toStartWith('application/json');
  expect(error.message.length).toBeGreaterThan(0);
  return error;
}

/** The error of an answer, whatever its status. */
export async function errorOf(response: Response): Promise<ErrorBody> {
  expect(response.headers.get('content-type')).toBe('application/json');
  return readError(await response.json());
}

/** The error inside `{"error": …}`; throws when there is none. */
export function readError(body: unknown): ErrorBody {
  if (typeof body !== 'object' || body === null || !('error' in body) || !isErrorBody(body.error)) {
    throw new Error(`not an error envelope: ${JSON.stringify(body)}`);
  }
  return body.error;
}

function isErrorBody(value: unknown): value is ErrorBody {
  return (
    typeof value === 'object' &&
    value !== null &&
    'message' in value &&
    typeof value.message === 'string' &&
    'type' in value &&
    typeof value.type === 'string' &&
    'code' in value &&
    'param' in value
  );
}

/** `Retry-After` is whole seconds of at least 1, with the milliseconds beside it. Returns the seconds. */
export function expectRetryAfter(response: Response): number {
  const seconds = response.headers.get('retry-after') ?? '';
  const ms = response.headers.get('retry-after-ms') ?? '';
  expect(seconds).toMatch(/^[1-9]\d*$/);
  expect(ms).toMatch(/^\d+$/);
  expect(Number(seconds)).toBe(Math.max(1, Math.ceil(Number(ms) / 1000)));
  expect(response.headers.get('x-should-retry')).toBe(Number(ms) > 60_000 ? 'false' : null);
  return Number(seconds);
}
