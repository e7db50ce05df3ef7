import { ExitCode } from '../../shared/cli-error.ts';
import { type Desk, orBack } from './desk.ts';
import { lookAround } from './situation.ts';

const OWN_SERVER = ':own';
/** The exit code after Ctrl-C. */
const INTERRUPTED = 130;

/** Asks for a provider and its keys, one after the other, each tried at once. False: none was added. */
export async function addKeys(desk: Desk): Promise<boolean> {
  const { ask } = desk;
  let hasAdded = false;
  for (;;) {
    const words = await orBack(chooseProvider(desk));
    if (words === null) return hasAdded;
    for (;;) {
      const outcome = await addOne(desk, words);
      if (outcome === 'left') return hasAdded;
      if (outcome === 'added') hasAdded = true;
      const next = await orBack(
        outcome === 'added'
          ? ask.pick('Another key?', [
              { value: 'done', label: 'No, that is all' },
              { value: 'same', label: `Another one for ${words[0]}`, hint: 'two keys take turns' },
              { value: 'other', label: 'One for another provider' },
            ])
          : ask.pick('Try another key?', [
              { value: 'same', label: `Another one for ${words[0]}` },
              { value: 'other', label: 'One for another provider' },
              { value: 'done', label: 'No' },
            ]),
      );
      if (next === 'other') break;
      if (next !== 'same') return hasAdded;
    }
  }
}

async function chooseProvider({ ask, context }: Desk): Promise<readonly [name: string, ...options: string[]]> {
  const [{ providers, findProvider }, { loaded }] = await Promise.all([
    import('../../providers/index.ts'),
    lookAround(context),
  ]);
  const own = Object.keys(loaded?.config.providers ?? {}).filter((name) => !findProvider(name));
  const chosen = await ask.choose('Which provider? Type to search', [
    ...own.map((name) => ({ value: name, label: name, hint: 'a server of your own' })),
    ...providers.map(({ id, title }) => ({ value: id, label: title, hint: id })),
    { value: OWN_SERVER, label: 'A server of my own', hint: 'anything that speaks like OpenAI' },
  ]);
  if (chosen !== OWN_SERVER) return [chosen];
  const name = await ask.text('What is it to be called?', {
    placeholder: 'my-vllm',
    check: (answer) => (/^[\w.-]+$/.test(answer) ? null : 'letters, digits, "-", "_" and "."'),
  });
  const url = await ask.text('Where is its API, with the version?', {
    placeholder: 'http://127.0.0.1:8001/v1',
    check: (answer) => (/^https?:\/\/./.test(answer) ? null : 'a URL such as http://127.0.0.1:8001/v1'),
  });
  return [name, '--base-url', url];
}

/** A key that its provider refuses is not kept unasked. `left`: none was given. */
async function addOne(desk: Desk, words: readonly string[]): Promise<'added' | 'refused' | 'left'> {
  const before = await lookAround(desk.context);
  const code = await desk.act(['keys', 'add', ...words, '--test']);
  const added = (await lookAround(desk.context)).keys.find(({ id }) => !before.keys.some((key) => key.id === id));
  // A duplicate, say: what was wrong with it has been told.
  if (!added) return code === INTERRUPTED ? 'left' : 'refused';
  if (code === ExitCode.ok) return 'added';
  const isKept = await orBack(desk.ask.confirm('It did not pass the test. Keep it anyway?'));
  if (isKept) return 'added';
  await desk.act(['keys', 'remove', added.id]);
  return 'refused';
}
