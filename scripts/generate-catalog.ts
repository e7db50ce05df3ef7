// Writes src/providers/packaged-vendors.json: vendors that speak a protocol that is known here and need nothing special.
// Run when the package named here has a newer version: `bun scripts/generate-catalog.ts`, then `npm run generate`. It asks
// the npm registry for that package, and nobody else.
//
//   bun scripts/generate-catalog.ts                      the version below
//   bun scripts/generate-catalog.ts --version 1.72.0
//   bun scripts/generate-catalog.ts --tarball FILE       a tarball of that version that is there already
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, readPackage } from './npm-package.ts';

const PACKAGE = '@mastra/core';
const VERSION = '1.71.0';
const REGISTRY = 'package/dist/provider-registry.json';
const OUT = join(import.meta.dir, '..', 'src', 'providers', 'packaged-vendors.json');

/** What a vendor's own SDK is for, and thereby what its URL speaks. Absent: OpenAI chat, which the data calls the rule. */
const SPOKEN: Readonly<Record<string, 'openai-chat' | 'openai-responses' | 'anthropic-messages'>> = {
  '@ai-sdk/openai': 'openai-responses',
  '@ai-sdk/anthropic': 'anthropic-messages',
  '@ai-sdk/deepinfra': 'openai-chat',
  '@ai-sdk/perplexity': 'openai-chat',
  '@ai-sdk/togetherai': 'openai-chat',
  '@ai-sdk/xai': 'openai-chat',
  '@openrouter/ai-sdk-provider': 'openai-chat',
};

/** Vendors whose URL the data leaves to their SDK, from the vendors' own documentation. */
const URLS: Readonly<Record<string, string>> = {
  deepinfra: 'https://api.deepinfra.com/v1/openai',
  perplexity: 'https://api.perplexity.ai',
  togetherai: 'https://api.together.xyz/v1',
  vercel: 'https://ai-gateway.vercel.sh/v1',
  xai: 'https://api.x.ai/v1',
};

type Entry = {
  readonly name: string;
  readonly url?: string;
  readonly apiKeyEnvVar: string | readonly string[];
  readonly docUrl?: string;
  readonly npm?: string;
};

await readPackage({ name: PACKAGE, version: VERSION, only: REGISTRY }, write);

async function write(directory: string, version: string): Promise<void> {
  const { providers }: { providers: Record<string, Entry> } = JSON.parse(
    await readFile(join(directory, REGISTRY), 'utf8'),
  );
  const rows = Object.keys(providers)
    .sort()
    .flatMap((id) => {
      const entry = providers[id];
      const row = entry && rowOf(id, entry);
      return row ? [`${JSON.stringify(id)}:${JSON.stringify(row)}`] : [];
    });
  if (rows.length < 150)
    fail(`only ${rows.length} vendors were found; the package's file has another shape than this one reads`);
  const source = JSON.stringify({ name: PACKAGE, version, license: 'Apache-2.0' });
  await writeFile(OUT, `{"source":${source},\n"vendors":{\n${rows.join(',\n')}\n}}\n`);
  process.stdout.write(`wrote ${rows.length} of ${Object.keys(providers).length} vendors\n`);
}

/** `[title, base URL, environment names of the key, documentation, protocol]`, the last only where it is not OpenAI chat. */
function rowOf(id: string, { name, url, apiKeyEnvVar, docUrl, npm }: Entry): readonly unknown[] | null {
  const protocol = npm === undefined ? 'openai-chat' : SPOKEN[npm];
  const base = (url ?? URLS[id])?.replace(/\/(?:chat\/completions)?$/, '');
  const names = [apiKeyEnvVar].flat().filter((env) => /^[A-Z0-9_]+$/.test(env));
  if (!protocol || !base || names.length === 0) return null;
  const row = [name, base.replace(/\/$/, ''), names, docUrl ?? ''];
  return protocol === 'openai-chat' ? row : [...row, protocol];
}
