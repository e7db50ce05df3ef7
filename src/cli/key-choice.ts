import { CliError, ExitCode } from '../shared/cli-error.ts';
import { nearest } from '../shared/near-miss.ts';

type Named = { readonly id: string; readonly label: string | null };

/**
 * The credential a person means: its id, its label, or the beginning of one id. `-` and `_` are the same in ids.
 * Throws a usage error that lists the candidates when it means several, or the nearest when it means none.
 */
export function chooseKey<Key extends Named>(written: string, keys: readonly Key[]): Key {
  const wanted = normal(written);
  const exact = keys.find((key) => normal(key.id) === wanted);
  if (exact) return exact;
  const labelled = keys.filter((key) => key.label === written);
  const matches = labelled.length > 0 ? labelled : keys.filter((key) => normal(key.id).startsWith(wanted));
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
    near === undefined ? 'rotator keys list shows them' : `did you mean "${near}"? rotator keys list shows them`,
  );
}

const normal = (text: string) => text.toLowerCase().replaceAll('-', '_');

const SHOWN = 8;

function list(keys: readonly Named[]): string {
  const names = keys.slice(0, SHOWN).map((key) => (key.label === null ? key.id : `${key.id} (${key.label})`));
  return names.join(', ') + (keys.length > SHOWN ? ` and ${keys.length - SHOWN} more` : '');
}
