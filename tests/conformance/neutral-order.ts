import type { ChatEvent } from '../../src/protocols/ir.ts';

/** The order that `ChatEvent` promises to every encoder. Gives the faults it finds. */
export function neutralFaultsOf(events: readonly ChatEvent[]): readonly string[] {
  const faults: string[] = [];
  const must = (isSo: boolean, fault: string) => void (isSo || faults.push(fault));
  must(events[0]?.type === 'start', 'does not begin with start');
  must(events.filter(({ type }) => type === 'start').length === 1, 'not one start');
  const finished = new Set<number>();
  const calls = new Map<string, 'open' | 'ended'>();
  const next = new Map<number, number>();
  for (const event of events) {
    if (event.type === 'start' || event.type === 'usage') continue;
    const { choice } = event;
    must(!finished.has(choice), `${event.type} after the finish of choice ${choice}`);
    if (event.type === 'finish') {
      finished.add(choice);
      must(
        [...calls].every(([key, state]) => !key.startsWith(`${choice}:`) || state === 'ended'),
        'a finish before the end of a call',
      );
    }
    if (!('call' in event)) continue;
    const key = `${choice}:${event.call}`;
    if (event.type === 'tool-call-start') {
      must(event.call === (next.get(choice) ?? 0), `call ${event.call} out of turn`);
      must(event.id !== '' && event.name !== '', 'a call without id or name');
      next.set(choice, event.call + 1);
      calls.set(key, 'open');
    } else must(calls.get(key) === 'open', `${event.type} of a call that is not open`);
    if (event.type === 'tool-call-end') calls.set(key, 'ended');
  }
  must(finished.size > 0, 'no finish');
  return faults;
}
