/**
 * Which model a vendor's name means, whoever serves it: `meta-llama/llama-3.3-70b-instruct` at one is
 * `llama-3.3-70b-versatile` at another. A name is compared only together with who made the model; one whose maker is
 * not known is the same as nothing else. Size, `instruct`, `mini`, `preview`, `distill` and an edition such as `0324` are
 * parts of a name: models that differ in one of them are different models.
 */

export type ModelIdentity = {
  readonly publisher: string;
  /** The name's words and numbers, joined by `-`. */
  readonly name: string;
  /** Day of a dated snapshot as eight digits; null: the name has none, and means whichever its vendor serves today. */
  readonly date: string | null;
};

/** Who made which models, for names that do not say it; read from packaged data. */
export type PublisherTable = {
  /** The publisher of a name in the form of `ModelIdentity.name`; null: nobody's, or that of several. */
  publisherOf(name: string): string | null;
};

/** Null: nobody here knows which model that is. Pure, and cheap enough for a list of hundreds. */
export function modelIdentity(provider: string, model: string, table: PublisherTable): ModelIdentity | null {
  const vendor = vendorId(provider);
  const own = SPELLINGS[vendor]?.[model.trim().toLowerCase()];
  if (own !== undefined) return identityOf(own, vendor, table);
  return identityOf(withoutServing(vendor, model.trim().toLowerCase()), vendor, table);
}

/** A snapshot is its undated name's equal, but not another snapshot's. */
export function isSameModel(a: ModelIdentity, b: ModelIdentity): boolean {
  return a.publisher === b.publisher && a.name === b.name && (a.date === null || b.date === null || a.date === b.date);
}

export const identityKey = ({ publisher, name }: ModelIdentity): string => `${publisher}/${name}`;

function identityOf(name: string, vendor: string, table: PublisherTable): ModelIdentity | null {
  const parts = name.split('/');
  const last = parts.at(-1) ?? '';
  // Which model that is changes from time to time, at each vendor when it likes.
  if (/^\D+-latest$/.test(last)) return null;
  const { words, date } = read(last);
  if (words === '' || MOVING.has(words)) return null;
  const prefix = parts.length > 1 ? parts.at(-2) : undefined;
  const publisher = prefix === undefined ? bareNamePublisher(words, vendor, table) : publisherId(prefix);
  if (publisher === null) return null;
  const known = ANOTHER_NAME[`${publisher}/${words}`];
  return { publisher, name: known ?? words, date };
}

/** What a vendor sells of its own needs no maker's name; what it hosts may be known by the name alone. */
function bareNamePublisher(words: string, vendor: string, table: PublisherTable): string | null {
  const home = HOMES[vendor];
  const found = table.publisherOf(ANOTHER_BARE_NAME[words] ?? words);
  return found ?? home ?? null;
}

/** Names for whatever their vendor serves now; elsewhere they stand still. */
const MOVING: ReadonlySet<string> = new Set(['deepseek-chat', 'deepseek-reasoner', 'deepseek-flash']);

const DATE = /[-@](20\d\d)-?(\d\d)-?(\d\d)$/;

/** `llama-3.3-70B_Instruct` and `Llama3-3-70b-instruct` are the same words. */
function read(name: string): { readonly words: string; readonly date: string | null } {
  const dated = DATE.exec(name);
  const bare = (dated ? name.slice(0, dated.index) : name).replace(/-latest$/, '');
  const words = bare.match(/[a-z]+|\d+|[^a-z\d\s._/-]+/g) ?? [];
  return { words: words.join('-'), date: dated ? dated.slice(1).join('') : null };
}

export function nameWords(name: string): string {
  return read(name.trim().toLowerCase()).words;
}

const vendorId = (provider: string) => provider.trim().toLowerCase().replaceAll('-', '_');

/** Who is meant by what stands before the slash. */
export function publisherId(prefix: string): string {
  const id = prefix.toLowerCase();
  return PUBLISHERS[id] ?? id;
}

/** One maker, several ways to write it. */
const PUBLISHERS: Readonly<Record<string, string>> = {
  'meta-llama': 'meta',
  llama: 'meta',
  'deepseek-ai': 'deepseek',
  mistralai: 'mistral',
  'zai-org': 'zai',
  'z-ai': 'zai',
  zhipuai: 'zai',
  thudm: 'zai',
  moonshot: 'moonshotai',
  'moonshot-ai': 'moonshotai',
  kimi: 'moonshotai',
  minimaxai: 'minimax',
  'x-ai': 'xai',
  'stepfun-ai': 'stepfun',
  xiaomimimo: 'xiaomi',
  alibaba: 'qwen',
  gemini: 'google',
  'bytedance-seed': 'bytedance',
  cohereforai: 'cohere',
  coherelabs: 'cohere',
  'ibm-granite': 'ibm',
};

/** Vendors whose names without a maker are their own models'. */
const HOMES: Readonly<Record<string, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  gemini: 'google',
  gemini_cli: 'google',
  mistral: 'mistral',
  cohere: 'cohere',
  deepseek: 'deepseek',
  moonshot: 'moonshotai',
  moonshotai: 'moonshotai',
  qwen_code: 'qwen',
  xai: 'xai',
  zai: 'zai',
  minimax: 'minimax',
  perplexity: 'perplexity',
};

/** What vendors add to say how they serve a model, not which. Elsewhere the same letters can be a model's own. */
const SERVING: Readonly<Record<string, RegExp>> = {
  openrouter: /:(?:free|nitro|floor|exacto)$/,
  chutes: /-tee$/,
  together: /-(?:turbo|tput|fp8)$/,
  togetherai: /-(?:turbo|tput|fp8)$/,
  deepinfra: /-turbo$/,
  novita: /-fp8$/,
  novita_ai: /-fp8$/,
  huggingface: /:[a-z\d-]+$/,
};

function withoutServing(vendor: string, model: string): string {
  const name = model.replace(/^models\//, '');
  // `deepseek-v4p1` at Fireworks: a point cannot stand in its names.
  if (vendor === 'fireworks' || vendor === 'fireworks_ai') {
    return name.replace(/^accounts\/fireworks\/models\//, '').replace(/(?<=\d)p(?=\d)/g, '.');
  }
  const serving = SERVING[vendor];
  return serving ? name.replace(serving, '') : name;
}

/** Vendor → its own word for a model → the maker's. */
const SPELLINGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  groq: {
    'llama-3.3-70b-versatile': 'meta/llama-3.3-70b-instruct',
    'llama-3.1-8b-instant': 'meta/llama-3.1-8b-instruct',
    'llama-3.1-70b-versatile': 'meta/llama-3.1-70b-instruct',
    'llama3-70b-8192': 'meta/llama-3-70b-instruct',
    'llama3-8b-8192': 'meta/llama-3-8b-instruct',
    'gemma2-9b-it': 'google/gemma-2-9b-it',
    'mixtral-8x7b-32768': 'mistral/mixtral-8x7b-instruct',
  },
  cerebras: {
    'llama3.1-8b': 'meta/llama-3.1-8b-instruct',
    'llama-3.3-70b': 'meta/llama-3.3-70b-instruct',
    'llama-4-scout-17b-16e-instruct': 'meta/llama-4-scout-17b-16e-instruct',
    'qwen-3-32b': 'qwen/qwen3-32b',
  },
  mistral: {
    'open-mixtral-8x7b': 'mistral/mixtral-8x7b-instruct',
    'open-mixtral-8x22b': 'mistral/mixtral-8x22b-instruct',
    'open-mistral-nemo': 'mistral/mistral-nemo',
    'open-mistral-7b': 'mistral/mistral-7b-instruct',
    'zai-glm-5-2': 'zai/glm-5.2',
    'zai-glm-5-3': 'zai/glm-5.3',
  },
  // Only what chats is behind its door, so that it leaves `instruct` out.
  g4f: {
    'llama-3.3-70b': 'meta/llama-3.3-70b-instruct',
    'llama-3.1-8b': 'meta/llama-3.1-8b-instruct',
    'llama-3.1-70b': 'meta/llama-3.1-70b-instruct',
    'llama-3.1-405b': 'meta/llama-3.1-405b-instruct',
    'qwen-3-32b': 'qwen/qwen3-32b',
    'mixtral-8x7b': 'mistral/mixtral-8x7b-instruct',
  },
  iflow: {
    'qwen3-235b-a22b-instruct': 'qwen/qwen3-235b-a22b-instruct-2507',
  },
};

/** In `words`: one model under two names of its maker. */
const ANOTHER_NAME: Readonly<Record<string, string>> = {
  'meta/llama-4-maverick': 'llama-4-maverick-17-b-128-e-instruct',
  'meta/llama-4-scout': 'llama-4-scout-17-b-16-e-instruct',
  'meta/llama-4-maverick-17-b-128-e-instruct-fp-8': 'llama-4-maverick-17-b-128-e-instruct',
  'meta/meta-llama-3-1-8-b-instruct': 'llama-3-1-8-b-instruct',
  'meta/meta-llama-3-1-70-b-instruct': 'llama-3-1-70-b-instruct',
  'meta/meta-llama-3-1-405-b-instruct': 'llama-3-1-405-b-instruct',
  'meta/meta-llama-3-8-b-instruct': 'llama-3-8-b-instruct',
  'meta/meta-llama-3-70-b-instruct': 'llama-3-70-b-instruct',
  'qwen/qwen-3-235-b-a-22-b-2507': 'qwen-3-235-b-a-22-b-instruct-2507',
  'mistral/mistral-nemo-instruct-2407': 'mistral-nemo',
  'mistral/mistral-7-b-instruct-v-0-3': 'mistral-7-b-instruct',
  'mistral/mistral-large-3-675-b-instruct-2512': 'mistral-large-2512',
  'mistral/mistral-small-4-119-b-2603': 'mistral-small-2603',
  'mistral/mistral-small-3-2-24-b-instruct': 'mistral-small-2506',
  'mistral/mistral-medium-3-1': 'mistral-medium-2508',
  'mistral/mistral-medium-3': 'mistral-medium-2505',
  'mistral/mistral-medium-3-instruct': 'mistral-medium-2505',
  'moonshotai/kimi-k-2-instruct-0905': 'kimi-k-2-0905',
  'moonshotai/kimi-k-2-instruct': 'kimi-k-2',
  'nvidia/nvidia-nemotron-nano-9-b-v-2': 'nemotron-nano-9-b-v-2',
  'nvidia/nvidia-nemotron-3-ultra-550-b-a-55-b': 'nemotron-3-ultra-550-b-a-55-b',
};

const ANOTHER_BARE_NAME: Readonly<Record<string, string>> = {
  'meta-llama-3-1-8-b-instruct': 'llama-3-1-8-b-instruct',
  'meta-llama-3-1-70-b-instruct': 'llama-3-1-70-b-instruct',
};
