export type TableOptions = {
  readonly maxColumns: number | null;
  readonly styleHead: (text: string) => string;
  /** Columns that go, in this order, before the first one is shortened: an id with a part missing cannot be copied. */
  readonly dropFirst?: readonly string[];
  /** Columns that are never shortened. */
  readonly whole?: readonly string[];
};

/** Rows in aligned columns, by what a terminal shows: wide characters count two, colour codes none. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], options: TableOptions): string {
  const { maxColumns, dropFirst = [], whole = [] } = options;
  const [dropped, ...rest] = dropFirst;
  if (maxColumns !== null && dropped !== undefined && narrowest(head, rows, whole) > maxColumns) {
    const at = head.indexOf(dropped);
    const without = (row: readonly string[]) => row.filter((_, i) => i !== at);
    return table(without(head), rows.map(without), { ...options, dropFirst: rest });
  }
  return draw(head, rows, options);
}

/** How wide the table is when every column but the first is as narrow as it may be; the last one holds sentences. */
function narrowest(head: readonly string[], rows: readonly (readonly string[])[], whole: readonly string[]): number {
  const [first = 0, ...others] = widthsOf(head, rows);
  const leastOf = (i: number, width: number) =>
    whole.includes(head[i + 1] ?? '') ? width : i === others.length - 1 ? SENTENCE : NARROWEST;
  return others.reduce((sum, width, i) => sum + GAP.length + Math.min(width, leastOf(i, width)), first);
}

const widthsOf = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  head.map((_, i) => Math.max(...[head, ...rows].map((row) => Bun.stringWidth(row[i] ?? ''))));

function draw(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { maxColumns, styleHead, dropFirst, whole = [] }: TableOptions,
): string {
  const widths = widthsOf(head, rows);
  if (maxColumns !== null)
    shrink(widths, maxColumns, (i) => (i === 0 && dropFirst !== undefined) || whole.includes(head[i] ?? ''));
  const line = (row: readonly string[], style: (text: string) => string) =>
    head
      .map((_, i) => {
        const text = cut(row[i] ?? '', widths[i] ?? 0);
        // The last column is not padded: trailing blanks are a nuisance to those who copy.
        const padding = i === head.length - 1 ? '' : ' '.repeat((widths[i] ?? 0) - Bun.stringWidth(text));
        return style(text) + padding;
      })
      .join(GAP)
      .trimEnd();
  return `${[line(head, styleHead), ...rows.map((row) => line(row, (text) => text))].join('\n')}\n`;
}

const GAP = '  ';
const NARROWEST = 8;
const SENTENCE = 24;

/** Takes from the widest column until the row fits or nothing is left to take. */
function shrink(widths: number[], maxColumns: number, isKept: (column: number) => boolean): void {
  let excess = widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1)) - maxColumns;
  while (excess > 0) {
    const widest = Math.max(...widths.filter((_, i) => !isKept(i)));
    if (widest <= NARROWEST) return;
    widths[widths.findIndex((width, i) => width === widest && !isKept(i))] = widest - 1;
    excess--;
  }
}

function cut(text: string, width: number): string {
  return Bun.stringWidth(text) <= width ? text : `${Bun.sliceAnsi(text, 0, width - 1)}…`;
}
