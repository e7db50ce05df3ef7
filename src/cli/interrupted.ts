/** The person ended the command: 130 for SIGINT, 143 for SIGTERM. Says nothing, for they know. */
export class Interrupted extends Error {
  readonly exitCode: 130 | 143;

  constructor(exitCode: 130 | 143) {
    super('interrupted');
    this.name = 'Interrupted';
    this.exitCode = exitCode;
  }
}
