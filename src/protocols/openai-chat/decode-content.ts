import { isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import { base64Source, mediaSource } from '../data-url.ts';
import type { AudioPart, FilePart, ForeignPart, ImagePart, JsonRecord, MediaSource, TextPart } from '../ir.ts';
import { withMark } from './cache-marks.ts';
import type { Losses } from './losses.ts';
import { audioType, typeByName } from './media-names.ts';
import { thoughtSignature } from './thought-signature.ts';

/** The content of a message: a text, or a list of parts. */

export type ContentPart = TextPart | ImagePart | AudioPart | FilePart | ForeignPart;

/** The texts and objects of a content; a bare text is one part. Empty texts say nothing and are left out. */
export function contentParts(content: unknown, where: string, losses: Losses): readonly ContentPart[] {
  if (content === null || content === undefined || content === '') return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  // Not by the rules, but plain in its meaning: a tool's result that was not made a text.
  if (!Array.isArray(content)) return [{ type: 'text', text: JSON.stringify(content) }];
  return content.flatMap((part: unknown, place): ContentPart[] => {
    if (typeof part === 'string') return part === '' ? [] : [{ type: 'text', text: part }];
    if (!isObject(part)) return [];
    const decoded = contentPart(part, `${where}[${place}]`, losses);
    return decoded ? [decoded] : [];
  });
}

/** Text and content without a neutral form, for places that take nothing else. */
export function textParts(content: unknown, where: string, losses: Losses): readonly (TextPart | ForeignPart)[] {
  return contentParts(content, where, losses).filter((part) => {
    const isKept = part.type === 'text' || part.type === 'foreign';
    if (!isKept) losses.warn(`${part.type} in an instruction removed`);
    return isKept;
  });
}

export function foreignPart(part: JsonRecord): ForeignPart {
  return { type: 'foreign', protocol: 'openai-chat', name: textOr(part.type) ?? 'part without a type', value: part };
}

function contentPart(part: JsonRecord, where: string, losses: Losses): ContentPart | null {
  switch (part.type) {
    case 'text':
    case 'input_text':
    case 'output_text': {
      const text = textOr(part.text) ?? '';
      return text === '' ? null : { type: 'text', text, ...withMark(part) };
    }
    case 'image_url':
    case 'input_image':
      return imagePart(part, where, losses);
    case 'input_audio':
      return inputAudio(part, where, losses);
    case 'audio_url': {
      const source = sourceOf(urlIn(part.audio_url), 'audio/wav', `${where}.audio_url`, losses);
      return source && { type: 'audio', source, ...withMark(part) };
    }
    case 'video_url': {
      const url = urlIn(part.video_url);
      const mediaType = typeByName(url ?? '') ?? 'video/mp4';
      const source = sourceOf(url, mediaType, `${where}.video_url`, losses);
      return source && { type: 'file', source: { mediaType, ...source }, filename: null, ...withMark(part) };
    }
    case 'file':
    case 'input_file':
      return filePart(part, where, losses);
    default:
      return foreignPart(part);
  }
}

const urlIn = (value: unknown): string | null => (isObject(value) ? textOr(value.url) : textOr(value));

function sourceOf(url: string | null, fallbackType: string, where: string, losses: Losses): MediaSource | null {
  const source = url === null || url === '' ? null : mediaSource(url, fallbackType);
  if (!source) losses.refuse(`${where} must be a URL or a data: URL with base64`, where);
  return source;
}

export function imagePart(part: JsonRecord, where: string, losses: Losses): ImagePart | null {
  const source = sourceOf(urlIn(part.image_url), 'image/png', `${where}.image_url`, losses);
  if (!source) return null;
  const signature = thoughtSignature(part);
  const detail = detailOf(isObject(part.image_url) ? part.image_url.detail : part.detail);
  return { type: 'image', source, ...detail, ...withMark(part), ...(signature && { signature }) };
}

function detailOf(value: unknown): { readonly detail?: 'auto' | 'low' | 'high' } {
  switch (value) {
    case 'auto':
    case 'low':
    case 'high':
      return { detail: value };
    case 'original':
      return { detail: 'high' };
    default:
      return {};
  }
}

function inputAudio(part: JsonRecord, where: string, losses: Losses): AudioPart | null {
  const audio = isObject(part.input_audio) ? part.input_audio : part;
  const data = textOr(audio.data) ?? '';
  const mediaType = audioType(textOr(audio.format) ?? '');
  const source = /^data:/i.test(data) ? mediaSource(data, mediaType) : base64Source(mediaType, data);
  if (source) return { type: 'audio', source, ...withMark(part) };
  losses.refuse(`${where}.input_audio.data must be base64`, `${where}.input_audio.data`);
  return null;
}

function filePart(part: JsonRecord, where: string, losses: Losses): FilePart | ImagePart | ForeignPart | null {
  const file = isObject(part.file) ? part.file : part;
  const filename = textOr(file.filename) ?? textOr(file.name);
  const id = textOr(file.file_id);
  const data = textOr(file.file_data) ?? textOr(file.file_url) ?? (id && /^(https?|gs):/i.test(id) ? id : null);
  if (data !== null && data !== '') {
    const source = fileSource(data, textOr(file.format) ?? typeByName(filename ?? '') ?? null);
    if (!source) {
      losses.refuse(`${where}.file.file_data must be base64 or a URL`, `${where}.file.file_data`);
      return null;
    }
    const isImage = source.kind === 'data' && source.mediaType.startsWith('image/');
    return isImage
      ? { type: 'image', source, ...withMark(part) }
      : { type: 'file', source, filename, ...withMark(part) };
  }
  if (id === null || id === '') return foreignPart(part);
  return { type: 'file', source: { kind: 'file-id', protocol: 'openai-chat', id }, filename, ...withMark(part) };
}

/** OpenAI wants a `data:` URL, clients also send bare base64, and OpenRouter takes URLs. */
function fileSource(data: string, mediaType: string | null): MediaSource | null {
  const fallback = mediaType ?? 'application/pdf';
  if (!/^[a-z][a-z0-9+.-]*:/i.test(data)) return base64Source(fallback, data);
  const source = mediaSource(data, fallback);
  return source?.kind === 'url' && mediaType !== null ? { ...source, mediaType } : source;
}

/** The text of Mistral's `thinking` part, whose own content is a list of texts. */
export function thinkingText(part: JsonRecord): string {
  if (typeof part.thinking === 'string') return part.thinking;
  return objectsIn(part.thinking)
    .map(({ text }) => textOr(text) ?? '')
    .join('');
}
