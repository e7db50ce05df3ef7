/** Within one protocol the newer models refuse what the older ones took; their version stands in their name. */

export type ClaudeVersion = { readonly major: number; readonly minor: number };

// `claude-opus-4-7`, `claude-sonnet-4.5`, `claude-3-7-sonnet-20250219`, `anthropic.claude-sonnet-4-20250514-v1:0`: a minor
// version has one or two digits, a date eight.
const NAME = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2})(?!\d))?(?!\d)/i;

/** Null for the models of others, and for names that say no version. */
export function claudeVersion(model: string): ClaudeVersion | null {
  const found = NAME.exec(model);
  return found ? { major: Number(found[1]), minor: Number(found[2] ?? 0) } : null;
}

/** False where the version is not known. */
export function isClaudeSince(model: string, major: number, minor: number): boolean {
  const version = claudeVersion(model);
  return version !== null && (version.major > major || (version.major === major && version.minor >= minor));
}
