import { textOr } from '../../shared/json-shape.ts';
import type { Citation, JsonRecord } from '../ir.ts';

export function readCitation(value: JsonRecord, range: Citation['range']): Citation {
  return {
    url: textOr(value.url),
    title: textOr(value.title) ?? textOr(value.document_title),
    citedText: textOr(value.cited_text),
    range,
    foreign: { protocol: 'anthropic-messages', value },
  };
}

/**
 * For a client to show. Another protocol's citation of a page becomes the one kind that has a URL, without the index that
 * only the vendor can give; one of anything else has no form here.
 */
export function writeCitation(citation: Citation): JsonRecord | null {
  if (citation.foreign?.protocol === 'anthropic-messages') return citation.foreign.value;
  if (citation.url === null) return null;
  return {
    type: 'web_search_result_location',
    url: citation.url,
    title: citation.title,
    cited_text: citation.citedText ?? '',
    encrypted_index: '',
  };
}

/** For the vendor, who takes back only what it said itself. */
export function ownCitations(citations: readonly Citation[]): readonly JsonRecord[] {
  return citations.flatMap(({ foreign }) =>
    foreign?.protocol === 'anthropic-messages' && foreign.value.encrypted_index !== '' ? [foreign.value] : [],
  );
}
