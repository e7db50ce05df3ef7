/** Why rotator itself ended an upstream call. Travels as the abort reason of the attempt's signal. */
export type StopCause = 'client-gone' | 'first-byte' | 'total' | 'idle' | 'deadline';

export class Stopped extends Error {
  readonly stopCause: StopCause;

  constructor(cause: StopCause) {
    super(`stopped: ${cause}`);
    this.name = 'Stopped';
    this.stopCause = cause;
  }
}
