import { flow } from './flow.ts';

/**
 * A help page for a terminal narrower than its prose, whose lines are broken by hand. What is indented, options and
 * examples, stays as it is: the options know the width already, and a command is copied whole.
 */
export function helpText(page: string, maxColumns: number | null): string {
  if (maxColumns === null) return page;
  return page
    .split('\n\n')
    .map((block) => (isTooWide(block, maxColumns) ? reflowed(block, maxColumns) : block))
    .join('\n\n');
}

function isTooWide(block: string, maxColumns: number): boolean {
  const lines = block.split('\n');
  return lines.every((line) => !line.startsWith(' ')) && lines.some((line) => Bun.stringWidth(line) > maxColumns);
}

function reflowed(block: string, maxColumns: number): string {
  const [, before = '', prose = '', after = ''] = /^(\n*)([^]*?)(\n*)$/.exec(block) ?? [];
  const text = flow([prose.replaceAll('\n', ' ')], { maxColumns, separator: ' ', lead: '', indent: '' });
  return `${before}${text.trimEnd()}${after}`;
}
