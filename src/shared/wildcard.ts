/**
 * Name patterns as users write them: `*` any run of characters (slashes too, unlike file globs), `?` one character,
 * `[abc]` and `[!abc]` one of a set. Case-insensitive; the whole name must match.
 */
export type NamePattern = { readonly source: string; readonly matches: (name: string) => boolean };

export function namePattern(source: string): NamePattern {
  if (!/[*?[]/.test(source)) {
    const wanted = source.toLowerCase();
    return { source, matches: (name) => name.toLowerCase() === wanted };
  }
  const expression = new RegExp(`^${toExpression(source)}$`, 'isu');
  return { source, matches: (name) => expression.test(name) };
}

export function matchesAny(patterns: readonly NamePattern[], ...names: readonly string[]): boolean {
  return patterns.some((pattern) => names.some((name) => pattern.matches(name)));
}

function toExpression(source: string): string {
  let out = '';
  for (let i = 0; i < source.length; i++) {
    const char = source[i] ?? '';
    if (char === '*') {
      // Several stars in a row mean one; left alone they would make matching exponential.
      if (source[i - 1] !== '*') out += '.*';
    } else if (char === '?') out += '.';
    else if (char === '[') {
      const end = source.indexOf(']', i + 2);
      if (end < 0) {
        out += '\\[';
        continue;
      }
      const body = source.slice(i + 1, end);
      const negated = body.startsWith('!') || body.startsWith('^');
      const set = (negated ? body.slice(1) : body).replace(/[\\\]^[&]/g, '\\$&');
      out += `[${negated ? '^' : ''}${set}]`;
      i = end;
    } else out += char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  }
  return out;
}
