import { isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import { base64Source, mediaSource } from '../data-url.ts';
import type {
  AssistantPart,
  FilePart,
  ForeignFields,
  ForeignPart,
  ImagePart,
  JsonRecord,
  MediaSource,
  TextPart,
  ToolResultPart,
  UserPart,
} from '../ir.ts';
import { readCacheMark } from './cache-marks.ts';
import { readCitation } from './citations.ts';
import { UNSIGNED } from './unsigned.ts';

/** Content blocks of a conversation as neutral parts. A block that nobody here knows is foreign, and goes home as it is. */

/** A message's content: a text alone is one block. */
export function blocksOf(content: unknown): readonly JsonRecord[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return objectsIn(content);
}

export function foreignPart(block: JsonRecord, name = textOr(block.type) ?? 'content block'): ForeignPart {
  return { type: 'foreign', protocol: 'anthropic-messages', name, value: block };
}

/** What of a block or a tool has no neutral form. */
export function foreignFields(value: JsonRecord, known: ReadonlySet<string>): { readonly foreign?: ForeignFields } {
  const fields = Object.fromEntries(
    Object.entries(value).filter(([name, field]) => !known.has(name) && field !== null),
  );
  return Object.keys(fields).length === 0 ? {} : { foreign: { protocol: 'anthropic-messages', fields } };
}

export function textPart(block: JsonRecord): TextPart {
  const citations = objectsIn(block.citations).map((citation) => readCitation(citation, null));
  return {
    type: 'text',
    text: textOr(block.text) ?? '',
    ...readCacheMark(block.cache_control),
    ...(citations.length > 0 && { citations }),
  };
}

export function userPart(block: JsonRecord): UserPart {
  switch (block.type) {
    case 'text':
      return textPart(block);
    case 'image':
      return imagePart(block) ?? foreignPart(block);
    case 'document':
      return filePart(block) ?? foreignPart(block);
    default:
      return foreignPart(block);
  }
}

export function assistantPart(block: JsonRecord): AssistantPart {
  switch (block.type) {
    case 'text':
      return textPart(block);
    case 'thinking': {
      const value = textOr(block.signature) ?? '';
      const signature =
        value === '' || value === UNSIGNED ? null : ({ protocol: 'anthropic-messages', value } as const);
      return { type: 'reasoning', text: textOr(block.thinking) ?? '', signature };
    }
    case 'redacted_thinking': {
      const value = textOr(block.data);
      if (value === null) return foreignPart(block);
      return { type: 'redacted-reasoning', signature: { protocol: 'anthropic-messages', value } };
    }
    case 'tool_use':
      return {
        type: 'tool-call',
        id: textOr(block.id) ?? '',
        name: textOr(block.name) ?? '',
        arguments: argumentsOf(block.input),
        kind: 'function',
        ...readCacheMark(block.cache_control),
        ...foreignFields(block, CALL_FIELDS),
      };
    case 'image':
      return imagePart(block) ?? foreignPart(block);
    default:
      return foreignPart(block);
  }
}

const CALL_FIELDS = new Set(['type', 'id', 'name', 'input', 'cache_control']);
const RESULT_FIELDS = new Set(['type', 'tool_use_id', 'content', 'is_error', 'cache_control']);

export function toolResultPart(block: JsonRecord, names: ReadonlyMap<string, string>): ToolResultPart {
  const callId = textOr(block.tool_use_id) ?? '';
  return {
    type: 'tool-result',
    callId,
    name: names.get(callId) ?? null,
    content: blocksOf(block.content).map(userPart),
    isError: block.is_error === true,
    kind: 'function',
    ...readCacheMark(block.cache_control),
    ...foreignFields(block, RESULT_FIELDS),
  };
}

/** Some clients send the text of the input where its object belongs. */
const argumentsOf = (input: unknown): string => (typeof input === 'string' ? input : JSON.stringify(input ?? {}));

const IMAGE_FIELDS = new Set(['type', 'source', 'cache_control']);
const DOCUMENT_FIELDS = new Set(['type', 'source', 'title', 'cache_control']);

function imagePart(block: JsonRecord): ImagePart | null {
  const source = sourceOf(block.source, 'image/png');
  return (
    source && {
      type: 'image',
      source,
      ...readCacheMark(block.cache_control),
      ...foreignFields(block, IMAGE_FIELDS),
    }
  );
}

function filePart(block: JsonRecord): FilePart | null {
  const source = sourceOf(block.source, 'application/pdf');
  return (
    source && {
      type: 'file',
      source,
      filename: textOr(block.title),
      ...readCacheMark(block.cache_control),
      ...foreignFields(block, DOCUMENT_FIELDS),
    }
  );
}

/** Null for sources without a neutral form: a document made of blocks. */
function sourceOf(source: unknown, fallbackType: string): MediaSource | null {
  if (!isObject(source)) return null;
  const mediaType = textOr(source.media_type) ?? fallbackType;
  const data = textOr(source.data);
  const url = textOr(source.url);
  const id = textOr(source.file_id);
  switch (source.type) {
    case 'base64':
      if (data === null) return null;
      // Clients paste whole data URLs.
      return /^data:/i.test(data) ? mediaSource(data, mediaType) : base64Source(mediaType, data);
    case 'text':
      return data === null
        ? null
        : { kind: 'data', mediaType: 'text/plain', data: Buffer.from(data).toString('base64') };
    case 'url':
      return url === null ? null : mediaSource(url, fallbackType);
    case 'file':
      return id === null ? null : { kind: 'file-id', protocol: 'anthropic-messages', id };
    default:
      return null;
  }
}
