export type FlowOptions = {
  /** Width of the terminal; null: one line, however long. */
  readonly maxColumns: number | null;
  readonly separator: string;
  /** Before the first line. */
  readonly lead: string;
  /** Before every further line. */
  readonly indent: string;
};

/** Blanks at which a line may end: a number keeps its unit. */
const BREAKS = / (?!(?:ms|s|min|h|d|%)(?!\w))/;

/** Pieces of text in one line, in more where it is narrow. A piece stays whole if it can; a word always does. */
export function flow(pieces: readonly string[], { maxColumns, separator, lead, indent }: FlowOptions): string {
  const width = maxColumns ?? Number.POSITIVE_INFINITY;
  const lines: string[] = [];
  let line = lead;
  let isFresh = true;
  const add = (text: string, gap: string) => {
    if (!isFresh && Bun.stringWidth(line + gap + text) > width) {
      lines.push(line.trimEnd());
      line = indent;
      isFresh = true;
    }
    line += isFresh ? text : gap + text;
    isFresh = false;
  };
  for (const piece of pieces.filter((text) => text !== '')) {
    if (Bun.stringWidth(indent + piece) <= width) add(piece, separator);
    else for (const [i, word] of piece.split(BREAKS).entries()) add(word, i === 0 ? separator : ' ');
  }
  lines.push(line);
  return `${lines.join('\n')}\n`;
}
