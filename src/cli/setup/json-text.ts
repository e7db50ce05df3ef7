import { applyEdits, modify, type ParseError, parse } from 'jsonc-parser';
import type { Json, ResolvedPath } from './setting.ts';

/** JSON as editors write it: comments and commas at the end are read. Null: it is none. An empty text is an empty object. */
export function readJson(text: string): { readonly tree: unknown } | null {
  if (text.trim() === '') return { tree: {} };
  const errors: ParseError[] = [];
  const tree: unknown = parse(text, errors, { allowTrailingComma: true });
  return errors.length > 0 || typeof tree !== 'object' || tree === null || Array.isArray(tree) ? null : { tree };
}

/** Comments, order and everything else stay. Undefined takes the place away. */
export function editJson(text: string, path: ResolvedPath, value: Json | undefined): string {
  const indent = /^([ \t]+)["/]/m.exec(text)?.[1] ?? '  ';
  const formattingOptions = {
    insertSpaces: !indent.includes('\t'),
    tabSize: indent.includes('\t') ? 1 : indent.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
  const edits = modify(text.trim() === '' ? '{}' : text, [...path], value, { formattingOptions });
  const edited = applyEdits(text.trim() === '' ? '{}' : text, edits);
  return edited.endsWith('\n') ? edited : `${edited}\n`;
}
