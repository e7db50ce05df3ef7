import type { MediaSource } from './ir.ts';

/** `data:` URLs ↔ media. Media types are lower case and without parameters; white space in base64 is dropped. */

const DATA_URL = /^data:([^;,]*)((?:;[^;,]*)*),/i;

/** A URL as a source: its data when it is a `data:` URL with base64, else the URL. Null: a `data:` URL nobody can read. */
export function mediaSource(url: string, fallbackType: string): MediaSource | null {
  const head = DATA_URL.exec(url.slice(0, 512));
  if (!head) return /^data:/i.test(url) ? null : { kind: 'url', url };
  const body = url.slice(head[0].length);
  const mediaType = mediaTypeOf(head[1] ?? '') || fallbackType;
  if (/;\s*base64\s*(;|$)/i.test(head[2] ?? '')) return base64Source(mediaType, body);
  try {
    return { kind: 'data', mediaType, data: Buffer.from(decodeURIComponent(body)).toString('base64') };
  } catch {
    return null;
  }
}

/** Null when the text is no base64. The dialect for URLs (`-`, `_`) is brought into the common one. */
export function base64Source(mediaType: string, text: string): Extract<MediaSource, { kind: 'data' }> | null {
  let data = /\s/.test(text) ? text.replace(/\s+/g, '') : text;
  if (/[-_]/.test(data)) data = data.replaceAll('-', '+').replaceAll('_', '/');
  if (data === '' || /[^A-Za-z0-9+/=]/.test(data) || /=[^=]/.test(data)) return null;
  return { kind: 'data', mediaType: mediaTypeOf(mediaType) || 'application/octet-stream', data };
}

export const dataUrl = (source: Extract<MediaSource, { kind: 'data' }>): string =>
  `data:${source.mediaType};base64,${source.data}`;

const mediaTypeOf = (text: string): string => (text.split(';')[0] ?? '').trim().toLowerCase();
