/** Names and ids that a protocol does not take as they are, made into ones it does. Always the same for the same input. */

export type NameRule = {
  /** One character that is allowed. */
  readonly allowed: RegExp;
  /** The first character, where it is more restricted. */
  readonly first?: RegExp;
  readonly maxLength: number;
};

/** OpenAI, Anthropic. */
export const PLAIN_NAME: NameRule = { allowed: /[A-Za-z0-9_-]/, maxLength: 64 };

/**
 * Client's name → upstream's, for all of `names`; each as it is where the rule allows it. Two that become the same are
 * told apart by `_2`, `_3` at the end; names that need no change keep theirs.
 */
export function cleanNames(names: Iterable<string>, rule: NameRule): ReadonlyMap<string, string> {
  const distinct = [...new Set(names)];
  const clean = new Map<string, string>();
  const taken = new Set<string>();
  const put = (name: string, cleaned: string) => {
    clean.set(name, cleaned);
    taken.add(cleaned);
  };
  const changed: string[] = [];
  for (const name of distinct) {
    if (cleanName(name, rule) === name) put(name, name);
    else changed.push(name);
  }
  for (const name of changed) {
    const base = cleanName(name, rule);
    let candidate = base;
    for (let count = 2; taken.has(candidate); count++) {
      const tail = `_${count}`;
      candidate = base.slice(0, rule.maxLength - tail.length) + tail;
    }
    put(name, candidate);
  }
  return clean;
}

/** The way back: upstream's name → client's, only where they differ. */
export function namesBack(clean: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...clean].flatMap(([name, cleaned]) => (name === cleaned ? [] : [[cleaned, name] as const])));
}

function cleanName(name: string, { allowed, first, maxLength }: NameRule): string {
  let cleaned = '';
  for (const character of name) cleaned += allowed.test(character) ? character : '_';
  if (cleaned === '') cleaned = '_';
  if (first && !first.test(cleaned[0] ?? '')) cleaned = `_${cleaned}`;
  return cleaned.slice(0, maxLength);
}
