/**
 * Edits of a TOML text that leave every other line as it is. Only whole lines are changed: `name = value` in a table that
 * has its own `[header]`, or above the first one. The caller parses the result and refuses one that means something else.
 */
import type { Json, ResolvedPath } from './setting.ts';

/** Null: the text is no TOML. */
export function readToml(text: string): { readonly tree: unknown } | null {
  try {
    return { tree: Bun.TOML.parse(text) };
  } catch {
    return null;
  }
}

export function editToml(text: string, path: ResolvedPath, value: Json | undefined): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
  const table = path.slice(0, -1).map(String);
  const name = String(path.at(-1));
  const section = sectionOf(lines, table);
  if (value === undefined) removeLine(lines, section, name, table);
  else if (section === null) addTable(lines, table, `${keyText(name)} = ${valueText(value)}`);
  else setLine(lines, section, name, `${keyText(name)} = ${valueText(value)}`);
  return lines.length === 0 ? '' : lines.join(newline) + newline;
}

/** Lines from `start` up to `end`: those of one table, without its header. */
type Section = { readonly start: number; readonly end: number };

const HEADER = /^\s*\[([^[\]].*)\]\s*(?:#.*)?$/;
const ANY_HEADER = /^\s*\[/;

function sectionOf(lines: readonly string[], table: readonly string[]): Section | null {
  const wanted = tableName(table);
  const header = table.length === 0 ? -1 : lines.findIndex((line) => nameOf(HEADER.exec(line)?.[1]) === wanted);
  if (table.length > 0 && header < 0) return null;
  const next = lines.findIndex((line, i) => i > header && ANY_HEADER.test(line));
  return { start: header + 1, end: next < 0 ? lines.length : next };
}

const tableName = (table: readonly string[]) => JSON.stringify(table);

/** `model_providers."a.b"` as its parts. */
function nameOf(written: string | undefined): string | null {
  if (written === undefined) return null;
  const parts = [...written.matchAll(/\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*(?:\.|$)/g)];
  return tableName(parts.map((part) => part[1] ?? part[2] ?? part[3] ?? ''));
}

function lineOf(lines: readonly string[], { start, end }: Section, name: string): number {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(`^\\s*(?:${escaped}|"${escaped}"|'${escaped}')\\s*=`);
  const index = lines.slice(start, end).findIndex((line) => pattern.test(line));
  return index < 0 ? -1 : start + index;
}

function setLine(lines: string[], section: Section, name: string, text: string): void {
  const at = lineOf(lines, section, name);
  if (at >= 0) {
    const comment =
      /^\s*[\w"'-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^"'#[{]*?)(\s*#.*)$/.exec(lines[at] ?? '')?.[1] ?? '';
    lines[at] = text + comment;
    return;
  }
  // Behind the last line that says something: blank lines and comments before the next header belong to that.
  let end = section.end;
  while (end > section.start && /^\s*(#.*)?$/.test(lines[end - 1] ?? '')) end--;
  const isHead = section.start === 0 && end === 0;
  lines.splice(isHead ? headEnd(lines, section) : end, 0, text);
}

/** Comments at the very top are about the file. */
function headEnd(lines: readonly string[], { end }: Section): number {
  let at = 0;
  while (at < end && /^\s*#/.test(lines[at] ?? '')) at++;
  return at;
}

function addTable(lines: string[], table: readonly string[], text: string): void {
  if (lines.length > 0 && lines.at(-1)?.trim() !== '') lines.push('');
  lines.push(`[${table.map(keyText).join('.')}]`, text);
}

function removeLine(lines: string[], section: Section | null, name: string, table: readonly string[]): void {
  const at = section ? lineOf(lines, section, name) : -1;
  if (!section || at < 0) return;
  lines.splice(at, 1);
  const isEmpty = lines.slice(section.start, section.end - 1).every((line) => line.trim() === '');
  if (table.length === 0 || !isEmpty) return;
  // A table that has nothing left goes with the blank line above it.
  const from = section.start - 1 - (lines[section.start - 2]?.trim() === '' ? 1 : 0);
  lines.splice(from, section.end - 1 - from);
  if (from > 0 && lines[from] !== undefined && lines[from - 1]?.trim() !== '') lines.splice(from, 0, '');
}

const keyText = (name: string) => (/^[\w-]+$/.test(name) ? name : JSON.stringify(name));

function valueText(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([name, inner]) => `${keyText(name)} = ${valueText(inner)}`)
      .join(', ')} }`;
  // A basic string of TOML has the escapes of JSON.
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
