import { cacheControl } from './cache-marks.ts';
import { dataUrl } from '../data-url.ts';
import type { AudioPart, FilePart, ForeignPart, ImagePart, MediaSource, TextPart, UserPart } from '../ir.ts';
import type { Dialect } from './dialect.ts';
import type { Losses } from './losses.ts';
import { audioFormat, typeByName } from './media-names.ts';

/** Content as chat servers take it: a bare text wherever text is all there is, since not all of them take lists. */

export type Writing = { readonly dialect: Dialect; readonly losses: Losses };

/** Paragraphs of one speaker. */
export const PARAGRAPH = '\n\n';

export function contentOf(parts: readonly UserPart[], writing: Writing): string | readonly object[] {
  const isMarked = parts.some((part) => part.type !== 'foreign' && part.cache !== undefined);
  const { takesCacheMarks } = writing.dialect;
  if (isMarked && !takesCacheMarks) writing.losses.warn('cache_control removed');
  const isPlain = parts.every(({ type }) => type === 'text') && !(isMarked && takesCacheMarks);
  if (isPlain) return textsOf(parts).join(PARAGRAPH);
  const written = parts.flatMap((part) => contentPart(part, writing));
  const isText = (part: object): part is { readonly type: 'text'; readonly text: string } =>
    'type' in part && part.type === 'text' && !('cache_control' in part);
  // What was not text has been removed.
  return written.every(isText) ? written.map(({ text }) => text).join(PARAGRAPH) : written;
}

export const textsOf = (parts: readonly { readonly type: string }[]): readonly string[] =>
  parts.flatMap((part) => (isTextPart(part) && part.text !== '' ? [part.text] : []));

const isTextPart = (part: { readonly type: string }): part is TextPart => part.type === 'text';

function contentPart(part: UserPart, writing: Writing): readonly object[] {
  switch (part.type) {
    case 'text':
      return part.text === '' ? [] : [{ type: 'text', text: part.text, ...mark(part, writing) }];
    case 'image':
      return imagePart(part, writing);
    case 'audio':
      return audioPart(part, writing);
    case 'file':
      return filePart(part, writing);
    case 'foreign':
      return ownPart(part, writing.losses);
  }
}

/** A foreign part that came from here goes home as it is. */
export function ownPart(part: ForeignPart, losses: Losses): readonly object[] {
  if (part.protocol === 'openai-chat') return [part.value];
  losses.warn(`${part.name} removed`);
  return [];
}

const mark = ({ cache }: Pick<TextPart, 'cache'>, { dialect }: Writing): object =>
  cache && dialect.takesCacheMarks ? { cache_control: cacheControl(cache) } : {};

function urlOf(source: MediaSource): string | null {
  switch (source.kind) {
    case 'data':
      return dataUrl(source);
    case 'url':
      return source.url;
    case 'file-id':
      return null;
  }
}

function imagePart(part: ImagePart, writing: Writing): readonly object[] {
  writing.losses.foreign(part.foreign);
  const url = urlOf(part.source);
  if (url === null) return filePart({ type: 'file', source: part.source, filename: null }, writing);
  const detail = part.detail ? { detail: part.detail } : {};
  return [{ type: 'image_url', image_url: { url, ...detail }, ...mark(part, writing) }];
}

function audioPart(part: AudioPart, writing: Writing): readonly object[] {
  const { source } = part;
  if (source.kind === 'data') {
    const audio = { data: source.data, format: audioFormat(source.mediaType) };
    return [{ type: 'input_audio', input_audio: audio, ...mark(part, writing) }];
  }
  if (source.kind === 'url') return [{ type: 'audio_url', audio_url: { url: source.url }, ...mark(part, writing) }];
  writing.losses.warn('audio of an earlier answer removed');
  return [];
}

function filePart(part: FilePart, writing: Writing): readonly object[] {
  const { source, filename } = part;
  writing.losses.foreign(part.foreign);
  const marked = mark(part, writing);
  if (source.kind === 'file-id') {
    if (source.protocol === 'openai-chat') return [{ type: 'file', file: { file_id: source.id }, ...marked }];
    writing.losses.warn('file that was uploaded elsewhere removed');
    return [];
  }
  const mediaType = source.mediaType ?? (source.kind === 'url' ? typeByName(source.url) : null);
  const url = source.kind === 'data' ? dataUrl(source) : source.url;
  if (mediaType?.startsWith('video/')) return [{ type: 'video_url', video_url: { url }, ...marked }];
  if (source.kind === 'data' && source.mediaType === 'text/plain') {
    const text = Buffer.from(source.data, 'base64').toString();
    return [{ type: 'text', text: filename === null ? text : `${filename}:${PARAGRAPH}${text}`, ...marked }];
  }
  return [{ type: 'file', file: { filename: filename ?? nameFor(mediaType), file_data: url }, ...marked }];
}

/** Servers insist on a name. */
const nameFor = (mediaType: string | null) => `file.${mediaType?.replace(/^.*[/.+-]/, '') || 'pdf'}`;
