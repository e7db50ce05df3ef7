import type { ForeignFields } from '../ir.ts';
import type { Problem } from '../problem.ts';
import { wrong } from '../request-bytes.ts';

/** What is noticed while a request crosses: what could not be kept, and the first thing that cannot be read at all. */
export class Losses {
  readonly #warnings = new Set<string>();
  #problem: Problem | null = null;

  /** One short clause: `logit_bias removed`. Said once, however often it happens. */
  warn(clause: string): void {
    this.#warnings.add(clause);
  }

  /** Fields of another protocol, which chat has no place for. */
  foreign(extra: ForeignFields | null | undefined): void {
    if (!extra || extra.protocol === 'openai-chat') return;
    for (const name of Object.keys(extra.fields)) this.warn(`${name} removed`);
  }

  refuse(message: string, param: string): void {
    this.#problem ??= wrong(message, param);
  }

  get problem(): Problem | null {
    return this.#problem;
  }

  get warnings(): readonly string[] {
    return [...this.#warnings];
  }
}
