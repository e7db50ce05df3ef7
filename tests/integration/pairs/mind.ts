import type { JsonRecord } from '../../../src/protocols/ir.ts';

/**
 * A model that fits on a page: what it understood of a request decides what it says. Each vendor of `vendors.ts` hears and
 * speaks its own protocol in front of it, so that a meaning lost on the way changes the answer.
 */
export type Heard = {
  readonly prompt: string;
  readonly instructions: string;
  readonly image: { readonly mediaType: string; readonly data: string } | null;
  /** Name and fields of each. */
  readonly tools: readonly { readonly name: string; readonly fields: readonly string[] }[];
  /** Results of the last round of calls, in order. */
  readonly results: readonly string[];
  readonly wantsThoughts: boolean;
  readonly schema: JsonRecord | null;
};

export type Said = {
  readonly thought: string | null;
  readonly text: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly args: JsonRecord }[];
};

export const THOUGHT = 'The user wants something. Let me see…';
export const PICTURE = 'aGVsbG8=';

/** `input`: all of it. `output`: all of it. */
export const USAGE = { input: 20, cached: 5, output: 7, thought: 2 };

/** No two calls share an id, whoever asks. */
let issued = 0;

export function answerTo(heard: Heard): Said {
  const thought = heard.wantsThoughts ? THOUGHT : null;
  const say = (text: string): Said => ({ thought, text, calls: [] });
  if (heard.results.length > 0) return say(`So: ${heard.results.join(', ')}.`);
  if (heard.tools.length > 0) {
    const [first] = heard.tools;
    const cities = heard.prompt.includes('Rome') ? ['Paris', 'Rome'] : ['Paris'];
    const calls = cities.map((city, at) => ({
      id: `call_${city}_${at}_${++issued}`,
      name: first?.name ?? '',
      args: { city, ...(first?.fields.includes('degrees') && { degrees: 21 }) },
    }));
    return { thought, text: 'Let me look.', calls };
  }
  if (heard.image) return say(`I see ${heard.image.mediaType}: ${heard.image.data}`);
  if (heard.schema) return say('{"city":"Paris","degrees":21}');
  return say(`pong: ${heard.prompt}${heard.instructions === '' ? '' : ` (${heard.instructions})`} Zürich 😀`);
}
