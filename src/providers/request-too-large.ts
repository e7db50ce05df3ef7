import { type ErrorFacts, readError } from './error-body.ts';
import { contextTooLong } from './failure-from.ts';
import type { Failure } from './failure.ts';
import type { ErrorReply } from './provider.ts';

/**
 * "Request too large for model … on tokens per minute (TPM): Limit 6000, Requested 6294": the request alone is larger
 * than what the plan allows in a minute. Waiting cannot help and neither can another key of the plan; a shorter prompt or
 * another model can, which is what a context that is too long means to everyone concerned. Groq says it with 413, OpenAI
 * with 429.
 */
export function requestLargerThanMinute(reply: ErrorReply): Failure | undefined {
  const error = readError(reply);
  return isLargerThanMinute(error) ? contextTooLong({ ...error, status: 413 }) : undefined;
}

function isLargerThanMinute(error: ErrorFacts): boolean {
  if (error.status !== 413 && error.status !== 429) return false;
  return /^Request too large\b.{0,400}\b(?:TPM|tokens per min)/i.test(error.text);
}
