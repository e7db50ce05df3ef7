import { clients } from '../setup/clients.ts';
import { type Desk, orBack } from './desk.ts';

/** Points a client at rotator; those that are installed here come first. */
export async function setUpClient(desk: Desk): Promise<void> {
  const { ask, context } = desk;
  const isHere = (program: string | null) =>
    program !== null && program !== 'curl' && Bun.which(program, { PATH: context.io.env.PATH ?? '' }) !== null;
  const listed = clients
    .map(({ id, title, program }) => ({ value: id, label: title, isHere: isHere(program) }))
    .toSorted((a, b) => Number(b.isHere) - Number(a.isHere))
    .map(({ value, label, isHere: has }) => ({ value, label, ...(has ? { hint: 'installed here' } : {}) }));
  const client = await orBack(ask.choose('Which client?', listed));
  if (client === null) return;
  const how = await orBack(
    ask.pick('How?', [
      { value: 'print', label: 'Show its settings' },
      { value: 'write', label: 'Write them into its own file', hint: 'after a backup' },
      { value: 'undo', label: 'Undo what was written before' },
    ]),
  );
  if (how === null) return;
  await desk.act(['setup', client, ...(how === 'print' ? [] : [`--${how}`])]);
}
