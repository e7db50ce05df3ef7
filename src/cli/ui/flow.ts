export type FlowOptions = {
  /** Width of the terminal; null: one line, however long. */
  readonly maxColumns: number | null;
  readonly separator: string;
  /** Before the first line. */
  readonly lead: string;
  /** Before every further line. */
  readonly indent: string;
};

/** Blanks at which a line may end: a number keeps what it counts. */
const BREAKS = /(?<!(?:^| )[\d.,]+[kMGT]?) /;

/** Pieces of text in one line, in more where it is narrow. A piece stays whole if it can; a word always does. */
export function flow(pieces: readonly string[], { maxColumns, separator, lead, indent }: FlowOptions): string {
  const width = maxColumns ?? Number.POSITIVE_INFINITY;
  const lines: string[] = [];
  let line = lead;
  let isFresh = true;
  const fits = (text: string) => Bun.stringWidth(text) <= width;
  const add = (text: string, gap: string) => {
    const isMovable = isFresh ? line === lead && lead.trim() !== '' && fits(indent + text) : true;
    if (isMovable && !fits(line + (isFresh ? '' : gap) + text)) {
      lines.push(line.trimEnd());
      line = indent;
      isFresh = true;
    }
    line += isFresh ? text : gap + text;
    isFresh = false;
  };
  for (const piece of pieces.filter((text) => text !== '')) {
    if (fits((isFresh ? line : indent) + piece)) add(piece, separator);
    else for (const [i, word] of piece.split(BREAKS).entries()) add(word, i === 0 ? separator : ' ');
  }
  lines.push(line);
  return `${lines.join('\n')}\n`;
}
