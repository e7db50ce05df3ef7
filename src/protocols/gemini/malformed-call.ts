import { isObject } from '../../shared/json-shape.ts';
import { parseRelaxed } from './relaxed-json.ts';

/**
 * The call that a model meant when its answer ends with MALFORMED_FUNCTION_CALL, out of the finish message `Malformed
 * function call: call:{namespace}:{name}{arguments}`. Null when it does not say a whole one.
 */
export function meantCall(message: string | null): { readonly name: string; readonly arguments: string } | null {
  const found = /\bcall:([\w.:-]+)\s*(\{.*\})\s*$/s.exec(message ?? '');
  const [, path = '', text = ''] = found ?? [];
  const colon = path.indexOf(':');
  const name = path.slice(colon + 1);
  const args = parseRelaxed(text);
  return name !== '' && isObject(args) ? { name, arguments: JSON.stringify(args) } : null;
}

/** The other way, for a client of Gemini whose upstream wrote arguments that nobody can read. */
export const malformedMessage = (name: string, argumentsText: string): string =>
  `Malformed function call: call:default_api:${name}${argumentsText}`;
