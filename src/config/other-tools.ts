/** Fields at the top of a config that one other gateway has, and neither this one nor the others. */
const TOOLS: readonly { readonly tool: string; readonly fields: readonly string[] }[] = [
  { tool: 'LiteLLM', fields: ['model_list', 'litellm_settings'] },
  {
    tool: 'CLIProxyAPI',
    fields: ['auth-dir', 'gemini-api-key', 'codex-api-key', 'claude-api-key', 'remote-management'],
  },
  { tool: 'Bifrost', fields: ['config_store', 'logs_store', 'vector_store', 'governance', 'encryption_key'] },
  { tool: 'Portkey', fields: ['strategy', 'virtual_key'] },
];

/** Whose config has such fields; null: nobody's that is known. */
export const otherTool = (fields: object): string | null =>
  TOOLS.find((one) => one.fields.some((field) => Object.hasOwn(fields, field)))?.tool ?? null;
