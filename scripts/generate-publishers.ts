// Writes src/models/packaged-publishers.json: who made which model, for vendors whose names of models do not say it. Run
// when the package named here has a newer version: `bun scripts/generate-publishers.ts`. It asks the npm registry for that
// package, and nobody else.
//
//   bun scripts/generate-publishers.ts                      the version below
//   bun scripts/generate-publishers.ts --version 1.72.0
//   bun scripts/generate-publishers.ts --tarball FILE       a tarball of that version that is there already
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { modelIdentity, nameWords, publisherId } from '../src/models/model-identity.ts';
import { fail, readPackage } from './npm-package.ts';

const PACKAGE = '@mastra/core';
const VERSION = '1.71.0';
const REGISTRY = 'package/dist/provider-registry.json';
const OUT = join(import.meta.dir, '..', 'src', 'models', 'packaged-publishers.json');
/** A maker that fewer vendors name is a vendor's own label, or somebody's copy of another one's model. */
const LEAST_VENDORS = 4;
/** What a maker lists at its own vendor counts as much as so many others, for it resells a few of others, too. */
const HOME_VOTES = 3;
const LEAST_SHARE = 2 / 3;

/** Makers by their own vendor in the data: their names there need no prefix. */
const HOMES: Readonly<Record<string, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  google: 'google',
  mistral: 'mistral',
  cohere: 'cohere',
  deepseek: 'deepseek',
  moonshotai: 'moonshotai',
  xai: 'xai',
  zai: 'zai',
  minimax: 'minimax',
  alibaba: 'qwen',
};

type Registry = { readonly providers: Readonly<Record<string, { readonly models: readonly string[] }>> };

await readPackage({ name: PACKAGE, version: VERSION, only: REGISTRY }, write);

async function write(directory: string, version: string): Promise<void> {
  const registry: Registry = JSON.parse(await readFile(join(directory, REGISTRY), 'utf8'));
  const publishers = publishersOf(registry);
  const count = Object.values(publishers).reduce((sum, names) => sum + names.length, 0);
  if (count < 300) fail(`only ${count} models were found; the package's file has another shape than this one reads`);
  await writeFile(OUT, text(version, publishers));
  process.stdout.write(`wrote ${count} models of ${Object.keys(publishers).length} publishers\n`);
}

/**
 * Publisher → names of its models. A name that several publishers claim is the one's whom most vendors name; where they
 * do not agree it is left out, for it would say nothing.
 */
function publishersOf({ providers }: Registry): Record<string, string[]> {
  const vendorsOf = new Map<string, Set<string>>();
  const claims = new Map<string, Map<string, number>>();
  const claim = (name: string, publisher: string, votes: number) => {
    const claimants = claims.get(name) ?? new Map<string, number>();
    claims.set(name, claimants.set(publisher, (claimants.get(publisher) ?? 0) + votes));
  };
  const nobody = { publisherOf: () => null };
  for (const [vendor, { models }] of Object.entries(providers)) {
    for (const model of models) {
      const prefix = model.includes('/') ? model.split('/').at(-2) : undefined;
      if (prefix === undefined) {
        const home = HOMES[vendor];
        if (home !== undefined) claim(nameWords(model), home, HOME_VOTES);
        continue;
      }
      const identity = modelIdentity(vendor, model, nobody);
      if (!identity) continue;
      const publisher = publisherId(prefix);
      vendorsOf.set(publisher, (vendorsOf.get(publisher) ?? new Set()).add(vendor));
      claim(identity.name, publisher, 1);
    }
  }
  const homes = new Set(Object.values(HOMES));
  const isMaker = (publisher: string) => homes.has(publisher) || (vendorsOf.get(publisher)?.size ?? 0) >= LEAST_VENDORS;
  const result: Record<string, string[]> = {};
  for (const [name, claimants] of [...claims].sort(([a], [b]) => (a < b ? -1 : 1))) {
    // A mark such as `:free` says how one vendor serves it; a word alone (`chat`) is no model.
    if (!/^[a-z\d]+(?:-[a-z\d]+)+$/.test(name)) continue;
    const makers = [...claimants].filter(([publisher]) => isMaker(publisher)).sort(([, a], [, b]) => b - a);
    const votes = makers.reduce((sum, [, own]) => sum + own, 0);
    const [best] = makers;
    if (best === undefined || best[1] < votes * LEAST_SHARE) continue;
    const names = result[best[0]] ?? [];
    names.push(name);
    result[best[0]] = names;
  }
  return Object.fromEntries(Object.entries(result).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** One line per publisher and model, so that a newer version shows as what it changes. */
function text(version: string, publishers: Record<string, string[]>): string {
  const source = { name: PACKAGE, version, license: 'Apache-2.0', data: 'https://models.dev (MIT)' };
  return `${JSON.stringify({ source, publishers }, null, 2)}\n`;
}
