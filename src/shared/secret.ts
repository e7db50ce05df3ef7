/** A value that must never be printed by accident. Every implicit way of turning it into text gives `***`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The text itself. Called only where a request is authorised, a digest is taken or a file is written. */
  reveal(): string {
    return this.#value;
  }

  /** First four and last four characters, or only dots for short values. Safe to show to the owner. */
  masked(): string {
    const value = this.#value;
    return value.length >= 16 ? `${value.slice(0, 4)}…${value.slice(-4)}` : '…';
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '***';
  }
}
