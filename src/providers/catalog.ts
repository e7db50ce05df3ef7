import { compatible } from './compatible.ts';
import { openAiEmbeddings } from './embeddings.ts';
import { ENDPOINT_PATHS } from './endpoints.ts';
import { readCommonModels } from './model-list.ts';
import packaged from './packaged-vendors.json' with { type: 'json' };
import { normalizeProviderId } from './provider-id.ts';
import type { Provider } from './provider.ts';
import { withUrlVariables } from './url-variables.ts';

/**
 * The long tail: vendors of a maintained data package that need nothing but a base URL and a key, as
 * `scripts/generate-catalog.ts` found them. None has a tier; a vendor with an entry of its own does not come from here.
 */

type Row = {
  readonly id: string;
  readonly title: string;
  readonly baseUrl: string;
  readonly keyEnv: readonly string[];
  readonly docUrl: string;
  readonly protocol: 'openai-chat' | 'openai-responses' | 'anthropic-messages';
};

/** What the package calls a vendor → what it is called here, where that differs in more than a `-`; and its further names. */
const NAMES: Readonly<Record<string, { readonly id?: string; readonly names: readonly string[] }>> = {
  'cloudflare-workers-ai': { names: ['cloudflare'] },
  'fireworks-ai': { id: 'fireworks', names: ['fireworks_ai'] },
  friendli: { names: ['friendliai'] },
  inception: { names: ['inception_labs'] },
  llama: { names: ['meta_llama'] },
  'nano-gpt': { names: ['nanogpt'] },
  'novita-ai': { id: 'novita', names: ['novita_ai'] },
  'snowflake-cortex': { names: ['snowflake'] },
  togetherai: { id: 'together', names: ['together_ai', 'togetherai'] },
  vercel: { names: ['vercel_ai_gateway'] },
  'wafer.ai': { id: 'wafer', names: ['wafer.ai'] },
  xai: { names: ['x_ai'] },
  zai: { names: ['z_ai'] },
};

/** Known from elsewhere, and not in the package. */
const MORE: readonly Row[] = [
  chat('codestral', 'Codestral', 'https://codestral.mistral.ai/v1', 'https://console.mistral.ai/codestral'),
  chat('featherless_ai', 'Featherless', 'https://api.featherless.ai/v1', 'https://featherless.ai/docs'),
  chat('nscale', 'Nscale', 'https://inference.api.nscale.com/v1', 'https://docs.nscale.com'),
  chat('sambanova', 'SambaNova', 'https://api.sambanova.ai/v1', 'https://docs.sambanova.ai'),
];

function chat(id: string, title: string, baseUrl: string, docUrl: string): Row {
  return { id, title, baseUrl, keyEnv: [`${id.toUpperCase()}_API_KEY`], docUrl, protocol: 'openai-chat' };
}

/** Where the name of a variable is that of a family of vendors: whose key it most likely is. */
const OWNERS: Readonly<Record<string, string>> = { KIMI_API_KEY: 'kimi_code_plan_global' };

/**
 * Keys to the whole of an account, of whose many services models are one: who has set one of these means something else,
 * until the config names the vendor.
 */
const ACCOUNT_KEYS: ReadonlySet<string> = new Set([
  'CLARIFAI_PAT',
  'CLOUDFLARE_API_KEY',
  'DATABRICKS_API_KEY',
  'DATABRICKS_TOKEN',
  'DIGITALOCEAN_ACCESS_TOKEN',
  'DIGITALOCEAN_API_KEY',
  'HELICONE_API_KEY',
  'HETZNER_API_KEY',
  'INFOMANIAK_API_KEY',
  'META_API_KEY',
  'MODAL_API_KEY',
  'NEON_API_KEY',
  'OCI_API_KEY',
  'OVHCLOUD_API_KEY',
  'QINIU_API_KEY',
  'SCALEWAY_API_KEY',
  'STACKIT_API_KEY',
  'VERCEL_API_KEY',
  'VOLCENGINE_API_KEY',
  'VULTR_API_KEY',
  'WANDB_API_KEY',
]);

/** `isTaken`: names of vendors with entries of their own. */
export function packagedVendors(isTaken: (name: string) => boolean): readonly Provider[] {
  const rows = [...packagedRows(), ...MORE].filter(({ id }) => !isTaken(id));
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1)).map(vendorOf);
}

function packagedRows(): readonly Row[] {
  return Object.entries(packaged.vendors).map(([id, row]) => {
    // The file is made by a script of ours; its rows are of this form.
    const [title, baseUrl, keyEnv, docUrl, protocol = 'openai-chat'] = row as [
      ...[string, string, string[], string],
      Row['protocol']?,
    ];
    return { id: NAMES[id]?.id ?? normalizeProviderId(id), title, baseUrl, keyEnv, docUrl, protocol };
  });
}

const namesById = new Map(Object.entries(NAMES).map(([id, own]) => [own.id ?? normalizeProviderId(id), own.names]));

function vendorOf({ id, title, baseUrl, keyEnv, docUrl, protocol }: Row): Provider {
  const names = namesById.get(id);
  const isLocal = /^https?:\/\/(?:localhost|127\.0\.0\.1)[:/]/.test(baseUrl);
  const vendor = {
    id,
    title,
    baseUrl,
    // A name of its own as well: those of a family mean one of them, until the others are named in the config.
    keyEnv: [...new Set([...keyEnv, `${id.toUpperCase()}_API_KEY`])],
    key: isLocal ? 'optional' : 'required',
    tier: null,
    ...(names && { names }),
    ...(isLocal && { isLocal }),
    ...(docUrl !== '' && { docUrl }),
  } satisfies Omit<Provider, 'protocol'>;
  return withUrlVariables(
    protocol === 'openai-chat' ? compatible({ ...vendor, ...OFFERS }) : { ...others[protocol], ...vendor, protocol },
  );
}

/** The package does not say what a vendor has besides chats; what it lacks it says itself. */
const OFFERS = { embeddings: openAiEmbeddings, endpoints: ENDPOINT_PATHS } as const;

const others: Readonly<Record<Exclude<Row['protocol'], 'openai-chat'>, Pick<Provider, 'authorize' | 'readModels'>>> = {
  'openai-responses': { readModels: readCommonModels },
  'anthropic-messages': {
    authorize: (headers, key) => headers.set('x-api-key', key.reveal()),
    readModels: readCommonModels,
  },
};

/** Whose key it is while the config names none of the vendors that read the variable; undefined: nobody's. */
export function keyOwner(variable: string, vendors: readonly Provider[]): Provider | undefined {
  if (ACCOUNT_KEYS.has(variable)) return undefined;
  const all = vendors.filter(({ keyEnv }) => keyEnv.includes(variable));
  if (all.length < 2) return all[0];
  const named = all.find(({ id }) => id === OWNERS[variable]);
  // A server on this machine asks for a key only where its user has set one.
  return (
    named ?? all.filter(({ isLocal }) => !isLocal).sort((a, b) => likeness(b, variable) - likeness(a, variable))[0]
  );
}

/** How much of the variable's name is the vendor's: the vendor itself before its plans and its branches elsewhere. */
function likeness({ id }: Provider, variable: string): number {
  const stem = variable.replace(/_(?:API_)?(?:KEY|TOKEN)$/, '').toLowerCase();
  return id.startsWith(stem) || stem.startsWith(id) ? 1 / (1 + Math.abs(id.length - stem.length)) : 0;
}
