import type { AssistantPart, ForeignPart, ToolCallPart, ToolResultPart, Turn } from './ir.ts';

/**
 * A history as strict protocols want it: behind each assistant turn with calls stands one tool turn with exactly one
 * result for each of them, in the order of the calls; nothing else stands between, and no result stands alone. Clients'
 * histories are edited, cut and merged, so that all of this is common.
 *
 * - Results are matched by id; those without a match by name, then, where the call has no result yet, by order.
 * - A second result for one call is dropped; the first place is kept with the last content.
 * - A call without a result gets one that says so.
 * - A result without a call is dropped.
 * - What stood between a call and its result comes after the result.
 */
export function wellFormedTurns(turns: readonly Turn[]): {
  readonly turns: readonly Turn[];
  readonly warnings: readonly string[];
} {
  const warnings = new Set<string>();
  const out: Turn[] = [];
  const merged = mergeNeighbours(turns);
  for (let at = 0; at < merged.length; at++) {
    const turn = merged[at];
    if (!turn) continue;
    if (turn.role === 'tool') {
      // Its assistant turn would have taken it along.
      const kept = turn.parts.filter((part) => part.type === 'foreign');
      if (kept.length < turn.parts.length) warnings.add('tool result without a call removed');
      if (kept.length > 0) out.push({ role: 'tool', parts: kept });
      continue;
    }
    out.push(turn);
    if (turn.role !== 'assistant') continue;
    const calls = turn.parts.filter(isCall);
    if (calls.length === 0) continue;
    const { results, foreign, between, end } = resultsFor(merged, at + 1);
    out.push({ role: 'tool', parts: [...matched(calls, results, warnings), ...foreign] });
    out.push(...between);
    at = end - 1;
  }
  return { turns: mergeNeighbours(out), warnings: [...warnings] };
}

const isCall = (part: AssistantPart): part is ToolCallPart => part.type === 'tool-call';

/** Neighbours of one role as one turn; turns without parts are left out. `areApart`: of neighbours that stay two. */
export function mergeNeighbours(
  turns: readonly Turn[],
  areApart: (one: Turn, other: Turn) => boolean = never,
): readonly Turn[] {
  const out: Turn[] = [];
  for (const turn of turns) {
    if (turn.parts.length === 0) continue;
    const last = out.at(-1);
    const joined = last && !areApart(last, turn) ? join(last, turn) : null;
    if (joined) out[out.length - 1] = joined;
    else out.push(turn);
  }
  return out;
}

const never = () => false;

/** Two messages of an assistant, with nothing between them. */
export const areTwoMessages = (one: Turn, other: Turn): boolean =>
  one.role === 'assistant' &&
  other.role === 'assistant' &&
  one.parts.at(-1)?.type === 'text' &&
  other.parts[0]?.type === 'text';

function join(one: Turn, other: Turn): Turn | null {
  // Spelled out for each role: only then do the parts keep their type.
  if (one.role === 'user' && other.role === 'user') return { role: 'user', parts: [...one.parts, ...other.parts] };
  if (one.role === 'tool' && other.role === 'tool') return { role: 'tool', parts: [...one.parts, ...other.parts] };
  if (one.role === 'system' && other.role === 'system')
    return { role: 'system', parts: [...one.parts, ...other.parts] };
  if (one.role === 'assistant' && other.role === 'assistant')
    return { role: 'assistant', parts: [...one.parts, ...other.parts] };
  return null;
}

/** All results up to the next assistant turn, and what stands between and behind them. */
function resultsFor(turns: readonly Turn[], from: number) {
  const results: ToolResultPart[] = [];
  const foreign: ForeignPart[] = [];
  const between: Turn[] = [];
  let end = from;
  for (; end < turns.length; end++) {
    const turn = turns[end];
    if (!turn || turn.role === 'assistant') break;
    if (turn.role !== 'tool') {
      between.push(turn);
      continue;
    }
    for (const part of turn.parts) {
      if (part.type === 'tool-result') results.push(part);
      else foreign.push(part);
    }
  }
  return { results, foreign, between, end };
}

function matched(
  calls: readonly ToolCallPart[],
  results: readonly ToolResultPart[],
  warnings: Set<string>,
): readonly ToolResultPart[] {
  const open = new Set(results);
  const found = new Map<ToolCallPart, ToolResultPart>();
  const take = (call: ToolCallPart, fits: (result: ToolResultPart) => boolean) => {
    for (const result of open) {
      if (!fits(result)) continue;
      open.delete(result);
      found.set(call, result);
      return;
    }
  };
  for (const call of calls) take(call, (result) => result.callId !== '' && result.callId === call.id);
  // A repeated result: the last content is the one that the client means.
  for (const result of [...open]) {
    const call = calls.find(({ id }) => id !== '' && id === result.callId);
    if (!call) continue;
    open.delete(result);
    found.set(call, result);
    warnings.add('repeated tool result removed');
  }
  const unmatched = () => calls.filter((call) => !found.has(call));
  for (const call of unmatched()) take(call, (result) => result.name === call.name);
  for (const call of unmatched()) take(call, (result) => result.callId === '' || result.name === null);
  if (open.size > 0) warnings.add('tool result without a call removed');
  return calls.map((call) => {
    const result = found.get(call);
    if (result) return { ...result, callId: call.id, name: call.name, kind: call.kind };
    warnings.add('missing tool result filled in');
    return {
      type: 'tool-result',
      callId: call.id,
      name: call.name,
      content: [{ type: 'text', text: 'The result of this call is not known.' }],
      isError: true,
      kind: call.kind,
    };
  });
}
