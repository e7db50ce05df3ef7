import { isObject, textOr } from '../../shared/json-shape.ts';
import { base64Source } from '../data-url.ts';
import type { AudioPart, FilePart, ImagePart, JsonRecord, MediaSource } from '../ir.ts';
import { isOwn } from './own.ts';
import { field } from './wire-field.ts';

/** Images, sounds and files ↔ `inlineData` and `fileData`. Gemini tells them apart by nothing but the media type. */

export type MediaPart = ImagePart | AudioPart | FilePart;

export function decodeMedia(part: JsonRecord): MediaPart | null {
  const inline = field(part, 'inlineData');
  if (isObject(inline)) {
    const mediaType = textOr(field(inline, 'mimeType')) ?? '';
    const source = base64Source(mediaType, textOr(inline.data) ?? '');
    return source && mediaPart(source, source.mediaType, textOr(field(inline, 'displayName')));
  }
  const file = field(part, 'fileData');
  const uri = isObject(file) ? textOr(field(file, 'fileUri')) : null;
  if (!isObject(file) || !uri) return null;
  const given = textOr(field(file, 'mimeType'))?.split(';')[0]?.trim().toLowerCase() || null;
  const typed = given === null ? {} : { mediaType: given };
  const source: MediaSource = isUploaded(uri)
    ? { kind: 'file-id', protocol: 'gemini', id: uri, ...typed }
    : { kind: 'url', url: uri, ...typed };
  return mediaPart(source, given ?? typeByName(uri) ?? '', textOr(field(file, 'displayName')));
}

function mediaPart(source: MediaSource, mediaType: string, filename: string | null): MediaPart {
  if (mediaType.startsWith('image/')) return { type: 'image', source };
  if (mediaType.startsWith('audio/')) return { type: 'audio', source };
  return { type: 'file', source, filename };
}

/** What only Google can fetch: its Files API, and Cloud Storage. */
const isUploaded = (uri: string): boolean => uri.startsWith('gs://') || /\/v1\w*\/files\/[\w-]+$/.test(uri);

/** Null, and a warning, for what Gemini has no way to read. */
export function encodeMedia(part: MediaPart, warn: (warning: string) => void): JsonRecord | null {
  const { source } = part;
  if (part.type === 'file' && part.filename !== null) warn('file name removed');
  if (part.type === 'image' && (part.detail === 'low' || part.detail === 'high')) warn('image detail removed');
  if (part.type !== 'file' || !part.filename) return encodeSource(source, part.type, null, warn);
  return encodeSource(source, part.type, part.filename, warn);
}

function encodeSource(
  source: MediaSource,
  kind: MediaPart['type'],
  filename: string | null,
  warn: (warning: string) => void,
): JsonRecord | null {
  switch (source.kind) {
    case 'data': {
      const named = source.mediaType === UNKNOWN_TYPE ? filename && typeByName(filename) : source.mediaType;
      if (!named) {
        warn(`${kind} of unknown type removed`);
        return null;
      }
      return { inlineData: { mimeType: acceptedType(named), data: source.data } };
    }
    case 'url': {
      const named =
        source.mediaType ?? typeByName(source.url) ?? (filename && typeByName(filename)) ?? DEFAULT_TYPE[kind];
      return { fileData: { mimeType: acceptedType(named), fileUri: source.url } };
    }
    case 'file-id':
      if (isOwn(source)) {
        return { fileData: { ...(source.mediaType && { mimeType: source.mediaType }), fileUri: source.id } };
      }
      warn(`${kind} by id removed`);
      return null;
  }
}

const UNKNOWN_TYPE = 'application/octet-stream';
const DEFAULT_TYPE = { image: 'image/jpeg', audio: 'audio/mpeg', file: 'application/pdf' } as const;

/** Texts of any kind are read as texts; under their own names they are refused. */
function acceptedType(mediaType: string): string {
  if (mediaType === 'image/jpg') return 'image/jpeg';
  return /^application\/(json|xml|yaml|x-yaml|toml|javascript|typescript|x-sh|sql|[\w.-]+\+(json|xml))$/.test(mediaType)
    ? 'text/plain'
    : mediaType;
}

/** By the extension of a file name or of a URL's path; null: unknown. */
export function typeByName(name: string): string | null {
  const extension = /\.([a-z0-9]+)$/i.exec(name.split(/[?#]/)[0] ?? '')?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(TYPES, extension) ? (TYPES[extension] ?? null) : null;
}

const TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  heif: 'image/heif',
  bmp: 'image/bmp',
  wav: 'audio/wav',
  mp3: 'audio/mpeg',
  ogg: 'audio/ogg',
  oga: 'audio/ogg',
  flac: 'audio/flac',
  aac: 'audio/aac',
  aiff: 'audio/aiff',
  m4a: 'audio/mp4',
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  mpeg: 'video/mpeg',
  mpg: 'video/mpeg',
  webm: 'video/webm',
  avi: 'video/x-msvideo',
  wmv: 'video/x-ms-wmv',
  '3gp': 'video/3gpp',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  htm: 'text/html',
  css: 'text/css',
  js: 'text/javascript',
  ts: 'text/plain',
  py: 'text/x-python',
  json: 'text/plain',
  xml: 'text/xml',
  yaml: 'text/plain',
  yml: 'text/plain',
  rtf: 'text/rtf',
};
