import { isObject, textOr } from '../../shared/json-shape.ts';
import { base64Source, mediaSource } from '../data-url.ts';
import type {
  AudioPart,
  CacheMark,
  FilePart,
  ForeignPart,
  ImagePart,
  JsonRecord,
  MediaSource,
  TextPart,
} from '../ir.ts';
import { mediaTypeOfFile } from './media-names.ts';

/** What stands in a message of the client, or in what its tools gave back. */
export type InputPart = TextPart | ImagePart | AudioPart | FilePart | ForeignPart;

/** A list of content parts, or a string that stands for one text. Parts that nobody can read are told. */
export function readContent(content: unknown, warnings: Set<string>): readonly InputPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  if (!Array.isArray(content)) return [];
  return content.flatMap((part): readonly InputPart[] => {
    if (typeof part === 'string') return [{ type: 'text', text: part }];
    if (!isObject(part)) return [];
    const read = readPart(part);
    if (typeof read !== 'string') return [read];
    warnings.add(`${read} removed`);
    return [];
  });
}

/** A text: what could not be read. */
function readPart(part: JsonRecord): InputPart | string {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: textOr(part.text) ?? '', ...cacheOf(part) };
    case 'refusal':
      return { type: 'text', text: textOr(part.refusal) ?? '' };
    case 'input_image':
      return imagePart(part);
    case 'input_file':
      return filePart(part);
    case 'input_audio':
      return audioPart(part);
    default:
      return foreignPart(part, 'content part');
  }
}

export function foreignPart(value: JsonRecord, fallback: string): ForeignPart {
  return { type: 'foreign', protocol: 'openai-responses', name: textOr(value.type) ?? fallback, value };
}

function imagePart(part: JsonRecord): ImagePart | string {
  const url = textOr(isObject(part.image_url) ? part.image_url.url : part.image_url);
  const source = url ? mediaSource(url, 'image/png') : fileId(part);
  if (!source) return 'unreadable image';
  const detail = detailOf(part.detail);
  // The largest, which has no name elsewhere.
  const isOriginal = part.detail === 'original';
  return {
    type: 'image',
    source,
    ...(detail && { detail }),
    ...cacheOf(part),
    ...(isOriginal && { foreign: { protocol: 'openai-responses', fields: { detail: 'original' } } as const }),
  };
}

function detailOf(value: unknown): ImagePart['detail'] | null {
  if (value === 'original') return 'high';
  return value === 'low' || value === 'high' || value === 'auto' ? value : null;
}

function filePart(part: JsonRecord): FilePart | string {
  const filename = textOr(part.filename);
  const source = fileSource(part, filename);
  return source ? { type: 'file', source, filename, ...cacheOf(part) } : 'unreadable file';
}

function fileSource(part: JsonRecord, filename: string | null): MediaSource | null {
  const mediaType = mediaTypeOfFile(filename);
  const data = textOr(part.file_data);
  // With `data:` in front or without, both are seen.
  if (data) return /^data:/i.test(data) ? mediaSource(data, mediaType) : base64Source(mediaType, data);
  const url = textOr(part.file_url);
  return url ? mediaSource(url, mediaType) : fileId(part);
}

function fileId(part: JsonRecord): MediaSource | null {
  const id = textOr(part.file_id);
  return id ? { kind: 'file-id', protocol: 'openai-responses', id } : null;
}

function audioPart(part: JsonRecord): AudioPart | string {
  const audio = isObject(part.input_audio) ? part.input_audio : part;
  const format = textOr(audio.format) ?? 'wav';
  const source = base64Source(`audio/${format === 'mp3' ? 'mpeg' : format}`, textOr(audio.data) ?? '');
  return source ? { type: 'audio', source } : 'unreadable audio';
}

function cacheOf(part: JsonRecord): { readonly cache?: CacheMark } {
  const mark = part.prompt_cache_breakpoint;
  return isObject(mark) ? { cache: { ttl: textOr(mark.ttl) } } : {};
}
