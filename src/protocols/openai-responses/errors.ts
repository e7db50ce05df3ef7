import type { StreamProgress } from '../codec.ts';
import { openAiError } from '../openai-error.ts';
import type { Problem, ProblemDetail, ProblemKind } from '../problem.ts';
import { EventSequence } from './event-sequence.ts';

export function encodeError(problem: Problem, detail: ProblemDetail | null): { status: number; body: string } {
  return { status: problem.status, body: JSON.stringify(openAiError(problem, detail)) };
}

/** Inside a response an error always has a code; clients decide by it whether to try again. */
const CODES: Partial<Record<ProblemKind, string>> = {
  'rate-limited': 'rate_limit_exceeded',
  'bad-request': 'invalid_prompt',
  'upstream-rejected': 'invalid_prompt',
};

/**
 * A stream ends with `response.failed`, which carries on its count and names its response. A client that has received
 * nothing yet gets a response that is created and fails: its parsers know no stream that begins otherwise.
 */
export function errorFrames(problem: Problem, detail: ProblemDetail | null, progress: StreamProgress | null): string {
  const { error } = openAiError(problem, detail);
  const events = new EventSequence(progress?.nextSequence);
  const response = {
    id: `resp_${(detail?.requestId ?? 'failed').replace(/[^A-Za-z0-9]/g, '')}`,
    object: 'response',
    created_at: 0,
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    model: '',
    output: [],
    parallel_tool_calls: true,
    temperature: null,
    tool_choice: 'auto',
    tools: [],
    top_p: null,
    usage: null,
    ...progress?.announced,
  };
  const isBegun = progress !== null && progress.nextSequence > 0;
  const begin = isBegun ? '' : events.frame('response.created', { response: { ...response, status: 'in_progress' } });
  const failed = {
    ...response,
    status: 'failed',
    error: { ...error, code: error.code ?? CODES[problem.kind] ?? 'server_error' },
  };
  return begin + events.frame('response.failed', { response: failed });
}
