import { countOr, textOr } from '../../shared/json-shape.ts';
import type { Citation, JsonRecord } from '../ir.ts';

/** Annotations of an answer's text ↔ citations. */

export function citationOf(annotation: JsonRecord): Citation {
  const start = countOr(annotation.start_index);
  const end = countOr(annotation.end_index);
  return {
    url: textOr(annotation.url),
    title: textOr(annotation.title) ?? textOr(annotation.filename),
    citedText: null,
    range: start !== null && end !== null && end >= start ? { start, end } : null,
    foreign: { protocol: 'openai-responses', value: annotation },
  };
}

/** Null: names no place that this protocol could point at. `textLength`: of the text that is cited for as a whole. */
export function annotationOf(citation: Citation, textLength: number): JsonRecord | null {
  if (citation.foreign?.protocol === 'openai-responses') return citation.foreign.value;
  if (citation.url === null) return null;
  return {
    type: 'url_citation',
    start_index: citation.range?.start ?? 0,
    end_index: citation.range?.end ?? textLength,
    url: citation.url,
    title: citation.title ?? '',
  };
}
