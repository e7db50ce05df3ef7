import { objectsIn, textOr } from '../../shared/json-shape.ts';
import { base64Source } from '../data-url.ts';
import type { AssistantPart, JsonRecord, ReasoningPart, Signature, TextPart, ToolCallPart } from '../ir.ts';
import { readLogprobs } from '../openai-logprobs.ts';
import { citationOf } from './annotations.ts';
import { foreignBesides } from './foreign-fields.ts';
import { foreignPart } from './read-content.ts';
import { UNSIGNED_PREFIX } from './unsigned.ts';

/** What an item that a model made says: the same in an answer and in the history of a request. */

export type ItemNames = {
  /** The client's name for the tool of a call. */
  tool(item: JsonRecord): string;
  /** The id of a call that has none. */
  missingCallId(): string;
  /** Items are to be given back under the ids they have: in a request's history. */
  readonly keepsIds: boolean;
};

export function assistantParts(item: JsonRecord, names: ItemNames): readonly AssistantPart[] {
  switch (item.type) {
    // A message may be written without its type.
    case 'message':
    case undefined:
      return messageParts(item, names);
    case 'reasoning':
      return reasoningParts(item, names);
    case 'function_call':
    case 'custom_tool_call':
      return [callPart(item, names)];
    case 'image_generation_call':
      return [imagePart(item) ?? foreignPart(item, 'item')];
    default:
      return [foreignPart(item, 'item')];
  }
}

function messageParts(item: JsonRecord, { keepsIds }: ItemNames): readonly AssistantPart[] {
  // `phase` tells comments from answers; models want it back with the message.
  const signature = keepsIds ? itemSignature(item, textOr(item.phase) ?? '') : null;
  const text = (text: string): TextPart => ({ type: 'text', text, ...(signature && { signature }) });
  if (typeof item.content === 'string') return item.content === '' ? [] : [text(item.content)];
  return objectsIn(item.content).map((part): AssistantPart => {
    switch (part.type) {
      case 'output_text':
      case 'input_text':
      case 'text': {
        const citations = objectsIn(part.annotations).map(citationOf);
        // In a history they tell nobody anything.
        const logprobs = keepsIds ? null : readLogprobs(part.logprobs);
        return {
          ...text(textOr(part.text) ?? ''),
          ...(citations.length > 0 && { citations }),
          ...(logprobs && { logprobs }),
        };
      }
      case 'refusal':
        return { type: 'refusal', text: textOr(part.refusal) ?? '' };
      default:
        return foreignPart(part, 'content part');
    }
  });
}

/** One part for each paragraph of the summary, the last one signed. Where there is no summary, the thoughts themselves. */
function reasoningParts(item: JsonRecord, { keepsIds }: ItemNames): readonly ReasoningPart[] {
  const texts = reasoningTexts(item);
  const encrypted = textOr(item.encrypted_content);
  const isIssued = keepsIds && !textOr(item.id)?.startsWith(UNSIGNED_PREFIX);
  const signature = encrypted || isIssued ? itemSignature(item, encrypted ?? '') : null;
  if (texts.length === 0) return signature ? [{ type: 'reasoning', text: '', signature }] : [];
  return texts.map((text, at) => ({
    type: 'reasoning',
    text,
    signature: at === texts.length - 1 ? signature : null,
  }));
}

function reasoningTexts(item: JsonRecord): readonly string[] {
  const texts = (parts: unknown) => objectsIn(parts).flatMap(({ text }) => textOr(text) || []);
  const summary = texts(item.summary);
  return summary.length > 0 ? summary : texts(item.content);
}

const CALL_FIELDS: ReadonlySet<string> = new Set([
  'type',
  'id',
  'status',
  'call_id',
  'name',
  'namespace',
  'arguments',
  'input',
]);

export function callPart(item: JsonRecord, names: ItemNames): ToolCallPart {
  const isCustom = item.type === 'custom_tool_call';
  const signature = names.keepsIds ? itemSignature(item, textOr(item.namespace) ?? '') : null;
  return {
    type: 'tool-call',
    id: textOr(item.call_id) || textOr(item.id) || names.missingCallId(),
    name: names.tool(item),
    arguments: argumentsOf(isCustom ? item.input : item.arguments),
    kind: isCustom ? 'custom' : 'function',
    ...(signature && { signature }),
    ...(names.keepsIds && foreignBesides(item, CALL_FIELDS)),
  };
}

/** Some clients send the object itself. */
function argumentsOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

function imagePart(item: JsonRecord): AssistantPart | null {
  const format = textOr(item.output_format) ?? 'png';
  const source = base64Source(`image/${format}`, textOr(item.result) ?? '');
  if (!source) return null;
  const signature = itemSignature(item, '');
  return { type: 'image', source, ...(signature && { signature }) };
}

/** The id under which an item returns home, with what only its own protocol can read. Null when there is neither. */
function itemSignature(item: JsonRecord, value: string): Signature | null {
  const itemId = textOr(item.id);
  if (!itemId && value === '') return null;
  return { protocol: 'openai-responses', value, ...(itemId && { itemId }) };
}
