import { objectsIn } from '../shared/json-shape.ts';
import { isEditable } from './editable-json.ts';
import type { JsonObject } from './provider.ts';

/** Reasoning that comes as `<think>…</think>` before the answer goes where clients look for it: `reasoning_content`. */

const OPEN = '<think>';
const CLOSE = '</think>';

/** How a reply's bytes may hold the tag. */
export const THINK_MARKS: readonly string[] = [OPEN, '\\u003cthink', '\\u003Cthink'];

type Said = { readonly reasoning: string; readonly content: string };

/**
 * Splits one answer, piece by piece: a tag may be cut anywhere. Only a tag that begins the answer is one; an answer that
 * speaks of such tags keeps them.
 */
export class ThinkSplitter {
  #state: 'start' | 'thinking' | 'gap' | 'content' = 'start';
  /** What may yet become a tag, or is white space before the answer. */
  #held = '';

  push(piece: string): Said {
    let text = this.#held + piece;
    let reasoning = '';
    this.#held = '';
    if (this.#state === 'start') {
      const begun = text.trimStart();
      if (begun.length < OPEN.length && OPEN.startsWith(begun)) {
        this.#held = text;
        return { reasoning, content: '' };
      }
      this.#state = begun.startsWith(OPEN) ? 'thinking' : 'content';
      if (this.#state === 'thinking') text = begun.slice(OPEN.length);
    }
    if (this.#state === 'thinking') {
      const end = text.indexOf(CLOSE);
      if (end < 0) {
        const safe = text.length - tailOf(text, CLOSE);
        this.#held = text.slice(safe);
        return { reasoning: text.slice(0, safe), content: '' };
      }
      reasoning = text.slice(0, end);
      text = text.slice(end + CLOSE.length);
      this.#state = 'gap';
    }
    if (this.#state === 'gap') {
      text = text.trimStart();
      if (text !== '') this.#state = 'content';
    }
    return { reasoning, content: text };
  }

  /** What was held back when the answer ends. */
  end(): Said {
    const rest = this.#held;
    this.#held = '';
    return this.#state === 'thinking' ? { reasoning: rest, content: '' } : { reasoning: '', content: rest };
  }
}

/** How many characters at the end may be the beginning of the mark. */
function tailOf(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}

/** Of a whole answer; true when it changed something. */
export function liftThinking(reply: JsonObject): boolean {
  let isChanged = false;
  for (const { message } of objectsIn(reply.choices)) {
    if (!isEditable(message) || typeof message.content !== 'string' || !message.content.trimStart().startsWith(OPEN)) {
      continue;
    }
    const splitter = new ThinkSplitter();
    const said = splitter.push(message.content);
    const rest = splitter.end();
    message.content = said.content + rest.content;
    message.reasoning_content = said.reasoning + rest.reasoning;
    isChanged = true;
  }
  return isChanged;
}
