/** What becomes of a variable: places in rotator.yaml, an account, or a reason why there is no place for it. */
import { formatDuration } from '../../shared/duration.ts';
import type { Secret } from '../../shared/secret.ts';

export type Value =
  | string
  | number
  | boolean
  /** Always quoted when it is written, and never shown. */
  | Secret
  | readonly Value[]
  | { readonly [name: string]: Value };

export type Outcome =
  /** A field. `change`: what it means here that it did not mean there; null: the same. */
  | {
      readonly kind: 'set';
      readonly path: readonly string[];
      readonly value: Value;
      readonly change: string | null;
    }
  /** An item of the list at `path`. */
  | {
      readonly kind: 'add';
      readonly path: readonly string[];
      readonly value: Value;
      readonly change: string | null;
    }
  | { readonly kind: 'account'; readonly source: AccountSource }
  /** Has its part in what becomes of another variable. */
  | { readonly kind: 'part'; readonly of: string }
  | { readonly kind: 'skip'; readonly reason: string };

/** Where an account is taken over from. */
export type AccountSource =
  /** As written: it may begin with `~/`, and is else relative to the file of the variable. */
  | { readonly kind: 'file'; readonly path: string }
  /** Made of variables, numbered 1 whatever their number in the file is. */
  | { readonly kind: 'variables'; readonly values: ReadonlyMap<string, Secret> };

export const set = (path: readonly string[], value: Value, change: string | null = null): Outcome => ({
  kind: 'set',
  path,
  value,
  change,
});

export const add = (path: readonly string[], value: Value, change: string | null = null): Outcome => ({
  kind: 'add',
  path,
  value,
  change,
});

export const skip = (reason: string): Outcome => ({ kind: 'skip', reason });

/** A variable that a rule is about. */
export type Found = {
  readonly name: string;
  /** Trimmed. */
  readonly value: string;
  /** What the groups of the rule's pattern matched; empty text for a group that took no part. */
  readonly parts: readonly string[];
  /** All variables, trimmed, for those that mean something only together. */
  readonly variables: ReadonlyMap<string, string>;
};

export type Rule = {
  readonly pattern: RegExp;
  /** An empty value says something, too. Default false: an empty variable is as good as none. */
  readonly takesEmpty?: true;
  readonly translate: (found: Found) => readonly Outcome[];
};

/** A number of seconds as a duration. */
export function setSeconds(path: readonly string[], written: string, change: string | null = null): Outcome {
  const seconds = readNumber(written);
  if (seconds === null || seconds < 0) return skip('expected a number of seconds');
  return set(path, formatDuration(Math.round(seconds * 1000)), change);
}

export function setNumber(path: readonly string[], written: string, change: string | null = null): Outcome {
  const number = readNumber(written);
  return number === null ? skip('expected a number') : set(path, number, change);
}

export const readNumber = (written: string): number | null =>
  /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(written) ? Number(written) : null;

export const isTrue = (written: string): boolean => ['true', '1', 'yes', 'on'].includes(written.toLowerCase());

/** A comma list without empty and repeated items. */
export const listOf = (written: string): string[] => [
  ...new Set(
    written
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  ),
];
