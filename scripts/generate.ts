// Writes what is derived from the code, so that nothing is listed twice: `bun scripts/generate.ts`.
// With `--check` it writes nothing and fails when a file is not what the code says.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { commandsDoc } from '../src/cli/commands-doc.ts';
import { configurationDoc, exampleYaml } from '../src/config/reference.ts';
import { configJsonSchema } from '../src/config/schema.ts';
import { providers } from '../src/providers/index.ts';
import type { Provider } from '../src/providers/provider.ts';

const root = dirname(import.meta.dir);

const TABLE_START = '<!-- providers: written by `npm run generate` -->';
const TABLE_END = '<!-- /providers -->';

await main();

async function main(): Promise<void> {
  const isCheck = Bun.argv.includes('--check');
  const stale: string[] = [];
  for (const [path, text] of await files()) {
    if ((await readText(path)) === text) continue;
    stale.push(path);
    if (isCheck) continue;
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  if (isCheck && stale.length > 0) {
    process.stderr.write(`error: not what the code says: ${stale.join(', ')}\nhint: npm run generate\n`);
    process.exit(1);
  }
  process.stdout.write(stale.length === 0 ? 'generated files are fresh\n' : `wrote ${stale.join(', ')}\n`);
}

async function files(): Promise<readonly (readonly [path: string, text: string])[]> {
  return [
    ['rotator.example.yaml', exampleYaml()],
    ['rotator.schema.json', `${JSON.stringify(configJsonSchema(), null, 2)}\n`],
    ['docs/configuration.md', configurationDoc()],
    ['docs/commands.md', commandsDoc()],
    ['README.md', withProviderTable(await readText('README.md'))],
  ];
}

function withProviderTable(readme: string): string {
  const start = readme.indexOf(TABLE_START);
  const end = readme.indexOf(TABLE_END);
  if (start < 0 || end < start) throw new Error(`README.md has lost the marks ${TABLE_START} and ${TABLE_END}`);
  return `${readme.slice(0, start)}${TABLE_START}\n${providerTable()}\n${readme.slice(end)}`;
}

function providerTable(): string {
  const rows = providers.map((provider) => `| ${cells(provider).join(' | ')} |`);
  return ['| provider | is | key from the environment | also called |', '|---|---|---|---|', ...rows].join('\n');
}

function cells(provider: Provider): readonly string[] {
  const title = provider.keyUrl ? `[${provider.title}](${provider.keyUrl})` : provider.title;
  const names = provider.keyEnv.map((name) => `\`${name}\``).join(', ');
  const key = provider.key === 'optional' ? `${names || '–'} (optional)` : names;
  return [`\`${provider.id}\``, title, key, (provider.names ?? []).map((name) => `\`${name}\``).join(', ')];
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(join(root, path), 'utf8');
  } catch {
    return '';
  }
}
