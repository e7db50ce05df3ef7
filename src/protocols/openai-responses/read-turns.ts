import { isObject, parseJson, textOr } from '../../shared/json-shape.ts';
import type { ForeignPart, JsonRecord, TextPart, ToolResultPart, Turn } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { wrong } from '../request-bytes.ts';
import { areTwoMessages, mergeNeighbours } from '../well-formed-turns.ts';
import { foreignBesides } from './foreign-fields.ts';
import { inputItems } from './input-items.ts';
import { neutralName } from './namespaces.ts';
import { foreignPart, type InputPart, readContent } from './read-content.ts';
import { assistantParts, callPart, type ItemNames } from './read-item.ts';

export type ReadTurns = {
  readonly instructions: readonly (TextPart | ForeignPart)[];
  readonly turns: readonly Turn[];
  readonly warnings: Iterable<string>;
};

// An id that is missing stays so: results are matched to calls by order then.
const NAMES: ItemNames = { tool: neutralName, missingCallId: () => '', keepsIds: true };

/** The conversation of a request: items in, turns out. Consecutive calls become one turn. */
export function readTurns(body: JsonRecord): ReadTurns | Problem {
  const odd = Array.isArray(body.input)
    ? body.input.findIndex((item) => typeof item !== 'string' && !isObject(item))
    : -1;
  if (odd >= 0) return wrong(`input[${odd}] must be an object`, `input[${odd}]`);
  const warnings = new Set<string>();
  const items = inputItems(body.input);
  const names = callNames(items);
  const turns = items.map((item) => turnOf(item, names, warnings));
  const first = turns.findIndex(({ role }) => role !== 'system');
  const leading = turns.slice(0, first < 0 ? turns.length : first);
  return {
    instructions: [
      ...systemParts(body.instructions, warnings),
      // Instructions may also be said by messages before the first of the conversation.
      ...leading.flatMap((turn) => (turn.role === 'system' ? turn.parts : [])),
    ],
    turns: mergeNeighbours(turns.slice(leading.length), areTwoMessages),
    warnings,
  };
}

/** Results do not name their tool; the history does. */
function callNames(items: readonly JsonRecord[]): ReadonlyMap<string, string> {
  const calls = items.filter(({ type }) => type === 'function_call' || type === 'custom_tool_call');
  return new Map(calls.map((item) => callPart(item, NAMES)).map(({ id, name }) => [id, name]));
}

function turnOf(item: JsonRecord, names: ReadonlyMap<string, string>, warnings: Set<string>): Turn {
  const type = textOr(item.type);
  switch (type) {
    case 'message':
    case null:
      return messageTurn(item, warnings);
    case 'function_call_output':
    case 'custom_tool_call_output':
      return { role: 'tool', parts: [resultPart(item, names, warnings)] };
    case 'configuration_update':
    case 'additional_tools':
    case 'mcp_approval_response':
    case 'compaction_trigger':
      return { role: 'user', parts: [foreignPart(item, 'item')] };
    default:
      if (type.endsWith('_output')) return { role: 'tool', parts: [foreignPart(item, 'item')] };
      return { role: 'assistant', parts: assistantParts(item, NAMES) };
  }
}

function messageTurn(item: JsonRecord, warnings: Set<string>): Turn {
  switch (item.role) {
    case 'assistant':
      return { role: 'assistant', parts: assistantParts(item, NAMES) };
    case 'system':
    case 'developer':
      return { role: 'system', parts: systemParts(item.content, warnings) };
    case 'user':
      return { role: 'user', parts: readContent(item.content, warnings) };
    default:
      return { role: 'user', parts: [foreignPart(item, 'message of an unknown role')] };
  }
}

function systemParts(content: unknown, warnings: Set<string>): readonly (TextPart | ForeignPart)[] {
  const isMessage = (part: unknown) => isObject(part) && part.content !== undefined;
  // `instructions` of a template is a list of messages.
  const flat = Array.isArray(content)
    ? content.flatMap((part) => (isObject(part) && isMessage(part) ? (asList(part.content) ?? []) : [part]))
    : content;
  return readContent(flat, warnings).flatMap((part): readonly (TextPart | ForeignPart)[] => {
    if (part.type === 'text' || part.type === 'foreign') return [part];
    warnings.add(`${part.type} in instructions removed`);
    return [];
  });
}

function asList(content: unknown): readonly unknown[] | null {
  if (typeof content === 'string') return [content];
  return Array.isArray(content) ? content : null;
}

const RESULT_FIELDS: ReadonlySet<string> = new Set(['type', 'id', 'status', 'call_id', 'name', 'namespace', 'output']);

function resultPart(item: JsonRecord, names: ReadonlyMap<string, string>, warnings: Set<string>): ToolResultPart {
  const callId = textOr(item.call_id) ?? '';
  const ownName = textOr(item.name) === null ? null : neutralName(item);
  return {
    type: 'tool-result',
    callId,
    name: ownName ?? names.get(callId) ?? null,
    content: outputParts(item.output, warnings),
    isError: false,
    kind: item.type === 'custom_tool_call_output' ? 'custom' : 'function',
    ...foreignBesides(item, RESULT_FIELDS),
  };
}

function outputParts(output: unknown, warnings: Set<string>): readonly InputPart[] {
  if (typeof output === 'string') return readContent(partsInText(output) ?? output, warnings);
  if (Array.isArray(output)) return readContent(output, warnings);
  return isObject(output) ? [{ type: 'text', text: JSON.stringify(output) }] : [];
}

const PARTS: ReadonlySet<unknown> = new Set(['input_text', 'input_image', 'input_file']);

/** Images that a client could only send as the text of their parts. */
function partsInText(output: string): readonly unknown[] | null {
  if (!output.startsWith('[') || !output.includes('"input_image"')) return null;
  const value = parseJson(output);
  return Array.isArray(value) && value.every((part) => isObject(part) && PARTS.has(part.type)) ? value : null;
}
