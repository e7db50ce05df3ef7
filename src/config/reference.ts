/** The example file and the reference page, made from the schema so that they cannot say anything else than it does. */
import * as z from 'zod';
import { stringify } from 'yaml';
import {
  aliasSchema,
  capSchema,
  clientKeySchema,
  configSchema,
  longKey,
  providerSchema,
  requestRuleSchema,
} from './schema.ts';
import { type Schema, type Shape, shapeOf } from './shape.ts';
import { ownEntries } from '../providers/index.ts';
import { type VendorField, vendorFields } from '../providers/vendor-settings.ts';

export { configJsonSchema } from './schema.ts';

/** The first line of a config: editors that know it complete and check the fields. */
export const schemaLine = (schemaAt: string): string => `# yaml-language-server: $schema=${schemaAt}`;

const WIDTH = 116;

/** An entry of the example file: prose above one line of YAML, with entries below it. */
type Entry = {
  readonly prose: readonly string[];
  readonly yaml: string;
  /** False: commented out. An entry whose children are all commented out is, too. */
  readonly isLive: boolean;
  readonly children: readonly Entry[];
};

/** The whole of `rotator.example.yaml`. It loads as it is and gives the defaults and one provider. */
export function exampleYaml(schemaAt = 'rotator.schema.json'): string {
  const head = [
    schemaLine(schemaAt),
    '# `rotator config schema > rotator.schema.json` makes that file, for completion and checks in an editor.',
    '#',
    '# Every field of rotator.yaml with its default; lines that begin with # and no space are examples of fields that',
    '# have none. The smallest useful file is a provider with a key. Durations: 500ms 30s 5m 2h 1d. Counts: 200k is',
    '# 200,000. Sizes: 64kb 32mb (1024). ${NAME} and ${NAME:-default} are taken from the environment; inside [ ] and',
    '# { } they must be quoted; $${ is a literal ${.',
  ];
  const entries = Object.entries(fieldsOf(configSchema)).map(([name, schema]) =>
    name === 'providers' ? providersEntry(schema) : entryOf(name, schema),
  );
  return `${[...head, ...entries.flatMap((entry) => ['', ...lines(entry, 0, null)])].join('\n')}\n`;
}

function entryOf(name: string, schema: Schema): Entry {
  const { description, standard, example } = notesOf(schema);
  const prose = description ? [description] : [];
  const shape = shapeOf(schema);
  if (example === undefined && shape.kind === 'fields') {
    const children = Object.entries(shape.fields).map(([child, inner]) => entryOf(child, inner));
    return { prose, yaml: `${name}:`, isLive: children.some(({ isLive }) => isLive), children };
  }
  const hasValue = standard !== undefined && standard !== null && !isEmpty(standard);
  return { prose, yaml: `${name}: ${flow(hasValue ? standard : example)}`, isLive: hasValue, children: [] };
}

function providersEntry(schema: Schema): Entry {
  const isVendors = (name: string) => vendorFields.some((field) => field === name);
  const common = Object.entries(fieldsOf(providerSchema)).filter(([name]) => !isVendors(name));
  const gemini = common.map(([name, inner]): Entry => {
    if (name !== 'keys') return entryOf(name, inner);
    const { description } = notesOf(inner);
    const short: Entry = { prose: ['Short form:'], yaml: '- ${GEMINI_API_KEY}', isLive: true, children: [] };
    return {
      prose: description ? [description] : [],
      yaml: 'keys:',
      isLive: true,
      children: [short, ...itemEntries(longKey, 'Long form:')],
    };
  });
  const own: Entry = {
    prose: ['A server of your own:'],
    yaml: 'my-vllm:',
    isLive: false,
    children: ['base_url: http://127.0.0.1:8001/v1', 'protocol: openai-chat', 'keys: none'].map((yaml) => ({
      prose: [],
      yaml,
      isLive: false,
      children: [],
    })),
  };
  const vendors = ownEntries
    .filter((provider) => provider.fields)
    .map((provider) => vendorEntry(provider.id, `${provider.title}:`, provider.fields ?? []));
  const { description } = notesOf(schema);
  return {
    prose: description ? [description] : [],
    yaml: 'providers:',
    isLive: true,
    children: [
      { prose: [], yaml: 'gemini:', isLive: true, children: gemini },
      own,
      ...vendors,
      vendorEntry('cloudflare_workers_ai', 'A vendor whose URL holds an account of yours:', ['url_variables']),
    ],
  };
}

function vendorEntry(id: string, title: string, names: readonly VendorField[]): Entry {
  const commented = (entry: Entry): Entry => ({ ...entry, isLive: false, children: entry.children.map(commented) });
  const fields = fieldsOf(providerSchema);
  return {
    prose: [title],
    yaml: `${id}:`,
    isLive: false,
    children: names.flatMap((name) => (fields[name] ? [commented(entryOf(name, fields[name]))] : [])),
  };
}

/** One commented-out item of a list of mappings. */
function itemEntries(schema: Schema, title: string): Entry[] {
  return Object.entries(fieldsOf(schema)).map(([name, inner], i): Entry => {
    const { description, standard, example } = notesOf(inner);
    const value = standard === undefined || standard === null || isEmpty(standard) ? example : standard;
    const prose = [i === 0 ? title : '', description ?? ''].filter((text) => text !== '');
    return { prose, yaml: `${i === 0 ? '- ' : '  '}${name}: ${flow(value)}`, isLive: false, children: [] };
  });
}

/** `commentedFrom`: the depth at which an enclosing entry is commented out; its `#` stands there for all below. */
function lines(entry: Entry, depth: number, commentedFrom: number | null): string[] {
  const from = commentedFrom ?? (entry.isLive ? null : depth);
  const indent = '  '.repeat(from ?? depth);
  const prose = entry.prose.flatMap((text) => wrap(text, WIDTH - indent.length)).map((text) => `${indent}# ${text}`);
  const yaml = from === null ? indent + entry.yaml : `${indent}#${'  '.repeat(depth - from)}${entry.yaml}`;
  return [...prose, yaml, ...entry.children.flatMap((child) => lines(child, depth + 1, from))];
}

/** The whole of `docs/configuration.md`. */
export function configurationDoc(): string {
  const sections = Object.entries(fieldsOf(configSchema)).flatMap(([name, schema]): string[] => {
    if (name === 'providers') return providersDoc(schema);
    const item = ITEMS[name];
    if (item) {
      const { description, example } = notesOf(schema);
      return ['', `## ${name}`, '', `${description ?? ''} Example: \`${flow(example)}\`.`, '', ...table(item, '')];
    }
    if (shapeOf(schema).kind !== 'fields') return [];
    const { description } = notesOf(schema);
    const below = name === 'server' ? ['', '### server.client_keys[]', '', ...table(clientKeySchema, '')] : [];
    return ['', `## ${name}`, '', description ?? '', '', ...table(schema, ''), ...below];
  });
  const single = Object.entries(fieldsOf(configSchema)).filter(([, schema]) => shapeOf(schema).kind === 'leaf');
  const rest = ['', '## Other fields', '', ...tableHead, ...single.map(([name, schema]) => row(name, schema))];
  return `${[...INTRODUCTION, ...sections, ...rest].join('\n')}\n`;
}

/** Lists and mappings of names at the top, by what stands in them. */
const ITEMS: Readonly<Record<string, Schema>> = { aliases: aliasSchema, requests: requestRuleSchema };

const INTRODUCTION = [
  '# Configuration',
  '',
  'This page is made from the program (`npm run generate`); do not edit it. `rotator.example.yaml` shows every field in place, `rotator config check` lists every problem of a file, `rotator config show` prints what holds, and `rotator config schema` prints a JSON Schema for editors.',
  '',
  '## The file',
  '',
  'No file is needed: without one the defaults hold and keys are taken from the environment. The config is the first that exists of `--config FILE`, `$ROTATOR_CONFIG`, `./rotator.yaml`, `$XDG_CONFIG_HOME/rotator/rotator.yaml` (`~/.config/rotator/rotator.yaml`, on Windows `%APPDATA%\\rotator\\rotator.yaml`). The smallest useful file is',
  '',
  '```yaml',
  'providers:',
  '  gemini: { keys: ["${GEMINI_API_KEY}"] }',
  '```',
  '',
  '- Durations: `500ms 30s 5m 2h 1d`. Counts: `200k` is 200,000, `2m` is 2,000,000. Sizes: `64kb 32mb`, in steps of 1024.',
  '- `${NAME}` and `${NAME:-default}` in a value are taken from the environment, once, after the file is parsed; the value then takes the type of its field. An empty variable counts as not set. Only `${` is special; `$${` is a literal `${`. Inside `[ ]` and `{ }` a reference must be quoted.',
  '- A variable that is not set inside `keys:` skips that key with a warning; anywhere else it is an error.',
  '- Text fields take the value as it is written: a key such as `0123456` needs no quotes to keep its zero.',
  '- An unknown or repeated field, a wrong type and a bad value are errors; all of them are listed at once, with file, line and column.',
  '- A change of the file is applied without a restart, but for `server.host`, `server.port` and `storage`. A server whose file is deleted or broken goes on with what it had.',
  '- A `./rotator.yaml` that was found and not named may be somebody else’s: in it a `base_url` or `proxy` that is not loopback, together with a key from the environment, is refused. `--config ./rotator.yaml` says that it is yours.',
  '',
  '## The environment',
  '',
  'A flag goes before a variable, a variable before the file. An empty variable counts as not set. A `.env` is never read.',
  '',
  '| variable | meaning |',
  '|---|---|',
  '| `ROTATOR_CONFIG` | the config file, as `--config` |',
  '| `ROTATOR_STATE` | the state directory, as `--state` |',
  '| `ROTATOR_HOST`, `ROTATOR_PORT` | where `serve` listens, as `--host` and `--port` |',
  '| `ROTATOR_LOG_LEVEL` | `logging.level` |',
  '| `ROTATOR_CLIENT_KEY` | a client key, accepted beside those of the file; `chat` and `setup` send it |',
  '| `ROTATOR_ADMIN_TOKEN` | the admin token, instead of the one in `<state>/admin-token` |',
  '| `ROTATOR_URL` | of a server elsewhere, as `--url` of `status` and `setup` |',
  '| `ROTATOR_DEBUG=1` | errors of commands with a stack trace |',
  '| `NO_COLOR` | no colours, as `--no-color` |',
  '| `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` | the way out to providers, where the config names no proxy; loopback addresses never go through one |',
  '| `GROQ_API_KEY`, `GROQ_API_KEY_1`, … | keys of providers, by `discover_env`; the names are in [providers.md](providers.md) |',
];

function providersDoc(schema: Schema): string[] {
  const { description } = notesOf(schema);
  return [
    '',
    '## providers',
    '',
    description ?? '',
    '',
    ...table(providerSchema, ''),
    '',
    '### providers.X.keys[]',
    '',
    ...table(longKey, ''),
    '',
    '### providers.X.caps[]',
    '',
    ...table(capSchema, ''),
  ];
}

const tableHead = ['| field | value | default | meaning |', '|---|---|---|---|'];

function table(schema: Schema, prefix: string): string[] {
  return [...tableHead, ...rows(schema, prefix)];
}

function rows(schema: Schema, prefix: string): string[] {
  return Object.entries(fieldsOf(schema)).flatMap(([name, field]) => {
    const shape = shapeOf(field);
    if (shape.kind === 'fields') return rows(field, `${prefix}${name}.`);
    const isOfFields = shape.kind === 'record' && shapeOf(shape.value).kind === 'fields';
    return [row(prefix + name, field), ...(isOfFields ? rows(shape.value, `${prefix}${name}.X.`) : [])];
  });
}

function row(name: string, schema: Schema): string {
  const { description, standard, example } = notesOf(schema);
  const shown =
    standard === undefined || standard === null ? (example === undefined ? '' : '–') : `\`${flow(standard)}\``;
  const hasExample = example !== undefined && (standard === undefined || standard === null || isEmpty(standard));
  const meaning = `${description ?? ''}${hasExample ? ` Example: \`${flow(example)}\`.` : ''}`;
  return `| ${[`\`${name}\``, kindOf(shapeOf(schema)), shown, meaning].map(cell).join(' | ')} |`;
}

/** What a value looks like, in words: `duration`, `list of text`. */
export function kindOf(shape: Shape): string {
  switch (shape.kind) {
    case 'leaf':
      return shape.info.kind;
    case 'list':
      return `list of ${kindOf(shapeOf(shape.item))}`;
    case 'record':
      return `name: ${kindOf(shapeOf(shape.value))}`;
    case 'fields':
      return 'mapping';
    case 'either':
      return [...new Set(shape.options.map(kindOf))].join(' or ');
  }
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

type Notes = { readonly description: string | undefined; readonly standard: unknown; readonly example: unknown };

/** What the schema says of a field beside its form. */
export function notesOf(schema: Schema): Notes {
  const { description, default: standard, examples } = z.globalRegistry.get(schema) ?? {};
  return { description, standard, example: Array.isArray(examples) ? examples[0] : undefined };
}

function fieldsOf(schema: Schema): Readonly<Record<string, Schema>> {
  const shape = shapeOf(schema);
  return shape.kind === 'fields' ? shape.fields : {};
}

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

/** A value in one line. A reference stands alone unquoted, and quoted inside brackets. */
export function flow(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: true }).trim();
}

function wrap(text: string, width: number): string[] {
  const out: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width - 2) {
      out.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? out : [...out, line];
}
