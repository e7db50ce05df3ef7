import type { Command } from 'commander';
import type { Io } from './io.ts';
import type { Output } from './output.ts';

/** Options every command understands, before and after its name. */
export type Globals = {
  readonly config?: string;
  readonly state?: string;
  readonly json: boolean;
  readonly quiet: boolean;
};

/** What a command gets beside its own options. */
export type Context = { readonly io: Io; readonly globals: Globals; readonly output: Output };

/** Reads the global options of the command that is about to run. */
export type Start = (command: Command) => Context;
