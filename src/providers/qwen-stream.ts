import { isObject, objectsIn } from '../shared/json-shape.ts';
import type { SseFrame } from '../shared/sse.ts';
import { editablesIn } from './editable-json.ts';
import { eventFrame, eventOf } from './event-frame.ts';
import type { JsonObject, StreamRewriter } from './provider.ts';
import { ThinkSplitter } from './think-tags.ts';

/**
 * Streams of Qwen's back ends, on whichever host: reasoning may stand in `<think>` tags that are cut anywhere, and the
 * usage comes in a chunk of its own behind the one with the finish reason, which several clients take for a new answer.
 */
export function rewriteQwenStream(): StreamRewriter {
  const splitters = new Map<unknown, ThinkSplitter>();
  /** A chunk with a finish reason, until it is known whether its usage follows. */
  let finish: JsonObject | null = null;

  function released(): readonly SseFrame[] {
    const held = finish;
    finish = null;
    return held ? [eventFrame(held)] : [];
  }

  /** True when it changed something. */
  function split(event: JsonObject): boolean {
    let isChanged = false;
    for (const choice of editablesIn(event.choices)) {
      const delta = isObject(choice.delta) ? choice.delta : {};
      const splitter = splitters.get(choice.index) ?? new ThinkSplitter();
      splitters.set(choice.index, splitter);
      const piece = typeof delta.content === 'string' ? delta.content : '';
      const said = splitter.push(piece);
      const rest = endsChoice(choice) ? splitter.end() : { reasoning: '', content: '' };
      const content = said.content + rest.content;
      const reasoning = said.reasoning + rest.reasoning;
      if (content === piece && reasoning === '') continue;
      const before = typeof delta.reasoning_content === 'string' ? delta.reasoning_content : '';
      choice.delta = { ...delta, content, ...(reasoning !== '' && { reasoning_content: before + reasoning }) };
      isChanged = true;
    }
    return isChanged;
  }

  return {
    push(frame) {
      const event = eventOf(frame);
      if (!event) return [...released(), frame];
      const isEmptyUsage = isObject(event.usage) && Object.keys(event.usage).length === 0;
      if (isEmptyUsage) delete event.usage;
      const isChanged = split(event) || isEmptyUsage;
      if (finish && isObject(event.usage) && saysNothing(event)) {
        const merged = { ...finish, usage: event.usage };
        finish = null;
        return [eventFrame(merged)];
      }
      const before = released();
      if (objectsIn(event.choices).some(endsChoice) && !isObject(event.usage)) {
        finish = event;
        return before;
      }
      return [...before, isChanged ? eventFrame(event) : frame];
    },
    end: released,
  };
}

const endsChoice = (choice: JsonObject): boolean =>
  typeof choice.finish_reason === 'string' && choice.finish_reason !== '';

const saysNothing = (event: JsonObject): boolean =>
  objectsIn(event.choices).every(
    (choice) =>
      !isObject(choice.delta) ||
      [choice.delta.content, choice.delta.reasoning_content, choice.delta.tool_calls].every(
        (value) =>
          value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0),
      ),
  );
