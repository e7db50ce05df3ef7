import { isObject } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';

/** Does an event hold anything that a person or a program would use? It commits the answer. */
export function hasContent(event: JsonRecord): boolean {
  const type = typeof event.type === 'string' ? event.type : '';
  // Text, refusals, reasoning, arguments, code, sound: whatever grows, grows by deltas.
  if (type.endsWith('.delta')) return isObject(event.delta) || isFilled(event.delta);
  switch (type) {
    case 'response.output_item.added':
    case 'response.output_item.done':
      return isObject(event.item) && itemHasContent(event.item);
    case 'response.image_generation_call.partial_image':
      return true;
    default:
      return false;
  }
}

/** A message or a reasoning item opens empty; everything else is a call, of the client's tools or of the vendor's. */
function itemHasContent(item: JsonRecord): boolean {
  switch (item.type) {
    case 'message':
      return isFilled(item.content);
    case 'reasoning':
      return isFilled(item.summary) || isFilled(item.content);
    case 'image_generation_call':
      return isFilled(item.result);
    default:
      return true;
  }
}

const isFilled = (value: unknown) => (typeof value === 'string' || Array.isArray(value)) && value.length > 0;
