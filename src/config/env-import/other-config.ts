/** Tells the config of another gateway from a `.env`: read as one, each of its lines would be an unknown variable. */
import path from 'node:path';
import { parseDocument } from '../document.ts';
import { otherTool } from '../other-tools.ts';
import { isFields } from '../written.ts';

/** What the file is instead, such as "a config of LiteLLM"; null: it may be a `.env`. */
export function otherConfig(file: string, text: string): string | null {
  if (!/^\.(ya?ml|json|toml)$/i.test(path.extname(file))) return null;
  const { tree } = parseDocument(text, {});
  const tool = tree !== undefined && isFields(tree) ? otherTool(tree) : null;
  if (tool !== null) return `a config of ${tool}`;
  return `a ${path.extname(file).slice(1).toLowerCase()} file`;
}
