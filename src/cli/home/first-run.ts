import { ExitCode } from '../../shared/cli-error.ts';
import { findPlace } from '../place.ts';
import { chooseModels } from '../setup/choose-models.ts';
import { configuredModels } from '../setup/find-connection.ts';
import { addKeys } from './add-keys.ts';
import { addAccounts } from './accounts.ts';
import { setUpClient } from './choose-client.ts';
import { type Desk, orBack } from './desk.ts';
import { lookAround } from './situation.ts';

/** From nothing to a first answer, a configured client and a running server; every step can be left out. */
export async function firstRun(desk: Desk): Promise<void> {
  const { ask, context } = desk;
  const { output } = context;
  const { hasEnvFile } = await lookAround(context);
  output.note('Welcome. rotator gives your applications one endpoint for every LLM provider.');
  output.note('It needs keys of providers, or accounts; the demo needs nothing.');
  const start = await orBack(
    ask.pick('How do you want to begin?', [
      { value: 'keys', label: 'Paste API keys', hint: 'hidden while you type, and tried at once' },
      { value: 'accounts', label: 'Log in with an account', hint: 'Codex, Claude, Gemini CLI, Copilot and others' },
      { value: 'demo', label: 'Try the demo', hint: 'no key needed' },
      ...(hasEnvFile ? [{ value: 'import', label: 'Import .env of LLM-API-Key-Proxy', hint: 'found here' }] : []),
      { value: 'menu', label: 'Look around first' },
    ]),
  );
  if (start === 'demo') return await tryDemo(desk);
  if (start === 'keys' && !(await addKeys(desk))) return;
  if (start === 'accounts') await addAccounts(desk);
  if (start === 'import') await desk.act(['import', '.env']);
  const { keys, accounts } = await lookAround(context);
  if (start === null || start === 'menu' || keys.length + accounts === 0) return;
  await firstAnswer(desk);
  if (await orBack(ask.confirm('Set up a client, such as Claude Code or Codex?', true))) await setUpClient(desk);
  if (await orBack(ask.confirm('Start serving now? Ctrl-C ends it', true))) await desk.actAnew(['serve']);
}

async function tryDemo(desk: Desk): Promise<void> {
  await desk.act(['chat', '-m', 'demo/chat', 'Say hello.']);
  const isWanted = await orBack(
    desk.ask.confirm('Serve the demo, so that applications can ask it? Ctrl-C ends it', true),
  );
  if (isWanted) await desk.actAnew(['serve', '--demo']);
}

/** One question to a model that suits it; where it cannot be asked, nothing is lost. */
async function firstAnswer(desk: Desk): Promise<void> {
  const { context } = desk;
  const options = await configuredModels(context, await findPlace(context)).catch(() => []);
  const models = chooseModels(options, []);
  if (!models) return context.output.note('the providers have named no model yet: rotator models');
  const model = models.small;
  const code = await desk.act(['chat', '-m', model, 'Say hello in one short sentence.']);
  if (code !== ExitCode.ok) context.output.note(`rotator test-route ${model} --live shows what happened`);
}
