import { type Refusal, refuse } from '../refusal.ts';

/** A parameter of the query that cannot be read. `expected`: what it must be, for people. */
export function badParameter(name: string, expected: string): Refusal {
  return refuse({
    kind: 'bad-request',
    status: 400,
    message: `the parameter ${name} must be ${expected}`,
    param: name,
  });
}
