import { isObject, objectsIn, parseJson, textOr } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';
import { EventSequence } from './event-sequence.ts';
import { CallItem, MessageItem, ReasoningItem, wholeItem } from './growing-items.ts';
import { endTypeOf } from './terminal-events.ts';

/** A whole response as the stream that would have said it. What nobody here knows of it stays in its items and its end. */
export function streamOf(reply: Uint8Array): string {
  const parsed = parseJson(new TextDecoder().decode(reply));
  const whole = isObject(parsed) ? parsed : {};
  const output = objectsIn(whole.output).map(withId);
  const response = { ...whole, output };
  const begun = { ...response, status: 'in_progress', incomplete_details: null, output: [], usage: null };
  const events = new EventSequence();
  const begin =
    events.frame('response.created', { response: begun }) + events.frame('response.in_progress', { response: begun });
  const items = output.map((item, outputIndex) => itemFrames(events, outputIndex, item)).join('');
  return begin + items + events.frame(endTypeOf(response), { response });
}

/** Events name their item; clients refuse items without a name. */
function withId(item: JsonRecord, position: number): JsonRecord & { readonly id: string } {
  return { ...item, id: textOr(item.id) || `item_${position}` };
}

function itemFrames(events: EventSequence, outputIndex: number, item: JsonRecord & { readonly id: string }): string {
  const place = { events, outputIndex, id: item.id };
  const status = item.status === 'incomplete' ? 'incomplete' : 'completed';
  switch (item.type) {
    case 'message': {
      const message = new MessageItem(place);
      let frames = message.open();
      for (const part of objectsIn(item.content)) {
        if (part.type === 'refusal') frames += message.refusal(textOr(part.refusal) ?? '');
        else if (part.type === 'output_text') {
          frames += message.text(textOr(part.text) ?? '', objectsIn(part.logprobs));
          for (const annotation of objectsIn(part.annotations)) frames += message.annotate(annotation);
        }
        frames += message.closePart(part);
      }
      return frames + message.close(status, item).frames;
    }
    case 'reasoning': {
      const reasoning = new ReasoningItem(place);
      let frames = reasoning.open();
      for (const part of objectsIn(item.summary))
        frames += reasoning.say(textOr(part.text) ?? '') + reasoning.closePart();
      return frames + reasoning.close(null, item).frames;
    }
    case 'function_call':
    case 'custom_tool_call': {
      const isCustom = item.type === 'custom_tool_call';
      const call = new CallItem(place, {
        isCustom,
        callId: textOr(item.call_id) ?? item.id,
        name: textOr(item.name) ?? '',
        namespace: textOr(item.namespace),
      });
      const text = textOr(isCustom ? item.input : item.arguments) ?? '';
      return call.open() + call.say(text) + call.close(status, item).frames;
    }
    default:
      return wholeItem(events, outputIndex, item);
  }
}
