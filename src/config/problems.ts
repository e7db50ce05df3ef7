/** What is wrong with a config, for the person who wrote it: where it stands, what was expected, what was likely meant. */
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { nearest } from '../shared/near-miss.ts';

export type Path = readonly (string | number)[];

/** Both count from 1. */
export type Place = { readonly line: number; readonly column: number };

export type Problem = {
  /** The field, `providers.groq.keys[0].label`; empty when the file as a whole is meant. */
  readonly path: string;
  /** Null: it does not stand in the file (an environment variable, a flag). */
  readonly place: Place | null;
  readonly message: string;
  /** What was likely meant. */
  readonly likely?: string | undefined;
};

/** Every problem of one config, in the order of the file. Exit code 2. */
export class ConfigError extends CliError {
  /** As shown to people; null when no file is involved. */
  readonly file: string | null;
  readonly problems: readonly Problem[];

  constructor(file: string | null, problems: readonly Problem[], hint?: string) {
    const sorted = problems.toSorted(byPlace);
    super(ExitCode.usage, 'config', describe(file, sorted), hint);
    this.name = 'ConfigError';
    this.file = file;
    this.problems = sorted;
  }
}

export function formatPath(path: Path): string {
  let out = '';
  for (const step of path) out += typeof step === 'number' ? `[${step}]` : `${out && '.'}${step}`;
  return out;
}

export function formatProblem(file: string | null, problem: Problem): string {
  const where = problem.place && file !== null ? `${file}:${problem.place.line}:${problem.place.column}: ` : '';
  const likely = problem.likely === undefined ? '' : `. Did you mean "${problem.likely}"?`;
  return `${where}${problem.path && `${problem.path}: `}${problem.message}${likely}`;
}

export const unknownField = (name: string, known: readonly string[]): Pick<Problem, 'message' | 'likely'> => ({
  message: 'unknown field',
  likely: nearest(name, known),
});

function describe(file: string | null, problems: readonly Problem[]): string {
  const [first, ...rest] = problems;
  if (!first) return 'the config has no problem';
  if (rest.length === 0) return formatProblem(file, first);
  const list = problems.map((problem) => `  ${formatProblem(file, problem)}`);
  return [`${problems.length} problems in ${file ?? 'the environment'}:`, ...list].join('\n');
}

function byPlace(a: Problem, b: Problem): number {
  if (!a.place || !b.place) return (a.place ? 0 : 1) - (b.place ? 0 : 1);
  return a.place.line - b.place.line || a.place.column - b.place.column;
}
