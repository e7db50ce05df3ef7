import { countOr, isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import type { Citation, JsonRecord } from '../ir.ts';
import { field } from './wire-field.ts';

/** Sources of an answer ↔ citations. Gemini counts bytes of UTF-8, the neutral form counts characters. */

/** `text`: the answer's text so far. */
export function citationsIn(candidate: JsonRecord, text: string): readonly Citation[] {
  const metadata = field(candidate, 'groundingMetadata');
  const quoted = field(candidate, 'citationMetadata');
  return [
    ...(isObject(metadata) ? groundingCitations(metadata, text) : []),
    ...(isObject(quoted) ? quotedSources(quoted, text) : []),
  ];
}

function groundingCitations(metadata: JsonRecord, text: string): readonly Citation[] {
  const chunks = field(metadata, 'groundingChunks');
  const sources = Array.isArray(chunks) ? chunks.map(sourceOf) : [];
  const supports = objectsIn(field(metadata, 'groundingSupports'));
  // Without supports nothing says which words a source stands behind.
  if (supports.length === 0)
    return sources.flatMap((source) => (source ? [{ ...source, citedText: null, range: null }] : []));
  return supports.flatMap((support) => {
    const segment = field(support, 'segment');
    const range = isObject(segment) ? rangeOf(segment, text) : null;
    const citedText = isObject(segment) ? textOr(segment.text) : null;
    const indices = field(support, 'groundingChunkIndices');
    return (Array.isArray(indices) ? indices : []).flatMap((index) => {
      const source = typeof index === 'number' ? sources[index] : null;
      return source ? [{ ...source, citedText, range }] : [];
    });
  });
}

function sourceOf(chunk: unknown): Pick<Citation, 'url' | 'title'> | null {
  if (!isObject(chunk)) return null;
  const source = [chunk.web, field(chunk, 'retrievedContext'), chunk.maps].find(isObject);
  return source ? { url: textOr(source.uri), title: textOr(source.title) } : null;
}

const quotedSources = (metadata: JsonRecord, text: string): readonly Citation[] =>
  [...objectsIn(metadata.citations), ...objectsIn(field(metadata, 'citationSources'))].map((source) => ({
    url: textOr(source.uri),
    title: textOr(source.title),
    citedText: null,
    range: rangeOf(source, text),
  }));

function rangeOf(segment: JsonRecord, text: string): Citation['range'] {
  const end = countOr(field(segment, 'endIndex'));
  if (end === null) return null;
  const bytes = Buffer.from(text);
  const characters = (offset: number) => bytes.subarray(0, offset).toString().length;
  return { start: characters(countOr(field(segment, 'startIndex')) ?? 0), end: characters(end) };
}

/** Null when there is nothing to cite. */
export function groundingOf(citations: readonly Citation[], text: string): JsonRecord | null {
  const sources = new Map<string, number>();
  const chunks: JsonRecord[] = [];
  const supports: JsonRecord[] = [];
  for (const { url, title, citedText, range } of citations) {
    if (url === null && title === null) continue;
    const key = JSON.stringify([url, title]);
    const place = sources.get(key) ?? chunks.length;
    if (place === chunks.length) {
      sources.set(key, place);
      chunks.push({ web: { ...(url !== null && { uri: url }), ...(title !== null && { title }) } });
    }
    if (!range) continue;
    const bytes = (end: number) => Buffer.byteLength(text.slice(0, end));
    const said = text.slice(range.start, range.end) || citedText;
    supports.push({
      segment: { startIndex: bytes(range.start), endIndex: bytes(range.end), ...(said !== null && { text: said }) },
      groundingChunkIndices: [place],
    });
  }
  if (chunks.length === 0) return null;
  return { groundingChunks: chunks, ...(supports.length > 0 && { groundingSupports: supports }) };
}
