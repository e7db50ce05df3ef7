import type { FilePart, ImagePart, MediaSource } from '../ir.ts';
import { type Block, writeCacheMark } from './cache-marks.ts';
import { ownFields } from './own-fields.ts';

/** Images and documents as blocks; null, and a warning, for what the vendor does not take. */

const IMAGE_TYPES = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);

export function imageBlock(part: ImagePart, warn: (warning: string) => void): Block | null {
  const source = sourceOf(part.source, 'image', warn);
  if (!source) return null;
  if (source.type === 'base64') {
    const type = source.media_type === 'image/jpg' ? 'image/jpeg' : source.media_type;
    if (!IMAGE_TYPES.has(type)) {
      warn(`image of type ${type} removed`);
      return null;
    }
    source.media_type = type;
  }
  if (part.detail === 'low' || part.detail === 'high') warn('image detail removed');
  return { type: 'image', source, ...writeCacheMark(part.cache), ...ownFields(part.foreign) };
}

export function documentBlock(part: FilePart, warn: (warning: string) => void): Block | null {
  const mediaType = part.source.kind === 'data' ? part.source.mediaType : (part.source.mediaType ?? '');
  if (mediaType.startsWith('image/')) return imageBlock({ ...part, type: 'image' }, warn);
  const source =
    isText(mediaType) && part.source.kind === 'data'
      ? textSource(part.source.data)
      : sourceOf(part.source, 'file', warn);
  if (!source) return null;
  if (source.type === 'base64' && source.media_type !== 'application/pdf') {
    warn(`file of type ${mediaType} removed`);
    return null;
  }
  return {
    type: 'document',
    source,
    ...(part.filename !== null && part.filename !== '' && { title: part.filename }),
    ...writeCacheMark(part.cache),
    ...ownFields(part.foreign),
  };
}

type Source =
  | { type: 'base64'; media_type: string; data: string }
  | { readonly type: 'url'; readonly url: string }
  | { readonly type: 'file'; readonly file_id: string }
  | { readonly type: 'text'; readonly media_type: 'text/plain'; readonly data: string };

function sourceOf(source: MediaSource, what: string, warn: (warning: string) => void): Source | null {
  switch (source.kind) {
    case 'data':
      return { type: 'base64', media_type: source.mediaType, data: source.data };
    case 'url':
      // Anything else (`gs:`, `file:`) only its own vendor can read.
      if (/^https?:/i.test(source.url)) return { type: 'url', url: source.url };
      warn(`${what} by URL removed`);
      return null;
    case 'file-id':
      if (source.protocol === 'anthropic-messages') return { type: 'file', file_id: source.id };
      warn(`${what} by id removed`);
      return null;
  }
}

const textSource = (data: string): Source => ({
  type: 'text',
  media_type: 'text/plain',
  data: Buffer.from(data, 'base64').toString('utf8'),
});

const isText = (mediaType: string): boolean =>
  mediaType.startsWith('text/') || /^application\/(?:json|xml|yaml|x-yaml|javascript|toml)$/.test(mediaType);
