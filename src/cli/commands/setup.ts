import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { Argument, type Command, Option } from 'commander';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { nearest } from '../../shared/near-miss.ts';
import type { Context, Start } from '../context.ts';
import { distantUrl } from '../distant-url.ts';
import { findPlace, isWritable } from '../place.ts';
import type { ChosenModels } from '../setup/choose-models.ts';
import { type Client, type ClientPlaces, type Connection, clients } from '../setup/clients.ts';
import type { FoundKey } from '../setup/find-connection.ts';
import type { ClientFile } from '../setup/setting.ts';
import type { FileOutcome } from '../setup/setup-record.ts';

type Options = {
  readonly write?: true;
  readonly undo?: true;
  readonly model?: string;
  readonly smallModel?: string;
  readonly url?: string;
  readonly showKey?: true;
};

export function addSetup(program: Command, start: Start): void {
  program
    .command('setup')
    .description('point a client at rotator: print its settings, or write them into its own files')
    .addArgument(new Argument('<client>', 'which client').choices(IDS).argParser(knownClient))
    .addOption(new Option('--write', 'merge the settings into the client’s files, after a backup').conflicts('undo'))
    .option('--undo', 'put the files back as they were before --write')
    .option('-m, --model <model>', 'model to work with (default: an alias of the config, else what suits the client)')
    .option('--small-model <model>', 'model for titles and summaries, where the client has one')
    .option(
      '--url <url>',
      'a server elsewhere, its key in ROTATOR_CLIENT_KEY (default: ROTATOR_URL, else the one that runs here)',
    )
    .option('--show-key', 'print the client key itself even where stdout is no terminal')
    .addHelpText(
      'after',
      `
The client key is printed on a terminal only; elsewhere a placeholder stands for it. --write puts the key itself into
the client's file, which is made 0600 where it is new. A backup lies beside each file that was changed. --undo gives a
file back byte for byte when nobody has changed it since; otherwise only what was set goes back.

Examples:
  $ rotator setup claude-code
  $ rotator setup codex --write
  $ rotator setup codex --undo`,
    )
    .action((client: string, options: Options, command: Command) => setup(start(command), client, options));
}

const IDS = clients.map(({ id }) => id);

function knownClient(id: string): string {
  if (IDS.includes(id)) return id;
  throw unknownClient(id);
}

function unknownClient(id: string): CliError {
  const near = IDS.find((known) => known.startsWith(`${id}-`)) ?? nearest(id, IDS);
  const hint =
    near === undefined
      ? `known are ${IDS.join(', ')}; any other takes a base URL and a client key: rotator setup curl shows both`
      : `did you mean "${near}"?`;
  return new CliError(ExitCode.usage, 'unknown_client', `client "${id}" is not known`, hint);
}

async function setup(context: Context, id: string, options: Options): Promise<void> {
  const { io, output, globals } = context;
  const client = clients.find((known) => known.id === id);
  if (!client) throw unknownClient(id);
  const places = placesOf(context);
  const place = await findPlace(context);
  const { recordPath, undoSetup } = await import('../setup/setup-record.ts');
  const record = recordPath(place.stateDir, client.id);
  if (options.undo) return await tellFiles(context, client, await undoSetup(record, client.id), null);

  const { findKey, findUrl } = await import('../setup/find-connection.ts');
  const distant = distantUrl(options.url, io.env);
  const server = distant === null ? await findUrl(place) : { url: serverUrl(distant), isRunning: true };
  const key = await findKey(context, place, distant === null);
  const models = await chosenModels(context, client, options, server, key);
  const real: Connection = { url: server.url, key: key.text, models };
  if (options.write) {
    if (client.files(real, places).length === 0)
      throw new CliError(
        ExitCode.usage,
        'nothing_to_write',
        `${client.title} has no file of its own to write`,
        `rotator setup ${client.id} prints what to use`,
      );
    if (!isWritable(place.stateDir))
      throw new CliError(
        ExitCode.failed,
        'state_not_writable',
        `the state directory ${place.stateDir} cannot be written, and --undo needs it`,
        'name another with --state DIR',
      );
    const { writeSetup } = await import('../setup/setup-record.ts');
    const outcomes = await writeSetup(record, client.files(real, places), new Date());
    await tellFiles(context, client, outcomes, real);
  } else {
    const isShown = options.showKey === true || (io.isTerminal.stdout && !globals.json);
    const shown = isShown ? key.text : (client.files(real, places).length === 0 && key.shellReference) || PLACEHOLDER;
    await print(context, client, { ...real, key: shown }, places);
    if (shown === PLACEHOLDER && !globals.json)
      output.note(`${PLACEHOLDER} stands for the client key: --show-key prints it, --write puts it where it belongs`);
  }
  if (!server.isRunning && !globals.json) output.note('no server runs here yet: rotator serve');
}

const PLACEHOLDER = 'YOUR_CLIENT_KEY';

const placesOf = ({ io }: Context): ClientPlaces => ({
  home: io.env.HOME || io.env.USERPROFILE || homedir(),
  cwd: io.cwd,
  env: io.env,
  exists: existsSync,
});

function serverUrl(written: string): string {
  const url = URL.canParse(written) ? new URL(written) : null;
  if (url && (url.protocol === 'http:' || url.protocol === 'https:'))
    return `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/v1$/, '');
  throw new CliError(ExitCode.usage, 'usage', `"${written}" is no URL of a server`, '--url http://127.0.0.1:8000');
}

async function chosenModels(
  context: Context,
  client: Client,
  { model, smallModel, url }: Options,
  server: { readonly url: string; readonly isRunning: boolean },
  key: FoundKey,
): Promise<ChosenModels> {
  const [{ configuredModels, servedModels }, { chooseModels }] = await Promise.all([
    import('../setup/find-connection.ts'),
    import('../setup/choose-models.ts'),
  ]);
  const isAsked = server.isRunning || url !== undefined;
  // Even with a model that was named: the answer proves that the key is taken.
  const options = isAsked
    ? await servedModels(server.url, key.text)
    : model === undefined
      ? await configuredModels(context, await findPlace(context))
      : [];
  const found = chooseModels(options, client.models);
  const contextLength =
    model === undefined
      ? (found?.contextLength ?? null)
      : (options.find((option) => option.id === model)?.contextLength ?? null);
  if (model === undefined && found === null)
    throw new CliError(
      ExitCode.noCredential,
      'no_model',
      'there is no model yet that a client could be pointed at',
      'rotator keys add PROVIDER, or name one with --model',
    );
  const main = model ?? found?.main ?? '';
  const small = smallModel ?? (model === undefined ? (found?.small ?? main) : main);
  return { main, small, all: [...new Set([main, small, ...(found?.all ?? [])])], contextLength };
}

/** The settings as the client's own files would hold them. */
async function print(context: Context, client: Client, connection: Connection, places: ClientPlaces): Promise<void> {
  const { output, globals } = context;
  const files = client.files(connection, places);
  const snippet = client.snippet?.(connection) ?? null;
  if (globals.json) return await output.json(report(client, connection, files, snippet));
  const { changeClientText } = await import('../setup/client-text.ts');
  const parts = files.map(({ path, format, settings }) => {
    // JSON has no comments of its own: there the name stands above, for people.
    const head = format === 'json' ? `// ${path}` : `# ${path}`;
    return `${head}\n${changeClientText(format, '', settings, path)}`;
  });
  await output.data([...parts, ...(snippet === null ? [] : [snippet])].join('\n'));
  for (const note of client.notes(connection)) output.note(note);
}

function report(client: Client, connection: Connection, files: readonly ClientFile[], snippet: string | null): object {
  const { url, models } = connection;
  return {
    client: client.id,
    url,
    model: models.main,
    small_model: models.small,
    files: files.map(({ path, format, settings }) => ({
      path,
      format,
      settings: settings.map((setting) => ({ path: setting.path.map(stepText), value: setting.value })),
    })),
    snippet,
  };
}

const stepText = (step: string | { readonly name: string }) => (typeof step === 'string' ? step : `name=${step.name}`);

/** `connection` null: the files were put back. */
async function tellFiles(
  context: Context,
  client: Client,
  outcomes: readonly FileOutcome[],
  connection: Connection | null,
): Promise<void> {
  const { output, globals } = context;
  if (globals.json)
    return await output.json({
      client: client.id,
      ...(connection && { url: connection.url, model: connection.models.main, small_model: connection.models.small }),
      files: outcomes,
    });
  const { isOpenToOthers } = await import('../setup/setup-record.ts');
  for (const { path, state, backup } of outcomes) {
    output.note(`${state} ${path}${backup === null ? '' : ` (before: ${backup})`}`);
    if (connection && isOpenToOthers(path))
      output.warn(`others on this machine can read ${path}, which holds the client key now: chmod 600 ${path}`);
  }
  if (!connection) return;
  output.note(`${client.title} asks ${connection.url} for ${connection.models.main}`);
  for (const note of client.notes(connection)) output.note(note);
  output.note(`rotator setup ${client.id} --undo puts it back`);
}
