/** Events for whoever listens at the moment. A reader that does not keep up misses the oldest, and is told how many. */

/** A listener that reads nothing for a while holds back so many events, and no more memory than they take. */
const MAX_WAITING = 1000;

type Reader<Event> = { readonly waiting: Event[]; missed: number; wake: () => void };

export class EventFeed<Event> {
  readonly #missedEvent: (count: number) => Event;
  readonly #readers = new Set<Reader<Event>>();
  #isClosed = false;

  /** `missedEvent`: what a reader gets in place of so many events. */
  constructor(missedEvent: (count: number) => Event) {
    this.#missedEvent = missedEvent;
  }

  /** Is an event worth making? */
  get hasReaders(): boolean {
    return this.#readers.size > 0;
  }

  publish(event: Event): void {
    for (const reader of this.#readers) {
      if (reader.waiting.length >= MAX_WAITING) {
        reader.waiting.shift();
        reader.missed++;
      }
      reader.waiting.push(event);
      reader.wake();
    }
  }

  /** Everything from this call on, until the signal fires or the feed closes. Never rejects. */
  subscribe(signal: AbortSignal): AsyncIterable<Event> {
    const reader: Reader<Event> = { waiting: [], missed: 0, wake: () => {} };
    const end = () => {
      this.#readers.delete(reader);
      signal.removeEventListener('abort', end);
      reader.wake();
    };
    if (!signal.aborted && !this.#isClosed) {
      this.#readers.add(reader);
      signal.addEventListener('abort', end, { once: true });
    }
    return this.#read(reader, signal, end);
  }

  /** Readers get what waits for them, and then the end. */
  close(): void {
    this.#isClosed = true;
    const readers = [...this.#readers];
    this.#readers.clear();
    for (const reader of readers) reader.wake();
  }

  async *#read(reader: Reader<Event>, signal: AbortSignal, end: () => void): AsyncGenerator<Event, void> {
    try {
      while (!signal.aborted) {
        if (reader.missed > 0) {
          const { missed } = reader;
          reader.missed = 0;
          yield this.#missedEvent(missed);
          continue;
        }
        const event = reader.waiting.shift();
        if (event !== undefined) {
          yield event;
          continue;
        }
        if (!this.#readers.has(reader)) return;
        await new Promise<void>((resolve) => {
          reader.wake = resolve;
        });
      }
    } finally {
      end();
    }
  }
}
