import { withOperations } from '../operations.ts';
import { plainText } from '../ui/plain-text.ts';
import { addKeys } from './add-keys.ts';
import { type Desk, menu, orBack } from './desk.ts';

export async function keysMenu(desk: Desk): Promise<void> {
  const one = (verb: string) => async () => {
    const id = await chooseKey(desk);
    if (id !== null) await desk.act(['keys', verb, id]);
  };
  await menu(desk, 'Keys', () => [
    { value: 'list', label: 'Show them', run: () => desk.act(['keys', 'list']) },
    { value: 'add', label: 'Add some', run: () => addKeys(desk) },
    { value: 'test', label: 'Test all', hint: 'asks every provider', run: () => desk.act(['keys', 'test']) },
    { value: 'reset', label: 'Lift the blocks of one', run: one('reset') },
    { value: 'disable', label: 'Stop using one', run: one('disable') },
    { value: 'enable', label: 'Use one again', run: one('enable') },
    { value: 'remove', label: 'Take one out of the config', run: one('remove') },
  ]);
}

async function chooseKey({ ask, context }: Desk): Promise<string | null> {
  const keys = await withOperations(context, { isDemo: false, isKept: false }, (operations) => operations.keys());
  if (keys.length === 0) {
    context.output.note('no keys yet');
    return null;
  }
  const choices = keys.map(({ id, label, state, masked }) => ({
    value: id,
    label: label === null ? id : `${id} (${plainText(label)})`,
    hint: `${state}, ${masked}`,
  }));
  return await orBack(ask.choose('Which key?', choices));
}
