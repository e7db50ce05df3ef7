import type { JsonRecord } from '../ir.ts';

/** Writes events as frames and counts them: `sequence_number` rises by one from 0. */
export class EventSequence {
  #next: number;

  constructor(first = 0) {
    this.#next = first;
  }

  get next(): number {
    return this.#next;
  }

  /** Named on the wire as well: strict readers look at `event:`, the others at `type`. */
  frame(type: string, fields: JsonRecord): string {
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.#next++, ...fields })}\n\n`;
  }
}
