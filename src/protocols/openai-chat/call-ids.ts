import { cleanNames, type NameRule } from '../clean-names.ts';
import type { AssistantPart, Turn } from '../ir.ts';
import type { Dialect } from './dialect.ts';

/** OpenAI refuses longer ids; other servers take theirs as they are, and some read meaning in them. */
const OPENAI_ID: NameRule = { allowed: /[^]/u, maxLength: 40 };

/** Calls of protocols without ids get one; their results find them by name and order. */
export function withIds(turns: readonly Turn[]): readonly Turn[] {
  let count = 0;
  return turns.map((turn): Turn => {
    if (turn.role !== 'assistant') return turn;
    const parts = turn.parts.map((part) =>
      part.type === 'tool-call' && part.id === '' ? { ...part, id: `call_${count++}` } : part,
    );
    return { role: 'assistant', parts };
  });
}

/**
 * Ids that the server takes: short enough, and no two of one turn the same. Of well-formed turns, whose
 * results stand behind their calls in the same order.
 */
export function withUsableIds(turns: readonly Turn[], { isOpenAi }: Dialect): readonly Turn[] {
  const all = turns.flatMap((turn) => (turn.role === 'assistant' ? turn.parts.flatMap(idOf) : []));
  const short = isOpenAi ? cleanNames(all, OPENAI_ID) : null;
  let ids: readonly string[] = [];
  return turns.map((turn): Turn => {
    if (turn.role === 'assistant') {
      ids = distinct(turn.parts.flatMap(idOf).map((id) => short?.get(id) ?? id));
      const left = [...ids];
      const parts = turn.parts.map((part) =>
        part.type === 'tool-call' ? { ...part, id: left.shift() ?? part.id } : part,
      );
      return { role: 'assistant', parts };
    }
    if (turn.role !== 'tool') return turn;
    const left = [...ids];
    const parts = turn.parts.map((part) =>
      part.type === 'tool-result' ? { ...part, callId: left.shift() ?? part.callId } : part,
    );
    return { role: 'tool', parts };
  });
}

const idOf = (part: AssistantPart): readonly string[] => (part.type === 'tool-call' ? [part.id] : []);

function distinct(ids: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return ids.map((id) => {
    let unique = id;
    for (let count = 2; taken.has(unique); count++) unique = `${id.slice(0, OPENAI_ID.maxLength - 4)}_${count}`;
    taken.add(unique);
    return unique;
  });
}
