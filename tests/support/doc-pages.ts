import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/**
 * The pages of the documentation and their fenced blocks. What stands behind a block's language is for the tests, and no
 * reader sees it:
 *
 * - `sh`: a script. `console`: lines of `$ command` with what they print, in which `…` stands for anything. Both are run.
 * - `in=demo`, `in=keys`, `in=serving`: where they are run (`tests/support/doc-home.ts`). Default: in the page's own home.
 * - `exit=3`: how the last command ends. Default: 0.
 * - `asks="Key" types="gsk_x"`: on a terminal; that text is typed when this one is shown.
 * - `needs=sqlite3`: it is run where that program is installed.
 * - `no-run: reason`: it cannot be run here. The tests list these, and still look at the commands' names and options.
 * - `not-config: Prometheus`: YAML or JSON that is not rotator's.
 */

export type Fence = {
  readonly page: string;
  /** From 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  readonly place: string | null;
  readonly exit: number;
  readonly typing: { readonly asks: string; readonly types: string } | null;
  readonly noRun: string | null;
  readonly notConfig: string | null;
  /** A program that it takes besides rotator, the shell and curl. */
  readonly needs: string | null;
};

export type Page = { readonly path: string; readonly text: string; readonly fences: readonly Fence[] };

export const root = dirname(dirname(import.meta.dir));

export function readPages(): readonly Page[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
  return ['README.md', ...docs.sort()].map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    return { path, text, fences: fencesOf(path, text) };
  });
}

export function fencesOf(page: string, text: string): readonly Fence[] {
  return [...text.matchAll(/^( *)```(\S*)(.*)\n([^]*?)^\1```$/gm)].map((match) => {
    const [, indent = '', language = '', info = '', body = ''] = match;
    const said = (pattern: RegExp) => pattern.exec(info)?.[1]?.trim() ?? null;
    const asks = said(/ asks="([^"]+)"/);
    const types = said(/ types="([^"]+)"/);
    return {
      page,
      line: text.slice(0, match.index).split('\n').length,
      language,
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      place: said(/ in=(\S+)/),
      exit: Number(said(/ exit=(\d+)/) ?? 0),
      typing: asks !== null && types !== null ? { asks, types } : null,
      noRun: said(/ no-run: (.+)/),
      needs: said(/ needs=(\S+)/),
      notConfig: said(/ not-config: (.+)/),
    };
  });
}

/** The commands of a console block, each with what it prints. A line that ends in `\` goes on in the next. */
export function consoleSteps(text: string): readonly { readonly command: string; readonly output: string }[] {
  const steps: { command: string; output: string }[] = [];
  let isOpen = false;
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const last = steps.at(-1);
    if (isOpen && last) last.command += `\n${line}`;
    else if (line.startsWith('$ ')) steps.push({ command: line.slice(2), output: '' });
    else if (last) last.output += `${line}\n`;
    else throw new Error(`a console block begins with a command: ${line}`);
    isOpen = (isOpen || line.startsWith('$ ')) && line.endsWith('\\');
  }
  return steps;
}

/** The commands that a block would run, without their output. */
export function commandsIn(fence: Fence): string {
  return fence.language === 'console'
    ? consoleSteps(fence.text)
        .map(({ command }) => command)
        .join('\n')
    : fence.text;
}
