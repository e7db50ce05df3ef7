import { plainText } from '../ui/plain-text.ts';
import { type Desk, menu, orBack } from './desk.ts';
import { lookAround } from './situation.ts';

/** The keys that applications send. */
export async function clientsMenu(desk: Desk): Promise<void> {
  const { act } = desk;
  const one = (verb: string) => async () => {
    const name = await chooseClient(desk);
    if (name !== null) await act(['clients', verb, name]);
  };
  await menu(desk, 'Client keys', () => [
    { value: 'list', label: 'Show them', run: () => act(['clients', 'list']) },
    { value: 'add', label: 'Make one', run: () => add(desk) },
    { value: 'rotate', label: 'Make another key for one', hint: 'the old one is refused then', run: one('rotate') },
    { value: 'remove', label: 'Take one out of the config', run: one('remove') },
    { value: 'usage', label: 'What each has used in the last week', run: () => act(['usage', '--by', 'client']) },
  ]);
}

async function add({ ask, act }: Desk): Promise<void> {
  const name = await ask.text('What is the application called?', { placeholder: 'laptop' });
  const models = await ask.text('Which models may it use? Patterns with blanks between them, or nothing for all', {
    placeholder: 'groq/* fast',
    isOptional: true,
  });
  const limits = await ask.text('Which limits has it? Or nothing for none', {
    placeholder: 'rpm=60 usd_per_day=5',
    isOptional: true,
  });
  await act([
    'clients',
    'add',
    name,
    ...words(limits).flatMap((limit) => ['--limit', limit]),
    ...(models === '' ? [] : ['--models', ...words(models)]),
  ]);
}

const words = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '');

/** Of those that the config names: the others are not changed by a command. */
async function chooseClient({ ask, context }: Desk): Promise<string | null> {
  const { loaded } = await lookAround(context);
  const keys = loaded?.config.server.client_keys ?? null;
  const names = keys === null || keys === 'none' ? [] : keys.flatMap(({ name }) => (name === null ? [] : [name]));
  if (names.length === 0) {
    context.output.note('the config names no client keys yet');
    return null;
  }
  return await orBack(
    ask.choose(
      'Which client?',
      names.map((name) => ({ value: name, label: plainText(name) })),
    ),
  );
}
