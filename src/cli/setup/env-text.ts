/** A `.env` file: `NAME=value` lines; everything else in it stays. */

const LINE = /^(\s*(?:export\s+)?)([A-Za-z_][A-Za-z0-9_]*)(\s*=\s*)(.*)$/;

export function readEnv(text: string): { readonly tree: Readonly<Record<string, string>> } {
  const entries = text.split(/\r?\n/).flatMap((line) => {
    const [, , name, , value] = LINE.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, unquoted(value)] as const];
  });
  return { tree: Object.fromEntries(entries) };
}

export function editEnv(text: string, name: string, value: string | undefined): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
  // Of several lines the last one holds, so all of them change.
  const isOfName = (line: string) => LINE.exec(line)?.[2] === name;
  const kept =
    value === undefined
      ? lines.filter((line) => !isOfName(line))
      : lines.map((line) => (isOfName(line) ? withValue(line, value) : line));
  if (value !== undefined && !lines.some(isOfName)) kept.push(`${name}=${quoted(value)}`);
  return kept.length === 0 ? '' : kept.join(newline) + newline;
}

function withValue(line: string, value: string): string {
  const [, lead = '', name = '', equals = '='] = LINE.exec(line) ?? [];
  return `${lead}${name}${equals}${quoted(value)}`;
}

const quoted = (value: string) => (/^[\w.:/@%+,-]*$/.test(value) ? value : JSON.stringify(value));

function unquoted(written: string): string {
  const text = written.trim();
  const inner = /^"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
  if (inner !== undefined) return inner.replace(/\\(["\\])/g, '$1');
  return /^'([^']*)'/.exec(text)?.[1] ?? text.replace(/\s+#.*$/, '');
}
