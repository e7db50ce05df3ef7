import { cleanNames, PLAIN_NAME } from '../clean-names.ts';
import type { AssistantPart, Turn } from '../ir.ts';

/**
 * A well-formed history whose calls all have ids that are theirs alone and that the vendor takes. Results stand behind
 * their calls in the same order, and so get the same ids.
 */
export function withCallIds(turns: readonly Turn[]): readonly Turn[] {
  const calls = turns.flatMap((turn) => (turn.role === 'assistant' ? turn.parts.filter(isCall) : []));
  const clean = cleanNames(
    calls.flatMap(({ id }) => (id === '' ? [] : [id])),
    PLAIN_NAME,
  );
  const taken = new Set<string>();
  const uniqueId = (id: string, place: string): string => {
    const base = clean.get(id) ?? `call_missing_${place}`;
    let candidate = base;
    for (let count = 2; taken.has(candidate); count++) candidate = `${base.slice(0, 58)}_${count}`;
    taken.add(candidate);
    return candidate;
  };
  let open: string[] = [];
  return turns.map((turn, at): Turn => {
    switch (turn.role) {
      case 'assistant': {
        open = [];
        const parts = turn.parts.map((part): AssistantPart => {
          if (!isCall(part)) return part;
          const id = uniqueId(part.id, `${at}_${open.length}`);
          open.push(id);
          return { ...part, id };
        });
        return { role: 'assistant', parts };
      }
      case 'tool': {
        let next = 0;
        const parts = turn.parts.map((part) =>
          part.type === 'tool-result' ? { ...part, callId: open[next++] ?? part.callId } : part,
        );
        return { role: 'tool', parts };
      }
      default:
        return turn;
    }
  });
}

const isCall = (part: AssistantPart): part is Extract<AssistantPart, { type: 'tool-call' }> =>
  part.type === 'tool-call';
