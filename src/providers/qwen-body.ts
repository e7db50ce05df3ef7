import type { JsonIndex } from '../shared/json-bytes.ts';
import { isObject, objectsIn } from '../shared/json-shape.ts';
import { holds } from '../shared/byte-search.ts';
import { isEditable } from './editable-json.ts';
import type { FieldEdit, JsonObject } from './provider.ts';

/** What Qwen's back ends, on whichever host, want of a request body. */

/** Their streams are corrupt without a tool, or with an empty list of them. It says of itself that it is not to be called. */
const DUMMY_TOOL = {
  type: 'function',
  function: {
    name: 'do_not_call_me',
    description: 'Do not call this tool under any circumstances; it does nothing.',
    parameters: { type: 'object', properties: {} },
  },
};

export const addDummyTool = (): FieldEdit => ({ set: { tools: [DUMMY_TOOL] }, changes: ['dummy tool added'] });

export function hasTools(index: JsonIndex): boolean {
  const tools = index.slice('tools');
  // An empty list, with whatever white space in it, holds no object.
  return tools !== undefined && tools.includes(123);
}

/** `strict` and `additionalProperties` are refused. Parameters that happen to bear these names stay. */
export function stripToolSchemas(index: JsonIndex): FieldEdit | undefined {
  const bytes = index.slice('tools');
  if (!holds(bytes, '"strict"') && !holds(bytes, '"additionalProperties"')) return undefined;
  const tools = index.get('tools');
  const removed = new Set<string>();
  for (const tool of objectsIn(tools)) {
    if (!isEditable(tool.function)) continue;
    if (Object.hasOwn(tool.function, 'strict')) {
      delete tool.function.strict;
      removed.add('tools[].function.strict removed');
    }
    if (stripSchema(tool.function.parameters)) removed.add('additionalProperties removed');
  }
  return removed.size > 0 ? { set: { tools }, changes: [...removed] } : undefined;
}

function stripSchema(schema: unknown): boolean {
  if (!isEditable(schema)) return false;
  let isChanged = Object.hasOwn(schema, 'additionalProperties');
  delete schema.additionalProperties;
  const inner: unknown[] = [schema.items, schema.not];
  for (const key of ['properties', 'patternProperties', '$defs', 'definitions']) {
    if (isObject(schema[key])) inner.push(...Object.values(schema[key]));
  }
  for (const key of ['anyOf', 'oneOf', 'allOf', 'prefixItems']) inner.push(...objectsIn(schema[key]));
  for (const one of inner) if (stripSchema(one)) isChanged = true;
  return isChanged;
}

/** One system message, and that first: later ones, and developer's, are joined to it in their order. */
export function leadWithOneSystem(index: JsonIndex): FieldEdit | undefined {
  if (mayLeadAlready(index.slice('messages'))) return undefined;
  const messages = index.get('messages');
  const isSystem = (message: JsonObject) => message.role === 'system' || message.role === 'developer';
  if (!Array.isArray(messages)) return undefined;
  const systems = objectsIn(messages).filter(isSystem);
  if (systems.length === 0 || (systems.length === 1 && messages[0] === systems[0] && systems[0]?.role === 'system')) {
    return undefined;
  }
  const others = messages.filter((message) => !isObject(message) || !isSystem(message));
  const content = joined(systems.map((message) => message.content));
  return {
    set: { messages: [{ role: 'system', content }, ...others] },
    changes: ['system messages → one, first'],
  };
}

/** True when a look at the bytes is enough: no system message, or one within the first object of the list. */
function mayLeadAlready(bytes: Uint8Array | undefined): boolean {
  if (!bytes || holds(bytes, '"developer"')) return bytes === undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = text.indexOf('"system"');
  if (at < 0) return true;
  return !text.subarray(0, at).includes(125) && text.indexOf('"system"', at + 1) < 0;
}

/** Texts are joined by a blank line; as soon as one is a list of parts, all become parts. */
function joined(contents: readonly unknown[]): unknown {
  if (contents.every((content) => typeof content === 'string')) return contents.join('\n\n');
  return contents.flatMap((content) => (Array.isArray(content) ? content : [{ type: 'text', text: String(content) }]));
}
