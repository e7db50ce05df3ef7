import { isObject, objectsIn } from '../shared/json-shape.ts';
import { editablesIn } from './editable-json.ts';
import type { JsonObject } from './provider.ts';

/**
 * Mends tool calls, for one stream or one whole reply. Some servers send parallel calls without `index` or all with 0, so
 * that clients would glue their arguments together: each id gets its own place. And an answer that calls tools may end
 * with `stop`, which agents read as "nothing to do": it becomes `tool_calls`.
 */
export function fixToolCalls(): (body: JsonObject) => boolean {
  const choices = new Map<unknown, ToolPlaces>();
  return (body) => {
    let isChanged = false;
    for (const choice of editablesIn(body.choices)) {
      const places = choices.get(choice.index) ?? new ToolPlaces();
      choices.set(choice.index, places);
      if (isObject(choice.delta)) {
        for (const call of objectsIn(choice.delta.tool_calls)) if (places.assign(call)) isChanged = true;
      }
      const hasCalls = isObject(choice.message) && objectsIn(choice.message.tool_calls).length > 0;
      if (choice.finish_reason === 'stop' && (hasCalls || places.count > 0)) {
        choice.finish_reason = 'tool_calls';
        isChanged = true;
      }
    }
    return isChanged;
  };
}

class ToolPlaces {
  count = 0;
  readonly #byId = new Map<string, number>();
  /** Where the call last stood that came under this upstream index: later pieces of it have no id. */
  readonly #byIndex = new Map<unknown, number>();

  /** Writes the call's place into `index`; true when that changed it. */
  assign(call: JsonObject): boolean {
    const place = this.#place(call);
    this.#byIndex.set(call.index, place);
    if (call.index === place) return false;
    call.index = place;
    return true;
  }

  #place(call: JsonObject): number {
    const id = typeof call.id === 'string' ? call.id : '';
    const known = id === '' ? undefined : this.#byId.get(id);
    if (known !== undefined) return known;
    const isNamed = isObject(call.function) && typeof call.function.name === 'string' && call.function.name !== '';
    if (id === '' && !isNamed) return this.#byIndex.get(call.index) ?? Math.max(0, this.count - 1);
    const place = this.count++;
    if (id !== '') this.#byId.set(id, place);
    return place;
  }
}
