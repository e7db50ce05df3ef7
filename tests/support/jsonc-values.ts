/** The JSON values of a text that has several of them, with `//` comments between and behind. Throws where it is none. */
export function valuesInJsonc(text: string): readonly unknown[] {
  const values: unknown[] = [];
  let depth = 0;
  let start = -1;
  const plain = text.replaceAll(/("(?:[^"\\\n]|\\.)*")|\/\/.*$/gm, (_, literal: string | undefined) => literal ?? '');
  for (const { 0: token, index } of plain.matchAll(/"(?:[^"\\\n]|\\.)*"|[[\]{}]/g)) {
    if (token === '{' || token === '[') {
      if (depth === 0) start = index;
      depth += 1;
    } else if (token === '}' || token === ']') {
      depth -= 1;
      if (depth === 0) values.push(JSON.parse(plain.slice(start, index + 1)));
    }
  }
  if (depth !== 0) throw new Error('a value is not closed');
  return values;
}
