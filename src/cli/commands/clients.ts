import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ClientReport } from '../../gateway/operations.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { nearest } from '../../shared/near-miss.ts';
import { type ClientEntry, clientEntries, isLimited, withUse } from '../client-entries.ts';
import type { Context, Start } from '../context.ts';
import { readAll } from '../io.ts';
import { findPlace, type Place, readStateFile } from '../place.ts';
import { clientsText } from '../ui/clients-text.ts';
import { glyphs } from '../ui/glyphs.ts';

type AddOptions = {
  readonly models?: readonly string[];
  readonly limit?: readonly Limit[];
  readonly env?: string;
  readonly stdin?: true;
};
type Limit = readonly [field: string, value: string];

/** In the order of the config's reference. */
const LIMITS = ['rpm', 'tpm', 'rpd', 'usd_per_day', 'usd_per_month'] as const;

export function addClients(program: Command, start: Start): void {
  const clients = program
    .command('clients')
    .description('make, list and replace the keys that applications send, with what they may use')
    .addHelpText(
      'after',
      `
A new key is shown once: the config file keeps its hash. A running server takes changes over by itself.

Examples:
  $ rotator clients add laptop
  $ rotator clients list`,
    );
  clients
    .command('add')
    .description('make a client key and write it to the config file')
    .argument('<name>', 'what logs and usage call the application')
    .option('--models <pattern...>', 'allow only these: provider/model with * ? [..], or the name of an alias')
    .addOption(
      new Option('--limit <name=value>', `limit its use: ${LIMITS.join(', ')}`).argParser(
        (text: string, before: readonly Limit[] = []) => [...before, limitOption(text)],
      ),
    )
    .addOption(
      new Option('--env <name>', 'take the key from this environment variable of the server').conflicts('stdin'),
    )
    .option('--stdin', 'read a key of your own from stdin')
    .addHelpText(
      'after',
      `
The key is the only output, so that a script can take it.

Examples:
  $ rotator clients add laptop
  $ rotator clients add ci --models 'groq/*' fast --limit rpm=60 --limit usd_per_day=5
  $ KEY=$(rotator clients add phone --quiet)`,
    )
    .action((name: string, options: AddOptions, self: Command) => add(start(self), name, options));
  clients
    .command('list')
    .description('list the client keys with what they may use')
    .addHelpText(
      'after',
      `
When a server runs it is asked how much of the limits is left.

Examples:
  $ rotator clients list
  $ rotator clients list --json`,
    )
    .action((_: unknown, self: Command) => list(start(self)));
  clients
    .command('remove')
    .description('take a client key out of the config file')
    .argument('<name>', 'the name of the client key')
    .addHelpText('after', '\nExample:\n  $ rotator clients remove laptop')
    .action((name: string, _: unknown, self: Command) => remove(start(self), name));
  clients
    .command('rotate')
    .description('make another key for a client; the old one is refused from then on')
    .argument('<name>', 'the name of the client key')
    .addHelpText(
      'after',
      '\nWhat the client has used of its limits still counts.\n\nExample:\n  $ rotator clients rotate laptop',
    )
    .action((name: string, _: unknown, self: Command) => rotate(start(self), name));
}

function limitOption(text: string): Limit {
  const [, field = '', value = ''] = /^([^=]*)=(.+)$/s.exec(text) ?? [];
  if (LIMITS.some((name) => name === field)) return [field, value.trim()];
  const near = nearest(field, LIMITS);
  const hint = near === undefined ? `one of ${LIMITS.join(', ')}` : `did you mean ${near}=${value || '60'}?`;
  throw new InvalidArgumentError(`expected a limit such as rpm=60; ${hint}`);
}

async function add(context: Context, name: string, options: AddOptions): Promise<void> {
  const { io, globals, output } = context;
  const [{ configPath, newConfigPath }, { addClient }] = await Promise.all([
    import('../../config/places.ts'),
    import('../../config/client-edit.ts'),
  ]);
  if (name.trim() === '') throw usage('a client key needs a name', 'for example: rotator clients add laptop');
  const key = await newKey(context, options);
  const around = { path: globals.config, env: io.env, cwd: io.cwd };
  const found = configPath(around)?.path;
  const path = found !== undefined && existsSync(found) ? found : newConfigPath(around);
  const written = key.kind === 'variable' ? `\${${key.name}}` : hashed(key.value);
  const client = { name: name.trim(), key: written, models: options.models ?? [], limits: options.limit ?? [] };
  const { isNew, isFirst, backup } = await addClient(path, client, io.env);
  output.note(`${isNew ? 'created' : 'changed'} ${path}: added the client key "${client.name}"`);
  tellBackup(context, backup);
  if (isFirst) await tellDefaultKey(context);
  if (key.kind === 'variable' && !io.env[key.name])
    output.warn(`${key.name} is not set here: the server does not start until it is`);
  await tellKey(context, client.name, path, key.kind === 'made' ? key.value : null);
}

type Key =
  | { readonly kind: 'made' | 'given'; readonly value: string }
  | { readonly kind: 'variable'; readonly name: string };

async function newKey({ io }: Context, { env, stdin }: AddOptions): Promise<Key> {
  if (env !== undefined) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(env))
      throw usage(`"${env}" is not the name of an environment variable`, 'for example: --env LAPTOP_CLIENT_KEY');
    return { kind: 'variable', name: env };
  }
  if (!stdin) {
    const { newClientKey } = await import('../../server/client-keys.ts');
    return { kind: 'made', value: newClientKey() };
  }
  const value = (await readAll(io.stdin)).toString('utf8').trim();
  if (value === '') throw usage('nothing came from stdin', 'nothing was changed');
  if (!/^[\x21-\x7e]+$/.test(value))
    throw usage('the key has characters that no header can carry, or blanks', 'nothing was changed');
  return { kind: 'given', value };
}

async function list(context: Context): Promise<void> {
  const { io, output, globals } = context;
  const place = await findPlace(context);
  const own = await clientEntries(place.loaded.config, io.env, readStateFile(place.stateDir, 'client-key'));
  const entries = own.some(({ limits }) => isLimited(limits)) ? withUse(own, await clientsUse(context, place)) : own;
  if (globals.json) return await output.json(entries);
  if (place.loaded.config.server.client_keys === 'none') return output.note('open: nobody is asked for a key');
  if (entries.length === 0) return output.note('no client keys yet: one is made when the server starts');
  const view = { paint: output.paint, glyphs: glyphs(io.env), maxColumns: output.maxColumns, now: Date.now() };
  await output.data(clientsText(entries, view));
}

/** What the running server says of its clients' limits. A list of keys is of use without it, too. */
async function clientsUse(context: Context, place: Place): Promise<readonly ClientReport[] | null> {
  const { output, globals } = context;
  const { serverStatus } = await import('../operations.ts');
  try {
    const status = await serverStatus(context, place);
    if (!status && !globals.json) output.note('no server runs: how much of the limits is left is not known');
    return status && status.clients;
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    output.warn(`how much of the limits is left is not known: ${error.message}`);
    return null;
  }
}

async function remove(context: Context, name: string): Promise<void> {
  const { io, globals, output } = context;
  const { removeClient } = await import('../../config/client-edit.ts');
  const path = await namedIn(context, name);
  const { backup } = await removeClient(path, name, io.env);
  if (globals.json) await output.json({ name, path });
  else output.note(`changed ${path}: removed the client key "${name}"`);
  tellBackup(context, backup);
}

async function rotate(context: Context, name: string): Promise<void> {
  const { io, output } = context;
  const [{ rotateClient }, { newClientKey }] = await Promise.all([
    import('../../config/client-edit.ts'),
    import('../../server/client-keys.ts'),
  ]);
  const path = await namedIn(context, name);
  const key = newClientKey();
  const { backup } = await rotateClient(path, { name, key: hashed(key) }, io.env);
  output.note(`changed ${path}: the client key "${name}" is another one now`);
  tellBackup(context, backup);
  await tellKey(context, name, path, key);
}

/** The config file, when it may name this client; a key that no file holds has its own way. */
async function namedIn(context: Context, name: string): Promise<string> {
  const place = await findPlace(context);
  const { path, config } = place.loaded;
  const entries = await clientEntries(config, context.io.env, readStateFile(place.stateDir, 'client-key'));
  const entry: ClientEntry | undefined = entries.find((one) => one.name === name);
  if (path !== null && (!entry || entry.source === 'config')) return path;
  if (entry?.source === 'env')
    throw usage(`"${name}" is the key in ROTATOR_CLIENT_KEY`, 'change the variable where it is set');
  if (entry?.source === 'state')
    throw usage(`"${name}" is the key in ${place.stateDir}/client-key`, 'delete that file and restart the server');
  throw new CliError(
    ExitCode.usage,
    'unknown_client',
    `no client key is named "${name}": there is no config file`,
    `make one: rotator clients add ${name}`,
  );
}

async function tellKey({ globals, output }: Context, name: string, path: string, key: string | null): Promise<void> {
  if (globals.json) return await output.json({ name, key, path });
  if (key === null) return;
  output.note('its key, shown this once:');
  await output.data(`${key}\n`);
}

/** Whoever used the key that was made without being asked for is refused from now on. */
async function tellDefaultKey(context: Context): Promise<void> {
  const { stateDir } = await findPlace(context);
  if (context.io.env.ROTATOR_CLIENT_KEY || readStateFile(stateDir, 'client-key') === null) return;
  context.output.warn(`the key in ${stateDir}/client-key is no longer accepted: the config names the keys now`);
}

function tellBackup({ output }: Context, backup: string | null): void {
  if (backup !== null) output.note(`the file was written in place; what it held before is in ${backup}`);
}

const hashed = (key: string) => `sha256:${new Bun.CryptoHasher('sha256').update(key).digest('hex')}`;

const usage = (message: string, hint: string) => new CliError(ExitCode.usage, 'usage', message, hint);
