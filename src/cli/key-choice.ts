import { normalizeProviderId } from '../providers/provider-id.ts';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { nearest } from '../shared/near-miss.ts';

type Named = { readonly id: string; readonly label: string | null };

/**
 * The credential a person means: its id, its label, or the beginning of one id. `-` and `_` are the same in ids.
 * Throws a usage error that lists the candidates when it means several, or the nearest when it means none.
 */
export function chooseKey<Key extends Named>(
  written: string,
  keys: readonly Key[],
  listCommand = 'rotator keys list',
): Key {
  // Every id begins with nothing: an unset variable in a script would mean whichever key is the only one.
  if (written.trim() === '')
    throw new CliError(
      ExitCode.usage,
      'unknown_key',
      'an empty text names no credential',
      `${listCommand} shows their ids and labels`,
    );
  // An id begins with its provider's, so it is compared in the same way.
  const wanted = normalizeProviderId(written);
  const exact = keys.find((key) => normalizeProviderId(key.id) === wanted);
  if (exact) return exact;
  const labelled = keys.filter((key) => key.label === written);
  const matches = labelled.length > 0 ? labelled : keys.filter((key) => normalizeProviderId(key.id).startsWith(wanted));
  const [only] = matches;
  if (only && matches.length === 1) return only;
  if (only)
    throw new CliError(
      ExitCode.usage,
      'ambiguous_key',
      `"${written}" means ${matches.length} credentials`,
      `write more of the id: ${list(matches)}`,
    );
  const near = nearest(
    written,
    keys.flatMap((key) => (key.label === null ? [key.id] : [key.id, key.label])),
  );
  throw new CliError(
    ExitCode.usage,
    'unknown_key',
    `no credential has the id or label "${written}"`,
    near === undefined ? `${listCommand} shows them` : `did you mean "${near}"? ${listCommand} shows them`,
  );
}

const SHOWN = 8;

function list(keys: readonly Named[]): string {
  const names = keys.slice(0, SHOWN).map((key) => (key.label === null ? key.id : `${key.id} (${key.label})`));
  return names.join(', ') + (keys.length > SHOWN ? ` and ${keys.length - SHOWN} more` : '');
}
