/** An error reply in the words and the shape of OpenAI's API. */
export type DemoProblem = {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
  readonly message: string;
};

export function badRequest(message: string, param: string | null = null, code: string | null = null): DemoProblem {
  return { status: 400, type: 'invalid_request_error', code, param, message };
}

export function problemBody({ message, type, param, code }: DemoProblem): string {
  return JSON.stringify({ error: { message, type, param, code } });
}
