/** Media types ↔ the names of files and formats, where this protocol has only one of the two. */

const BY_EXTENSION: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  html: 'text/html',
  csv: 'text/csv',
  json: 'application/json',
  xml: 'application/xml',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
};

/** Most files are PDFs, and so is one without a name. */
export function mediaTypeOfFile(filename: string | null): string {
  const extension = filename?.toLowerCase().split('.').at(-1) ?? '';
  return BY_EXTENSION[extension] ?? 'application/pdf';
}

/** The vendor wants a name with a fitting end beside a file's data. */
export function fileNameOf(mediaType: string): string {
  const known = Object.entries(BY_EXTENSION).find(([, type]) => type === mediaType);
  return `file.${known?.[0] ?? 'pdf'}`;
}

/** Null: a format that the protocol has no name for. */
export function audioFormatOf(mediaType: string): 'wav' | 'mp3' | null {
  if (/^audio\/(x-|vnd\.)?wav(e)?$/.test(mediaType)) return 'wav';
  return mediaType === 'audio/mpeg' || mediaType === 'audio/mp3' ? 'mp3' : null;
}

/** Of an image that a model made: `image/png` → `png`. */
export const imageFormatOf = (mediaType: string): string => mediaType.split('/')[1] ?? 'png';
