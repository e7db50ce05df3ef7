import { dataUrl } from '../data-url.ts';
import type { AudioPart, FilePart, ImagePart, JsonRecord } from '../ir.ts';
import { ownFields } from './foreign-fields.ts';
import { audioFormatOf, fileNameOf } from './media-names.ts';
import type { InputPart } from './read-content.ts';

export type WriteRules = {
  readonly warnings: Set<string>;
  /** The request came in this protocol: marks and ids mean to its upstream what they meant to its client. */
  readonly isHome: boolean;
};

/** What a client says or a tool gave back, as content parts. What this protocol has no place for is told. */
export function contentParts(parts: readonly InputPart[], rules: WriteRules): readonly JsonRecord[] {
  return parts.flatMap((part): readonly JsonRecord[] => {
    const written = contentPart(part, rules);
    if (typeof written !== 'string') return [written];
    if (written !== '') rules.warnings.add(`${written} removed`);
    return [];
  });
}

/** A text: what could not be written; nothing worth a word when it is empty. */
function contentPart(part: InputPart, rules: WriteRules): JsonRecord | string {
  switch (part.type) {
    case 'text':
      return part.text === '' ? '' : { type: 'input_text', text: part.text, ...breakpoint(part, rules) };
    case 'image':
      return imagePart(part, rules);
    case 'file':
      return filePart(part, rules);
    case 'audio':
      return audioPart(part);
    case 'foreign':
      return part.protocol === 'openai-responses' ? part.value : part.name;
  }
}

function imagePart(part: ImagePart, rules: WriteRules): JsonRecord | string {
  const { source } = part;
  const head = { type: 'input_image', detail: part.detail ?? 'auto' };
  const tail = { ...ownFields(part.foreign, rules.warnings), ...breakpoint(part, rules) };
  switch (source.kind) {
    case 'data':
      return { ...head, image_url: dataUrl(source), ...tail };
    case 'url':
      return { ...head, image_url: source.url, ...tail };
    case 'file-id':
      return isOurs(source.protocol) ? { ...head, file_id: source.id, ...tail } : 'image uploaded to another provider';
  }
}

function filePart(part: FilePart, rules: WriteRules): JsonRecord | string {
  const { source, filename } = part;
  const tail = { ...ownFields(part.foreign, rules.warnings), ...breakpoint(part, rules) };
  switch (source.kind) {
    case 'data': {
      const name = filename ?? fileNameOf(source.mediaType);
      return { type: 'input_file', filename: name, file_data: dataUrl(source), ...tail };
    }
    case 'url':
      // Beside a URL the vendor takes no name.
      return { type: 'input_file', file_url: source.url, ...tail };
    case 'file-id':
      return isOurs(source.protocol)
        ? { type: 'input_file', file_id: source.id, ...tail }
        : 'file uploaded to another provider';
  }
}

function audioPart({ source }: AudioPart): JsonRecord | string {
  const format = source.kind === 'data' ? audioFormatOf(source.mediaType) : null;
  if (source.kind !== 'data' || !format) return 'audio that is neither wav nor mp3';
  return { type: 'input_audio', input_audio: { data: source.data, format } };
}

/** Files uploaded through OpenAI's chat API are the same files. */
const isOurs = (protocol: string) => protocol === 'openai-responses' || protocol === 'openai-chat';

/** Prompts are cached without being asked to; marks of other protocols have nothing to add, and other lifetimes. */
function breakpoint({ cache }: Pick<ImagePart, 'cache'>, { isHome }: WriteRules): JsonRecord {
  if (!isHome || !cache) return {};
  const mark = { mode: 'explicit', ...(cache.ttl !== null && { ttl: cache.ttl }) };
  return { prompt_cache_breakpoint: mark };
}
