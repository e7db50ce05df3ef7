import { openAiError } from '../openai-error.ts';
import type { Problem, ProblemDetail } from '../problem.ts';

export function encodeError(problem: Problem, detail: ProblemDetail | null): { status: number; body: string } {
  return { status: problem.status, body: JSON.stringify(openAiError(problem, detail)) };
}

/** The frames that end a stream which has already begun: the error, then the end mark that SDKs wait for. */
export function errorFrames(problem: Problem, detail: ProblemDetail | null): string {
  return `data: ${JSON.stringify(openAiError(problem, detail))}\n\ndata: [DONE]\n\n`;
}
