import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { KeySource, NewField } from '../../config/edit.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { isSendable } from '../../config/sendable.ts';
import { ownProtocols } from '../../config/own-protocols.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { nearest } from '../../shared/near-miss.ts';
import type { Need, Provider } from '../../providers/provider.ts';
import type { Context, Start } from '../context.ts';
import { readAll } from '../io.ts';
import { withLocalApp } from '../operations.ts';
import { positiveInteger } from '../option-values.ts';
import { findPlace, readConfig } from '../place.ts';
import { type Prompts, prompts } from '../ui/prompts.ts';
import { refuseFailed, testTable } from './keys-test.ts';

type Options = {
  readonly key?: string;
  readonly env?: string;
  readonly stdin?: true;
  readonly label?: string;
  readonly priority?: number;
  readonly baseUrl?: string;
  readonly protocol?: string;
  readonly test?: true;
};

export function defineKeysAdd(keys: Command, start: Start): void {
  keys
    .command('add')
    .description('add a key to the config file')
    .argument('[provider]', 'a known provider, or a new name together with --base-url')
    .addOption(
      new Option('--key <key>', 'the key itself (stays in the shell history)')
        .conflicts(['env', 'stdin'])
        .argParser((key: string, before: string | undefined) => {
          // The parser would take the last and say nothing of the others.
          if (before !== undefined) throw missing('--key was given twice', 'one key at a time: rotator keys add again');
          return key;
        }),
    )
    .addOption(new Option('--env <name>', 'take the key from this environment variable').conflicts('stdin'))
    .option('--stdin', 'read the key from stdin')
    .option('--label <text>', 'a name for people')
    .option('--priority <n>', '1 is used first (default: 10)', positiveInteger)
    .option('--base-url <url>', 'where the API is, with its version segment')
    .addOption(new Option('--protocol <name>', 'wire format of a server of your own').choices(ownProtocols))
    .option('--test', 'ask the provider whether it accepts the key')
    .addHelpText(
      'after',
      `
Without --key, --env or --stdin the key is asked for and not shown.

Examples:
  $ rotator keys add groq
  $ rotator keys add gemini --env GEMINI_API_KEY --label work
  $ pass show groq | rotator keys add groq --stdin --test
  $ rotator keys add my-vllm --base-url http://127.0.0.1:8001/v1 --key none`,
    )
    .action((provider: string | undefined, options: Options, command: Command) =>
      add(start(command), provider, options),
    );
}

async function add(context: Context, written: string | undefined, options: Options): Promise<void> {
  const { io, globals, output } = context;
  const [{ configPath, newConfigPath }, { addKey }] = await Promise.all([
    import('../../config/places.ts'),
    import('../../config/edit.ts'),
  ]);
  const ask = await prompts(context);
  const around = { path: globals.config, env: io.env, cwd: io.cwd };
  const found = configPath(around)?.path;
  const path = found !== undefined && existsSync(found) ? found : newConfigPath(around);
  // A file that is already wrong is told before a key is asked for or anything is changed.
  const isNew = !existsSync(path);
  const loaded = isNew ? null : (await readConfig(context))();
  const own = loaded ? await ownServers(loaded) : [];
  const target = await chooseProvider(written, options, own, ask);
  const needs = await findNeeds(context, target, loaded, ask);
  const key = await chooseKeySource(context, target, options, ask);
  const { credential, provider, backup } = await addKey(
    path,
    {
      provider: target.id,
      key,
      label: options.label ?? null,
      priority: options.priority ?? null,
      baseUrl: target.baseUrl,
      protocol: options.protocol ?? null,
      fields: needs.map(({ path: field, value }) => ({ path: field, value })),
    },
    io.env,
  );
  const id = key.kind === 'none' ? `${provider}-none` : credential;
  output.note(`${isNew ? 'created' : 'changed'} ${path}: added ${id ?? `a key of ${provider}`}`);
  for (const { path: field, from } of needs) if (from !== null) output.note(`${field.join('.')} is that of ${from}`);
  if (backup !== null) output.note(`the file was written in place; what it held before is in ${backup}`);
  if (key.kind === 'variable' && id === null) output.warn(`${key.name} is not set: the key is skipped until it is`);
  if (globals.json) await output.json({ id, provider, path, created: isNew });
  if (options.test && id !== null) await testAdded(context, id);
}

/** What the key is for. */
type Target = {
  /** A known provider's id, or the user's own name as written. */
  readonly id: string;
  readonly title: string;
  readonly baseUrl: string | null;
  /** The server may take no key at all. */
  readonly isKeyOptional: boolean;
  readonly keyUrl: string | null;
  /** What its URL needs, as far as no base URL is given. */
  readonly needs: readonly Need[];
};

/** The servers of the user's own that the config has already, as it writes them. */
async function ownServers({ config }: LoadedConfig): Promise<readonly OwnServer[]> {
  const { findProvider } = await import('../../providers/index.ts');
  return Object.entries(config.providers)
    .filter(([name]) => !findProvider(name))
    .map(([name, { keys }]) => ({ name, isKeyless: !Array.isArray(keys) }));
}

type OwnServer = { readonly name: string; readonly isKeyless: boolean };

async function chooseProvider(
  written: string | undefined,
  options: Options,
  own: readonly OwnServer[],
  ask: Prompts | null,
): Promise<Target> {
  const { findProvider, normalizeProviderId, providerNames, providers } = await import('../../providers/index.ts');
  const keyed = providers.filter(({ key }) => key !== 'account');
  const name = written ?? (await ask?.choose('Which provider?', keyed.map(choiceOf)));
  if (name === undefined) throw missing('no provider was named', 'rotator keys add PROVIDER');
  const known = findProvider(name);
  if (known?.key === 'account')
    throw new CliError(
      ExitCode.usage,
      'no_keys',
      `provider "${known.id}" takes no keys, only accounts`,
      `rotator oauth login ${known.id}`,
    );
  if (known)
    return {
      id: known.id,
      title: known.title,
      baseUrl: options.baseUrl ?? null,
      isKeyOptional: known.key === 'optional',
      keyUrl: known.keyUrl ?? known.docUrl ?? null,
      needs: options.baseUrl === undefined ? (known.needs ?? []) : [],
    };
  const id = name.toLowerCase();
  const wanted = normalizeProviderId(name);
  const server = own.find((one) => normalizeProviderId(one.name) === wanted);
  if (server)
    return {
      id: server.name,
      title: server.name,
      baseUrl: options.baseUrl ?? null,
      isKeyOptional: server.isKeyless,
      keyUrl: null,
      needs: [],
    };
  const near = nearest(name, [...own.map((one) => one.name), ...providerNames]);
  const hint = near === undefined ? 'give --base-url for a server of your own' : `did you mean "${near}"?`;
  if (near !== undefined && options.baseUrl === undefined)
    throw unknownProvider(name, `${hint} A server of your own needs --base-url`);
  const baseUrl =
    options.baseUrl ??
    (await ask?.text(`"${name}" is not known. Where is its API?`, { placeholder: 'http://127.0.0.1:8001/v1' }));
  if (baseUrl === undefined) throw unknownProvider(name, hint);
  return { id, title: name, baseUrl, isKeyOptional: true, keyUrl: null, needs: [] };
}

type FoundNeed = NewField & {
  /** The environment variable that said it; null: a person did. */
  readonly from: string | null;
};

/** What the config does not say already. What the environment says is written, too: the server may run in another one. */
async function findNeeds(
  { io }: Context,
  target: Target,
  loaded: LoadedConfig | null,
  ask: Prompts | null,
): Promise<readonly FoundNeed[]> {
  const { findProvider } = await import('../../providers/index.ts');
  const entries = Object.entries(loaded?.config.providers ?? {});
  const there = entries.find(([name]) => findProvider(name)?.id === target.id)?.[1];
  const fields: FoundNeed[] = [];
  for (const { field, question, placeholder, env } of there?.base_url ? [] : target.needs) {
    const [name, part] = field;
    const isSaid = name === 'resource' ? there?.resource : there?.url_variables[part ?? ''];
    if (isSaid) continue;
    const said = io.env[env]?.trim();
    if (said) {
      fields.push({ path: field, value: said, from: env });
      continue;
    }
    if (!ask)
      throw missing(
        `${target.id} needs ${field.join('.')}, and nobody can be asked`,
        `set ${env} in the environment, or give --base-url`,
      );
    fields.push({ path: field, value: await ask.text(question, { placeholder }), from: null });
  }
  return fields;
}

const choiceOf = (provider: Provider) => ({ value: provider.id, label: provider.title, hint: provider.id });

const unknownProvider = (name: string, hint: string) =>
  new CliError(ExitCode.usage, 'unknown_provider', `provider "${name}" is not known`, hint);

const missing = (message: string, hint: string) => new CliError(ExitCode.usage, 'usage', message, hint);

async function chooseKeySource(
  { io, output }: Context,
  target: Target,
  options: Options,
  ask: Prompts | null,
): Promise<KeySource> {
  if (options.env !== undefined) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(options.env))
      throw missing(`"${options.env}" is not the name of an environment variable`, 'for example: --env GROQ_API_KEY');
    return { kind: 'variable', name: options.env };
  }
  if (options.key !== undefined) return literal(options.key, target);
  if (options.stdin) return literal((await readAll(io.stdin)).toString('utf8'), target);
  if (!ask) {
    if (target.isKeyOptional) return { kind: 'none' };
    throw missing(`no key was given for ${target.id}`, 'pipe it in with --stdin, or name a variable with --env NAME');
  }
  if (target.keyUrl !== null) output.note(`Keys of ${target.title} are made at ${target.keyUrl}`);
  const typed = await ask.secret(
    target.isKeyOptional ? `Key for ${target.title} (empty: it takes none)` : `Key for ${target.title}`,
    {
      isOptional: target.isKeyOptional,
      check: (key) => {
        const wrong = wrongIn(key);
        return wrong === null ? null : `the key ${wrong}`;
      },
    },
  );
  return literal(typed, target);
}

function literal(text: string, target: Target): KeySource {
  const value = text.trim();
  if (target.isKeyOptional && (value === '' || value === 'none')) return { kind: 'none' };
  if (value === '') throw missing(`the key for ${target.id} is empty`, 'nothing was changed');
  const wrong = wrongIn(value);
  if (wrong !== null) throw missing(`the key for ${target.id} ${wrong}`, 'nothing was changed');
  return { kind: 'literal', value };
}

/** A pasted line break or a whole `export NAME=…` line would be refused by every vendor, much later. */
function wrongIn(key: string): string | null {
  if (/\s/.test(key)) return 'has blanks in it';
  return key === '' || isSendable(key) ? null : 'has characters that no key has: only printable ASCII can be sent';
}

async function testAdded(context: Context, id: string): Promise<void> {
  const { globals, output } = context;
  const place = await findPlace(context);
  const result = await withLocalApp(context, place, { isDemo: false, isKept: false }, (app) => app.operations.test(id));
  if (result === null)
    throw new CliError(
      ExitCode.failed,
      'unknown_key',
      `${id} was written and is not in use`,
      'rotator config check says why',
    );
  if (!globals.json) await output.data(testTable([result], output.maxColumns, output.paint));
  refuseFailed([result]);
}
