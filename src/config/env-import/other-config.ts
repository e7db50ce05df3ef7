/** Tells the config of another gateway from a `.env`: read as one, each of its lines would be an unknown variable. */
import path from 'node:path';
import { parseDocument } from '../document.ts';
import { isFields } from '../written.ts';

/** Fields at the top that one project has and the others do not. */
const TOOLS: readonly { readonly tool: string; readonly fields: readonly string[] }[] = [
  { tool: 'LiteLLM', fields: ['model_list', 'litellm_settings'] },
  {
    tool: 'CLIProxyAPI',
    fields: ['auth-dir', 'gemini-api-key', 'codex-api-key', 'claude-api-key', 'remote-management'],
  },
  { tool: 'Bifrost', fields: ['config_store', 'logs_store', 'vector_store', 'governance', 'encryption_key'] },
  { tool: 'Portkey', fields: ['strategy', 'virtual_key'] },
];

/** What the file is instead, such as "a config of LiteLLM"; null: it may be a `.env`. */
export function otherConfig(file: string, text: string): string | null {
  if (!/^\.(ya?ml|json|toml)$/i.test(path.extname(file))) return null;
  const { tree } = parseDocument(text, {});
  const fields = tree !== undefined && isFields(tree) ? Object.keys(tree) : [];
  const known = TOOLS.find((one) => one.fields.some((field) => fields.includes(field)));
  if (known) return `a config of ${known.tool}`;
  return `a ${path.extname(file).slice(1).toLowerCase()} file`;
}
