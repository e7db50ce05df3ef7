import { isObject } from '../../shared/json-shape.ts';
import type { Signature } from '../ir.ts';

/**
 * Gemini's thought signature as Google's own chat endpoint writes it: `extra_content.google.thought_signature`, on a tool
 * call, or on the message for its text. Clients and other gateways move it about, so it is looked for in all those places.
 */

type Holder = { readonly [key: string]: unknown };

export function thoughtSignature(holder: Holder): Signature | null {
  const inner = isObject(holder.function) ? holder.function : {};
  for (const place of [holder, inner]) {
    const extra = isObject(place.extra_content) ? place.extra_content : {};
    const google = isObject(extra.google) ? extra.google : {};
    const value = google.thought_signature ?? place.thought_signature ?? place.thoughtSignature;
    if (typeof value === 'string' && value !== '') return { protocol: 'gemini', value };
  }
  return null;
}

/** As fields to be spread into what is signed; nothing for a signature that is not Gemini's. */
export function extraContent(signature: Signature | undefined): object {
  switch (signature?.protocol) {
    case 'gemini':
      return { extra_content: { google: { thought_signature: signature.value } } };
    default:
      return {};
  }
}
