import { SseFramer } from '../transport/sse.ts';
import type { Outlet } from './relay.ts';

/**
 * An outlet that writes a stream of events as one JSON array, an element for each event: what Gemini's stream is without
 * `alt=sse`. What is no event (a heartbeat, a comment) is left out: there is no place for it in an array. The first one
 * opens the array, no more.
 */
export class JsonArrayOutlet implements Outlet {
  readonly #outlet: Outlet;
  readonly #framer = new SseFramer();
  readonly #encoder = new TextEncoder();
  #isOpen = false;
  #hasElement = false;

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
  }

  write(bytes: Uint8Array | string): Promise<void> | undefined {
    let text = '';
    for (const frame of this.#framer.push(typeof bytes === 'string' ? this.#encoder.encode(bytes) : bytes)) {
      if (frame.data === null || frame.data === '') {
        // The status line leaves with the first byte: whoever is to know that the server lives gets the bracket.
        text += this.#opening();
        continue;
      }
      text += `${this.#opening()}${this.#hasElement ? ',\r\n' : ''}${frame.data}`;
      this.#hasElement = true;
    }
    return text === '' ? undefined : this.#outlet.write(text);
  }

  /** The end of the array. */
  async close(): Promise<void> {
    await this.#outlet.write(`${this.#opening()}]`);
  }

  #opening(): string {
    if (this.#isOpen) return '';
    this.#isOpen = true;
    return '[';
  }
}
