import type { Command } from 'commander';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { version } from '../../version.ts';
import type { Context, Start } from '../context.ts';
import { type Desk, type Execute, type MenuEntry, menu } from '../home/desk.ts';
import { isFirstRun, lookAround, type Situation } from '../home/situation.ts';
import { counted } from '../ui/amounts.ts';
import { glyphs } from '../ui/glyphs.ts';
import { prompts } from '../ui/prompts.ts';

/** What the program does on a terminal when no command was named. */
export const HOME = 'home';

export function addHome(program: Command, start: Start, execute: Execute): void {
  program
    .command(HOME, { hidden: true })
    .description('a menu of everything')
    .action((_: unknown, command: Command) => home(start(command), execute));
}

async function home(context: Context, execute: Execute): Promise<void> {
  const ask = await prompts(context);
  if (!ask) throw new CliError(ExitCode.usage, 'no_terminal', 'the menu needs a terminal', 'rotator --help');
  const { createDesk } = await import('../home/desk.ts');
  const desk = createDesk(context, ask, execute);
  if (isFirstRun(await lookAround(context))) {
    const { firstRun } = await import('../home/first-run.ts');
    await firstRun(desk);
  }
  await menu(desk, 'What do you want to do?', async () => entries(desk, await lookAround(context)), 'Quit');
}

function entries(desk: Desk, situation: Situation): readonly MenuEntry[] {
  const { output, io } = desk.context;
  output.note(`\n${headText(situation, glyphs(io.env).separator)}`);
  const { act, actAnew } = desk;
  if (situation.problem !== null)
    return [{ value: 'check', label: 'Check the config', run: () => act(['config', 'check']) }];
  const run: MenuEntry =
    situation.url === null
      ? { value: 'run', label: 'Run the proxy', hint: 'Ctrl-C ends it', run: () => actAnew(['serve']) }
      : { value: 'watch', label: 'Watch the server', run: () => act(['status', '--watch']) };
  return [
    run,
    { value: 'keys', label: 'Keys', run: async () => (await import('../home/keys.ts')).keysMenu(desk) },
    { value: 'accounts', label: 'Accounts', run: async () => (await import('../home/accounts.ts')).accountsMenu(desk) },
    {
      value: 'models',
      label: 'Models and routes',
      run: async () => (await import('../home/models.ts')).modelsMenu(desk),
    },
    { value: 'status', label: 'Status', run: () => act(['status']) },
    { value: 'usage', label: 'Usage of the last week', run: () => act(['usage']) },
    { value: 'logs', label: 'Last requests', run: () => act(['logs']) },
    {
      value: 'clients',
      label: 'Client keys',
      hint: 'what applications send, with limits',
      run: async () => (await import('../home/clients.ts')).clientsMenu(desk),
    },
    {
      value: 'setup',
      label: 'Set up a client',
      hint: 'Claude Code, Codex, opencode and others',
      run: async () => (await import('../home/choose-client.ts')).setUpClient(desk),
    },
    { value: 'settings', label: 'Settings', run: async () => (await import('../home/settings.ts')).settingsMenu(desk) },
    { value: 'import', label: 'Import from LLM-API-Key-Proxy', run: () => importFile(desk, situation) },
    { value: 'demo', label: 'Run the demo', hint: 'no key needed', run: () => actAnew(['serve', '--demo']) },
  ].filter(({ value }) => value !== 'demo' || situation.url === null);
}

async function importFile({ ask, act }: Desk, { hasEnvFile, loaded }: Situation): Promise<void> {
  const path = await ask.text('Where is its .env?', {
    placeholder: hasEnvFile ? '.env' : '~/LLM-API-Key-Proxy/.env',
    isOptional: hasEnvFile,
  });
  await act(['import', path === '' ? '.env' : path, ...(loaded?.path === null ? [] : ['--merge'])]);
}

function headText({ loaded, problem, url, keys, accounts }: Situation, separator: string): string {
  if (problem !== null) return `rotator ${version}\n${problem}`;
  const providers = new Set(keys.map(({ provider }) => provider)).size;
  return [
    `rotator ${version}`,
    url === null ? 'no server runs' : `serving at ${url}`,
    keys.length === 0 ? 'no keys' : `${counted(keys.length, 'key')} of ${counted(providers, 'provider')}`,
    ...(accounts > 0 ? [counted(accounts, 'account')] : []),
    `config: ${loaded?.path ?? 'none'}`,
  ].join(separator);
}
