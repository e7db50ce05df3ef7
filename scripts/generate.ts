// Writes what is derived from the code, so that nothing is listed twice: `bun scripts/generate.ts`.
// With `--check` it writes nothing and fails when a file is not what the code says.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replySkips } from '../tests/conformance/reply-skips.ts';
import { requestSkips } from '../tests/conformance/request-skips.ts';
import pairCells from '../tests/integration/pairs/cells.json' with { type: 'json' };
import seedCells from '../tests/integration/seed/cells.json' with { type: 'json' };
import { commandsDoc } from '../src/cli/commands-doc.ts';
import { configurationDoc, exampleYaml } from '../src/config/reference.ts';
import { configJsonSchema } from '../src/config/schema.ts';
import type { Profile } from '../src/oauth/profile.ts';
import { profiles } from '../src/oauth/profiles/index.ts';
import { ownEntries, ownsKeyVariable, providers } from '../src/providers/index.ts';
import type { Provider } from '../src/providers/provider.ts';
import { formatDuration } from '../src/shared/duration.ts';

const root = dirname(import.meta.dir);

const tableMarks = (name: string) =>
  [`<!-- ${name}: written by \`npm run generate\` -->`, `<!-- /${name} -->`] as const;

const PROTOCOLS = {
  'openai-chat': 'OpenAI chat',
  'openai-responses': 'OpenAI Responses',
  'anthropic-messages': 'Anthropic Messages',
  gemini: 'Gemini',
} as const;

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
    ['docs/providers.md', providersDoc()],
    ['README.md', await readme()],
    [
      'docs/protocols.md',
      withTable(
        'losses',
        lossTable(requestSkips),
        withTable('answer-losses', lossTable(replySkips), await readText('docs/protocols.md')),
      ),
    ],
    ['docs/accounts.md', withTable('services', serviceTable(), await readText('docs/accounts.md'))],
  ];
}

async function readme(): Promise<string> {
  const tables = { pairs: pairTable(), providers: providerTable(), vendors: seedTable() };
  return Object.entries(tables).reduce(
    (page, [name, table]) => withTable(name, table, page),
    await readText('README.md'),
  );
}

/** The page with this table between the marks of its name. */
function withTable(name: string, table: string, page: string): string {
  const [startMark, endMark] = tableMarks(name);
  const start = page.indexOf(startMark);
  const end = page.indexOf(endMark);
  if (start < 0 || end < start) throw new Error(`a page has lost the marks ${startMark} and ${endMark}`);
  return `${page.slice(0, start)}${startMark}\n${table}\n${page.slice(end)}`;
}

/** What `tests/integration/pairs` proves of each pair. */
function pairTable(): string {
  const ids = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'] as const;
  const rows = ids.flatMap((client) =>
    ids.map((upstream) => [[PROTOCOLS[client], PROTOCOLS[upstream]], pairCells[client][upstream]] as const),
  );
  return claimTable(['client speaks', 'provider speaks'], rows);
}

/** What `tests/integration/seed-providers.test.ts` proves of each vendor. */
function seedTable(): string {
  const rows = Object.entries(seedCells).map(([id, claims]) => {
    const title = ownEntries.find((provider) => provider.id === id)?.title ?? id;
    return [[title], claims] as const;
  });
  return claimTable(['provider'], rows);
}

/** A claim that is not true is a note with its reason. */
function claimTable(
  heads: readonly string[],
  rows: readonly (readonly [names: readonly string[], claims: Readonly<Record<string, boolean | string>>])[],
): string {
  const reasons: string[] = [];
  const noted = (reason: string) => {
    if (!reasons.includes(reason)) reasons.push(reason);
    return `[${reasons.indexOf(reason) + 1}]`;
  };
  const lines = rows.map(([names, claims]) => {
    const told = Object.values(claims).map((claim) => (claim === true ? '✓' : `– ${noted(String(claim))}`));
    return `| ${[...names, ...told].join(' | ')} |`;
  });
  const titles = [...heads, ...Object.keys(rows[0]?.[1] ?? {})];
  return [
    `| ${titles.join(' | ')} |`,
    `|${titles.map(() => '---|').join('')}`,
    ...lines,
    ...reasons.map((reason, at) => `\n[${at + 1}] ${reason}`),
  ].join('\n');
}

type Losses = Readonly<Record<keyof typeof PROTOCOLS, Readonly<Record<string, { readonly reason: string }>>>>;

/** What the suite of all codecs skips, with its reasons: what is said, and what becomes of it in each protocol. */
function lossTable(losses: Losses): string {
  const ids = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'] as const;
  const aspects = [...new Set(ids.flatMap((id) => Object.keys(losses[id])))];
  const told = (skip: { readonly reason: string } | undefined) => {
    if (!skip) return '✓';
    return `${'lost' in skip ? '✗' : '≈'} ${skip.reason}`;
  };
  const rows = aspects.map((aspect) => `| ${[aspect, ...ids.map((id) => told(losses[id][aspect]))].join(' | ')} |`);
  return [
    `| what is said | ${ids.map((id) => PROTOCOLS[id]).join(' | ')} |`,
    `|---|${ids.map(() => '---|').join('')}`,
    ...rows,
  ].join('\n');
}

function providerTable(): string {
  const rows = ownEntries.map((provider) => `| ${cells(provider).join(' | ')} |`);
  return ['| provider | is | key from the environment | also called |', '|---|---|---|---|', ...rows].join('\n');
}

function providersDoc(): string {
  const tail = providers.slice(ownEntries.length);
  const rows = tail.map((provider) => `| ${tailCells(provider).join(' | ')} |`);
  return `${[
    '# More providers',
    '',
    `This page is made from the program (\`npm run generate\`); do not edit it. Beside the ${ownEntries.length} providers in the [README](../README.md#providers), these ${tail.length} can be used by writing nothing but \`keys\`: \`providers: { NAME: { keys: ["…"] } }\`, or \`rotator keys add NAME\`. Their addresses come from a maintained data package, and nobody here has called them. They take requests as they are, but for what nearly all servers other than OpenAI’s refuse (the role \`developer\`, \`max_completion_tokens\`). They have no tier: none falls back or is a fallback until the config gives it one.`,
    '',
    'A variable marked with * is taken only where the config names the vendor: it is shared by a family of vendors, and is taken for another’s of them until then, or it opens the whole of an account of which models are a part. What stands under “needs” is a part of the URL: `keys add` writes it, as the environment says it or you do when you are asked; it is given in `url_variables`, or in the environment.',
    '',
    '| provider | is | key from the environment | needs | also called |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n')}\n`;
}

function tailCells(provider: Provider): readonly string[] {
  const { id, title, docUrl, key, keyEnv, needs = [], names = [], protocol } = provider;
  const code = (text: string) => `\`${text}\``;
  const keys = keyEnv.map((name) => (ownsKeyVariable(provider, name) ? code(name) : `${code(name)} *`)).join(', ');
  const spoken = protocol === 'openai-chat' ? '' : ` (${protocol})`;
  return [
    code(id),
    `${docUrl ? `[${title}](${docUrl})` : title}${spoken}`,
    key === 'optional' ? `${keys} (optional)` : keys,
    needs.map((need) => code(need.env)).join(', '),
    names.map(code).join(', '),
  ];
}

function cells(provider: Provider): readonly string[] {
  const link = provider.keyUrl ?? provider.docUrl;
  const title = link ? `[${provider.title}](${link})` : provider.title;
  const names = provider.keyEnv.map((name) => `\`${name}\``).join(', ');
  const login = provider.accounts ? `\`rotator oauth login ${provider.id}\`` : '';
  const key = provider.key === 'optional' ? `${names || '–'} (optional)` : [names, login].filter(Boolean).join(', ');
  return [`\`${provider.id}\``, title, key, (provider.names ?? []).map((name) => `\`${name}\``).join(', ')];
}

function serviceTable(): string {
  const rows = profiles.map((profile) => `| ${serviceCells(profile).join(' | ')} |`);
  return [
    '| service | is | login by | renewed before its end | refresh token | client secret | variables | status |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function serviceCells(profile: Profile): readonly string[] {
  const ways = [profile.authorize ? 'page' : null, profile.device ? 'device code' : null].filter((way) => way !== null);
  return [
    `\`${profile.id}\``,
    profile.title,
    ways.join(' or '),
    formatDuration(profile.leadMs),
    profile.isRotating ? 'good for one use' : 'lasting',
    profile.hasClientSecret ? 'yes' : 'no',
    `\`${profile.envPrefix}_…\``,
    statusCell(profile),
  ];
}

function statusCell({ status }: Profile): string {
  switch (status.kind) {
    case 'works':
      return `works (${status.since})${status.caution === null ? '' : `: ${status.caution}`}`;
    case 'restricted':
      return `restricted since ${status.since}: ${status.reason}`;
    case 'closed':
      return `closed since ${status.since}: ${status.reason}; ${status.instead}`;
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(join(root, path), 'utf8');
  } catch {
    return '';
  }
}
