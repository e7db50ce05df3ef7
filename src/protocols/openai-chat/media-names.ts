/** Media types ↔ the short names that chat uses: audio formats, and endings of file names. */

const FORMAT_TYPES: ReadonlyMap<string, string> = new Map([
  ['mp3', 'audio/mpeg'],
  ['pcm16', 'audio/pcm'],
  ['g711_ulaw', 'audio/basic'],
  ['g711_alaw', 'audio/basic'],
]);

const TYPE_FORMATS: ReadonlyMap<string, string> = new Map([
  ['audio/mpeg', 'mp3'],
  ['audio/x-wav', 'wav'],
  ['audio/wave', 'wav'],
  ['audio/vnd.wave', 'wav'],
  ['audio/pcm', 'pcm16'],
  ['audio/l16', 'pcm16'],
  ['audio/basic', 'g711_ulaw'],
  ['audio/x-flac', 'flac'],
  ['audio/mp4', 'm4a'],
]);

export function audioType(format: string): string {
  const name = format.trim().toLowerCase();
  if (name === '') return 'audio/wav';
  return FORMAT_TYPES.get(name) ?? (name.startsWith('audio/') ? name : `audio/${name}`);
}

export const audioFormat = (mediaType: string): string =>
  TYPE_FORMATS.get(mediaType) ?? mediaType.replace(/^[^/]*\//, '');

/** How the base64 of known sounds begins. What begins otherwise is what streams carry: bare samples. */
const AUDIO_STARTS: readonly (readonly [string, string])[] = [
  ['UklGR', 'audio/wav'],
  ['SUQz', 'audio/mpeg'],
  ['//', 'audio/mpeg'],
  ['ZkxhQ', 'audio/flac'],
  ['T2dnUw', 'audio/ogg'],
];

/** A reply's sound does not say what it is; its first bytes do. */
export const audioTypeOf = (base64: string): string =>
  AUDIO_STARTS.find(([start]) => base64.startsWith(start))?.[1] ?? 'audio/pcm';

const ENDINGS: ReadonlyMap<string, string> = new Map([
  ['pdf', 'application/pdf'],
  ['txt', 'text/plain'],
  ['md', 'text/markdown'],
  ['csv', 'text/csv'],
  ['html', 'text/html'],
  ['xml', 'application/xml'],
  ['json', 'application/json'],
  ['docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
  ['png', 'image/png'],
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['webp', 'image/webp'],
  ['gif', 'image/gif'],
  ['mp3', 'audio/mpeg'],
  ['wav', 'audio/wav'],
  ['mp4', 'video/mp4'],
  ['mov', 'video/quicktime'],
  ['webm', 'video/webm'],
  ['mpeg', 'video/mpeg'],
]);

/** By the ending of a file's name or a URL's path; null: none that is known. */
export function typeByName(name: string): string | null {
  const ending = /\.([A-Za-z0-9]+)(?:[?#].*)?$/.exec(name)?.[1]?.toLowerCase();
  return (ending && ENDINGS.get(ending)) ?? null;
}
