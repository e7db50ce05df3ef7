/**
 * Cuts streamed Markdown into blocks that can be rendered one by one: at blank lines outside fenced code. A list
 * with blank lines between its items stays together, so that its numbers go on.
 */
export class MarkdownBlocks {
  #rest = '';

  /** Blocks that are complete now. */
  push(text: string): string[] {
    this.#rest += text;
    const end = lastBoundary(this.#rest);
    if (end === 0) return [];
    const block = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end);
    return [block];
  }

  /** What is left when the answer is over. */
  end(): string {
    const rest = this.#rest;
    this.#rest = '';
    return rest;
  }
}

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const LIST_ITEM = /^\s*([-*+]|\d+[.)])\s/;

/** Index behind the last blank line that ends a block; 0 when none does. The last line may still grow and is never one. */
function lastBoundary(text: string): number {
  let fence: string | null = null;
  let isInList = false;
  let boundary = 0;
  let wasBlank = false;
  let at = 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
    const line = text.slice(at, end);
    const isBlank = line.trim() === '';
    if (wasBlank && !isBlank && fence === null) {
      // An item or an indented line goes on with the list before it.
      const goesOn: boolean = isInList && (LIST_ITEM.test(line) || /^\s/.test(line));
      if (!goesOn) boundary = at;
      isInList = LIST_ITEM.test(line) || goesOn;
    } else if (at === boundary && fence === null) isInList = LIST_ITEM.test(line);
    const mark = FENCE.exec(line)?.[1];
    if (mark !== undefined) {
      if (fence === null) fence = mark;
      else if (mark.startsWith(fence) && line.trim() === mark) fence = null;
    }
    wasBlank = isBlank;
    at = end + 1;
  }
  // After a blank line nothing but a list can go on.
  if (wasBlank && fence === null && !isInList) boundary = at;
  return boundary;
}
