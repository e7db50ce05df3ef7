import { existsSync, readFileSync } from 'node:fs';
import type { FieldHelp } from '../../config/field-help.ts';
import { CliError } from '../../shared/cli-error.ts';
import { readConfig } from '../place.ts';
import { editedFile } from '../commands/config-set.ts';
import { differenceText } from '../ui/difference-text.ts';
import { plainText } from '../ui/plain-text.ts';
import { type Desk, type MenuEntry, menu } from './desk.ts';

/** Every field of the config, section by section, as its schema describes it. */
export async function settingsMenu(desk: Desk, path: readonly string[] = []): Promise<void> {
  const { fieldsAt } = await import('../../config/field-help.ts');
  const title = path.length === 0 ? 'Settings' : `Settings: ${path.join('.')}`;
  await menu(desk, title, async () => {
    const config = (await readConfig(desk.context))().config;
    const { currentValue } = await import('../../config/field-help.ts');
    return fieldsAt(path).map((field): MenuEntry => {
      const at = [...path, field.name];
      return {
        value: field.name,
        label: field.name,
        hint: short(field.form === 'value' ? (currentValue(config, at) ?? 'not set') : field.description),
        run: () => open(desk, at, field),
      };
    });
  });
}

async function open(desk: Desk, path: readonly string[], field: FieldHelp): Promise<void> {
  if (field.form === 'section') return await settingsMenu(desk, path);
  if (field.form === 'names') return await namesMenu(desk, path);
  await editField(desk, path, field);
}

/** Entries with names of the person's own: providers, aliases. */
async function namesMenu(desk: Desk, path: readonly string[]): Promise<void> {
  const { currentNames } = await import('../../config/field-help.ts');
  await menu(desk, `Settings: ${path.join('.')}`, async () => {
    const config = (await readConfig(desk.context))().config;
    const names = currentNames(config, path).map((name): MenuEntry => {
      return { value: `=${name}`, label: name, run: () => settingsMenu(desk, [...path, name]) };
    });
    const other: MenuEntry = {
      value: '+',
      label: 'Another name',
      run: async () => {
        const name = await desk.ask.text('Which name?');
        await settingsMenu(desk, [...path, name]);
      },
    };
    return [...names, other];
  });
}

async function editField(desk: Desk, path: readonly string[], field: FieldHelp): Promise<void> {
  const { context, ask } = desk;
  const { io, output } = context;
  const [{ previewEdit }, { writePath }, { currentValue }] = await Promise.all([
    import('../../config/set-field.ts'),
    import('../../config/field-path.ts'),
    import('../../config/field-help.ts'),
  ]);
  const current = currentValue((await readConfig(context))().config, path);
  output.note(`${output.paintMessage.bold(path.join('.'))}: ${field.description}`);
  output.note(`It is ${current ?? 'not set'}; the default is ${field.standard ?? 'none'}. It takes: ${field.kind}.`);
  const file = await editedFile(context);
  const text = existsSync(file) ? readFileSync(file, 'utf8') : null;
  const preview = (value: string | null) => previewEdit(file, text, { path, value }, io.env);
  const value = await newValue(desk, field, (answer) => problemOf(() => preview(answer)));
  const { difference } = preview(value);
  if (difference.length === 0) return output.note('nothing changes');
  output.note(differenceText(difference, output.paintMessage));
  if (!(await ask.confirm('Write this?', true))) return output.note('nothing was written');
  const words = value === null ? ['config', 'unset', writePath(path)] : ['config', 'set', writePath(path), value];
  // The difference has just been seen.
  await desk.act(words, ['--quiet']);
  output.note(`changed ${file}`);
}

const UNSET = ':unset';

/** Null: back to the default. */
async function newValue(
  { ask }: Desk,
  field: FieldHelp,
  check: (answer: string) => string | null,
): Promise<string | null> {
  const toDefault = {
    value: UNSET,
    label: 'Back to the default',
    ...(field.standard === null ? {} : { hint: field.standard }),
  };
  if (field.choices) {
    const choices = field.choices.map((choice) => ({ value: choice, label: choice }));
    const chosen = await ask.pick('Which value?', [...choices, toDefault]);
    return chosen === UNSET ? null : chosen;
  }
  const placeholder = field.example ?? field.standard ?? '';
  const answer = await ask.text('New value (nothing: back to the default)', {
    isOptional: true,
    ...(placeholder === '' ? {} : { placeholder }),
    check: (typed) => (typed === '' ? null : check(typed)),
  });
  return answer === '' ? null : answer;
}

function problemOf(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof CliError) return error.message;
    throw error;
  }
}

/** A hint stands beside its name in one line. */
function short(text: string): string {
  const line = plainText(text);
  return line.length <= HINT ? line : `${line.slice(0, HINT - 3)}...`;
}

const HINT = 48;
