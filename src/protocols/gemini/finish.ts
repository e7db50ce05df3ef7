import type { FinishReason } from '../ir.ts';

const UNIFIED: Readonly<Record<string, FinishReason['unified']>> = {
  STOP: 'stop',
  OTHER: 'other',
  FINISH_REASON_UNSPECIFIED: 'other',
  MAX_TOKENS: 'length',
  SAFETY: 'content-filter',
  RECITATION: 'content-filter',
  LANGUAGE: 'content-filter',
  BLOCKLIST: 'content-filter',
  PROHIBITED_CONTENT: 'content-filter',
  SPII: 'content-filter',
  IMAGE_SAFETY: 'content-filter',
  IMAGE_PROHIBITED_CONTENT: 'content-filter',
  IMAGE_RECITATION: 'content-filter',
  MALFORMED_FUNCTION_CALL: 'other',
  UNEXPECTED_TOOL_CALL: 'other',
  TOO_MANY_TOOL_CALLS: 'other',
  MALFORMED_RESPONSE: 'other',
  NO_IMAGE: 'other',
  IMAGE_OTHER: 'other',
  CONTINUATION: 'length',
};

/** An answer that calls tools ends with STOP like any other; its calls are whole, whatever ended it. */
export function readFinish(raw: string | null, hasCalls: boolean): FinishReason {
  const unified = raw !== null && Object.hasOwn(UNIFIED, raw) ? UNIFIED[raw] : undefined;
  return { unified: hasCalls && unified !== 'content-filter' ? 'tool-calls' : (unified ?? 'other'), raw };
}

/** Words that Gemini's clients know. Its own come back as they were, where the unified reason does not say otherwise. */
export function writeFinish({ unified, raw }: FinishReason): string {
  switch (unified) {
    case 'stop':
    case 'tool-calls':
      return 'STOP';
    case 'length':
      return 'MAX_TOKENS';
    case 'content-filter':
    case 'other': {
      const isOwn = raw !== null && Object.hasOwn(UNIFIED, raw) && UNIFIED[raw] === unified;
      return isOwn ? raw : unified === 'other' ? 'OTHER' : 'SAFETY';
    }
  }
}
