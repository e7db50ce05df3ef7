import type { Problem } from '../protocols/problem.ts';

/** A request that this room itself does not answer, as a value: what to say, and headers that belong to it. */
export type Refusal = { readonly refused: Problem; readonly headers: Readonly<Record<string, string>> };

export function refuse(problem: Problem, headers: Readonly<Record<string, string>> = {}): Refusal {
  return { refused: problem, headers };
}

export function isRefusal<Value extends object>(value: Value | Refusal): value is Refusal {
  return 'refused' in value;
}
