import type { Command } from 'commander';
import type { Context, Start } from '../context.ts';
import { chooseKey } from '../key-choice.ts';
import { withOperations } from '../operations.ts';
import { keysText } from '../ui/keys-text.ts';
import { defineKeysAdd } from './keys-add.ts';
import { defineKeysRemove } from './keys-remove.ts';
import { testKeys } from './keys-test.ts';

export function addKeys(program: Command, start: Start): void {
  const keys = program
    .command('keys')
    .description('add, list and test the keys of providers')
    .addHelpText(
      'after',
      `
An ID may be shortened to any unique beginning, or be a label.

Examples:
  $ rotator keys add groq
  $ rotator keys list`,
    );
  defineKeysAdd(keys, start);
  keys
    .command('list')
    .description('list every key with its state, blocks and counts')
    .addHelpText('after', '\nExamples:\n  $ rotator keys list\n  $ rotator keys list --json')
    .action((_: unknown, command: Command) => list(start(command)));
  defineKeysRemove(keys, start);
  keys
    .command('enable')
    .description('use a key again that was disabled')
    .argument('<id>', 'id, its beginning, or label')
    .addHelpText('after', '\nExample:\n  $ rotator keys enable groq-77aa')
    .action((id: string, _: unknown, command: Command) => setEnabled(start(command), id, true));
  keys
    .command('disable')
    .description('stop using a key; the config file stays as it is')
    .argument('<id>', 'id, its beginning, or label')
    .addHelpText('after', '\nExample:\n  $ rotator keys disable work')
    .action((id: string, _: unknown, command: Command) => setEnabled(start(command), id, false));
  keys
    .command('test')
    .description('ask the provider whether keys are accepted; all of them without an id')
    .argument('[id...]', 'ids, their beginnings, or labels')
    .addHelpText(
      'after',
      '\nExit code 4 when one is rejected.\n\nExamples:\n  $ rotator keys test\n  $ rotator keys test groq-77aa --json',
    )
    .action((ids: string[], _: unknown, command: Command) => testKeys(start(command), ids));
  keys
    .command('reset')
    .description('lift the blocks of keys; of all of them without an id')
    .argument('[id...]', 'ids, their beginnings, or labels')
    .addHelpText('after', '\nExamples:\n  $ rotator keys reset\n  $ rotator keys reset groq-77aa')
    .action((ids: string[], _: unknown, command: Command) => reset(start(command), ids));
}

const READING = { isDemo: false, isKept: false };

async function list(context: Context): Promise<void> {
  const { output, globals } = context;
  if (globals.json) return await output.json(await withOperations(context, READING, (operations) => operations.keys()));
  const { keys } = await withOperations(context, READING, (operations) => operations.status());
  if (keys.length === 0) return output.note('no keys yet: rotator keys add PROVIDER');
  const view = { paint: output.paint, maxColumns: output.maxColumns, now: Date.now() };
  await output.data(keysText(keys, view));
}

async function setEnabled(context: Context, written: string, isEnabled: boolean): Promise<void> {
  const { output, globals } = context;
  const after = await withOperations(context, { isDemo: false, isKept: true }, async (operations) => {
    const { id } = chooseKey(written, await operations.keys());
    await operations.setEnabled(id, isEnabled);
    return chooseKey(id, await operations.keys());
  });
  if (globals.json) await output.json(after);
  else output.note(`${after.id} is ${isEnabled ? 'enabled' : 'disabled'}`);
  if (isEnabled && !after.enabled) output.warn(`${after.id} stays disabled: the config says "enabled: false"`);
}

async function reset(context: Context, written: readonly string[]): Promise<void> {
  const { output, globals } = context;
  const ids = await withOperations(context, { isDemo: false, isKept: true }, async (operations) => {
    const keys = await operations.keys();
    const wanted = (written.length === 0 ? keys : written.map((id) => chooseKey(id, keys))).map((key) => key.id);
    await operations.reset(written.length === 0 ? 'all' : wanted);
    return wanted;
  });
  if (globals.json) await output.json({ reset: ids });
  else output.note(`reset ${ids.length === 1 ? ids[0] : `${ids.length} keys`}`);
}
