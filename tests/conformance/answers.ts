import fc from 'fast-check';
import type { ChatEvent, ChatReply } from '../../src/protocols/ir.ts';
import { replyEvents } from '../../src/protocols/reply-events.ts';
import { calls, noUsage, replyOf } from './reply-aspects.ts';
import { words } from './request-aspects.ts';

/** Whole answers of every shape that each protocol has words for. */
export const answers: fc.Arbitrary<ChatReply> = fc
  .record({
    thought: fc.option(words),
    before: fc.array(words, { maxLength: 2 }),
    calls: fc.oneof(fc.constant([]), calls),
    after: fc.option(words),
    isCut: fc.boolean(),
    counts: fc.tuple(fc.nat({ max: 99 }), fc.nat({ max: 99 }), fc.nat({ max: 99 }), fc.nat({ max: 99 })),
  })
  .map(({ thought, before, calls: called, after, isCut, counts: [fresh, cached, said, thoughtTokens] }) => {
    const parts = [
      ...(thought === null ? [] : [{ type: 'reasoning' as const, text: thought, signature: null }]),
      ...before.map((text) => ({ type: 'text' as const, text })),
      ...called,
      ...(after === null || called.length === 0 ? [] : [{ type: 'text' as const, text: after }]),
    ];
    // Behind a whole call it is a matter of taste what ended the answer.
    const unified = called.length > 0 ? 'tool-calls' : isCut ? 'length' : 'stop';
    return replyOf(parts, {
      choices: [{ parts, finish: { unified, raw: null } }],
      usage: {
        ...noUsage,
        inputTokens: fresh + cached,
        cachedTokens: cached,
        outputTokens: said + thoughtTokens,
        reasoningTokens: thoughtTokens,
      },
    });
  });

/**
 * The same answer as upstreams say it: texts in pieces of any size, usage early or late or twice, and parallel calls that
 * grow side by side.
 */
export const told = (reply: ChatReply): fc.Arbitrary<readonly ChatEvent[]> =>
  fc
    .record({
      sizes: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 }),
      isUsageEarly: fc.boolean(),
      isInterleaved: fc.boolean(),
    })
    .map(({ sizes, isUsageEarly, isInterleaved }) => {
      const pieces = [...replyEvents(reply)].flatMap((event) => cut(event, sizes));
      const ordered = isInterleaved ? interleaved(pieces) : pieces;
      const usage = ordered.filter(({ type }) => type === 'usage');
      if (!isUsageEarly) return ordered;
      const [start, ...rest] = ordered;
      return start ? [start, ...usage, ...rest] : ordered;
    });

function cut(event: ChatEvent, sizes: readonly number[]): readonly ChatEvent[] {
  if (!('text' in event)) return [event];
  const out: ChatEvent[] = [];
  // By character, as tokens are: half of a surrogate pair is no text.
  const characters = [...event.text];
  for (let at = 0, turn = 0; at < characters.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    out.push({ ...event, text: characters.slice(at, at + size).join('') });
    at += size;
  }
  return out;
}

/** Calls that stand side by side start together and grow in turns. */
function interleaved(events: readonly ChatEvent[]): readonly ChatEvent[] {
  const of = (event: ChatEvent) => ('call' in event ? event.call : null);
  const out: ChatEvent[] = [];
  let run: ChatEvent[] = [];
  const flush = () => {
    const lanes = [...new Set(run.map(of))].map((call) => run.filter((event) => of(event) === call));
    const starts = lanes.flatMap((lane) => lane.filter(({ type }) => type === 'tool-call-start'));
    const rests = lanes.map((lane) => lane.filter(({ type }) => type !== 'tool-call-start'));
    out.push(...starts);
    for (let at = 0; rests.some((lane) => at < lane.length); at++) {
      out.push(...rests.flatMap((lane) => lane.slice(at, at + 1)));
    }
    run = [];
  };
  for (const event of events) {
    if (of(event) !== null) run.push(event);
    else {
      flush();
      out.push(event);
    }
  }
  flush();
  return out;
}
