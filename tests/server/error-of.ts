import { expect } from 'bun:test';

export type ErrorFields = {
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
  readonly rotator?: unknown;
};

/** The error of an answer in the OpenAI envelope. */
export async function errorOf(response: Response): Promise<ErrorFields> {
  expect(response.headers.get('content-type')).toBe('application/json');
  const body: unknown = await response.json();
  if (isEnvelope(body)) return body.error;
  throw new Error(`no OpenAI error: ${JSON.stringify(body)}`);
}

function isEnvelope(body: unknown): body is { error: ErrorFields } {
  if (typeof body !== 'object' || body === null || !('error' in body)) return false;
  const { error } = body;
  return typeof error === 'object' && error !== null && 'message' in error && 'type' in error && 'code' in error;
}
