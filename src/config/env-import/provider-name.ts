/** Which provider a part of a variable's name means. */
import { findProfile } from '../../oauth/profiles/index.ts';
import { findProvider, providers } from '../../providers/index.ts';

/** The fork's sample speaks of the main base of g4f as if it were a provider. */
const SECOND_NAMES: ReadonlyMap<string, string> = new Map([['g4f_main', 'g4f']]);

/** `NVIDIA_NIM` → `nvidia`. A name that is not known is one of the user's own. */
export function providerOf(part: string): string {
  const id = part.toLowerCase();
  const byKey = providers.find(({ keyEnv }) => keyEnv.includes(`${part.toUpperCase()}_API_KEY`));
  return byKey?.id ?? findProvider(id)?.id ?? SECOND_NAMES.get(id) ?? id;
}

/**
 * Splits `GEMINI_CLI_PRO` into provider and rest: the longest beginning that is a provider, here or in the file, else up
 * to the first `_`. Null: nothing would be left of one of both.
 */
export function splitProvider(
  part: string,
  variables: ReadonlyMap<string, string>,
): { readonly provider: string; readonly rest: string } | null {
  const words = part.split('_');
  const beginning = (count: number) => words.slice(0, count).join('_');
  let count = 1;
  for (let longer = words.length - 1; longer > 1; longer--) {
    if (!isProvider(beginning(longer), variables)) continue;
    count = longer;
    break;
  }
  const rest = words.slice(count).join('_');
  const prefix = beginning(count);
  return prefix === '' || rest === '' ? null : { provider: providerOf(prefix), rest };
}

function isProvider(prefix: string, variables: ReadonlyMap<string, string>): boolean {
  const id = prefix.toLowerCase();
  if (findProvider(providerOf(prefix)) || findProfile(id)?.id === id) return true;
  return variables.has(`${prefix}_API_BASE`) || hasKey(prefix, variables);
}

/** Does the file hold a key under this name, numbered or not? */
export const hasKey = (prefix: string, variables: ReadonlyMap<string, string>): boolean =>
  [...variables].some(([name, value]) => value !== '' && name.startsWith(`${prefix}_API_KEY`));
