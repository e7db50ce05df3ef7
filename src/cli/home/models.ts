import { ExitCode } from '../../shared/cli-error.ts';
import { findPlace } from '../place.ts';
import { configuredModels } from '../setup/find-connection.ts';
import { plainText } from '../ui/plain-text.ts';
import { type Desk, menu, orBack } from './desk.ts';

/** Models, the rules that show and hide them, aliases and the way a request would take. */
export async function modelsMenu(desk: Desk): Promise<void> {
  await menu(desk, 'Models and routes', () => [
    { value: 'list', label: 'Show the models', run: () => list(desk) },
    { value: 'hide', label: 'Hide some', hint: 'with a look at what goes first', run: () => hide(desk) },
    { value: 'route', label: 'Explain a route', hint: 'which key would be taken, and why', run: () => route(desk) },
    { value: 'alias', label: 'Name an alias', hint: 'one name for several models in order', run: () => alias(desk) },
    { value: 'chat', label: 'Ask a model', run: () => chat(desk) },
  ]);
}

async function list({ ask, act }: Desk): Promise<void> {
  const pattern = await ask.text('Which? Part of a name, or nothing for all', { isOptional: true });
  await act(['models', ...(pattern === '' ? [] : [pattern])]);
}

async function hide({ ask, act }: Desk): Promise<void> {
  const pattern = await ask.text('Which are to be hidden?', { placeholder: 'gemini/*-preview' });
  if ((await act(['models', '--deny', pattern])) !== ExitCode.ok) return;
  if (await ask.confirm('Write this rule into the config?')) await act(['models', '--deny', pattern, '--save']);
}

async function route(desk: Desk): Promise<void> {
  const model = await chooseModel(desk, 'Which model would be asked for?');
  if (model === null || (await desk.act(['test-route', model])) !== ExitCode.ok) return;
  if (await desk.ask.confirm('Send a request of one token and see each attempt?'))
    await desk.act(['test-route', model, '--live']);
}

async function alias(desk: Desk): Promise<void> {
  const name = await desk.ask.text('What is it to be called?', { placeholder: 'fast' });
  const targets: string[] = [];
  for (;;) {
    const isFirst = targets.length === 0;
    const model = await chooseModel(desk, isFirst ? 'Which model is asked first?' : 'And if that cannot answer?');
    if (model === null) break;
    targets.push(model);
    if (!(await desk.ask.confirm('Another one behind it?'))) break;
  }
  if (targets.length === 0) return;
  const { flow } = await import('../../config/reference.ts');
  const { writePath } = await import('../../config/field-path.ts');
  await desk.act(['config', 'set', writePath(['aliases', name]), flow({ targets })]);
}

async function chat(desk: Desk): Promise<void> {
  const model = await chooseModel(desk, 'Which model?');
  if (model === null) return;
  const prompt = await desk.ask.text('What do you want to ask?');
  await desk.act(['chat', '-m', model, '--usage', prompt]);
}

async function chooseModel({ ask, context }: Desk, question: string): Promise<string | null> {
  const models = await configuredModels(context, await findPlace(context));
  if (models.length === 0) {
    context.output.note('no model is known yet');
    return null;
  }
  const choices = models.map(({ id, isAlias }) => ({
    value: id,
    label: plainText(id),
    ...(isAlias ? { hint: 'alias' } : {}),
  }));
  return await orBack(ask.choose(question, choices));
}
