import { CliError, ExitCode } from '../shared/cli-error.ts';
import type { AnswerError } from './chat-answer.ts';
import { duration } from './ui/human-time.ts';

/** A refused chat as a failure of the command. `status` is null for an error inside a stream. */
export function chatFailure(
  model: string,
  status: number | null,
  error: AnswerError,
  retryAfterSeconds: number | null,
): CliError {
  const exitCode = exitCodeOf(status, error);
  const wait = retryAfterSeconds === null ? null : `try again in ${duration(retryAfterSeconds * 1000)}`;
  const hint = error.type === 'authentication_error' ? CLIENT_KEY_HINT : hintOf(exitCode, model, wait);
  return new CliError(exitCode, error.code ?? error.type ?? 'chat_failed', error.message, hint);
}

/** It is rotator itself that refused, and not a provider: the table has this type for client keys only. */
const CLIENT_KEY_HINT = 'set ROTATOR_CLIENT_KEY to a key that the server knows, or use --local';

/** By the type and code of the public error table; the status decides where they are silent. */
function exitCodeOf(status: number | null, { type, code }: AnswerError): ExitCode {
  if (code === 'model_not_found') return ExitCode.usage;
  if (type === 'rate_limit_error' || code === 'no_credential') return ExitCode.noCredential;
  if (type === 'authentication_error' || type === 'permission_error' || code === 'upstream_authentication')
    return ExitCode.rejected;
  if (status === 401 || status === 403) return ExitCode.rejected;
  if (status === 404) return ExitCode.usage;
  if (status === 429) return ExitCode.noCredential;
  return ExitCode.failed;
}

function hintOf(exitCode: ExitCode, model: string, wait: string | null): string | undefined {
  switch (exitCode) {
    case ExitCode.noCredential:
      return [wait, `rotator test-route ${model} shows why`].filter((part) => part !== null).join('; ');
    case ExitCode.rejected:
      return 'rotator keys test shows which key is refused';
    case ExitCode.usage:
      return 'rotator models lists what can be called';
    default:
      return wait ?? undefined;
  }
}
