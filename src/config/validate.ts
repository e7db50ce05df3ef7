/** The tree against the schema: a config, or every problem in words for people. */
import type * as z from 'zod';
import type { LeafIssue } from './leaf.ts';
import { type Path, type Problem, unknownField } from './problems.ts';
import { type Config, configSchema } from './schema.ts';
import { fieldNamesAt } from './shape.ts';
import { isFields, isFromEnvironment, isList, isText, isWritten, type Tree, textOf, treeAt } from './written.ts';

/** A problem whose place is still to be looked up by its path. */
export type Finding = {
  readonly path: Path;
  /** Point at the field's name (an unknown field) or at its value. */
  readonly part: 'name' | 'value';
} & Pick<Problem, 'message' | 'likely'>;

type Issue = z.core.$ZodIssue;

export function validate(tree: Tree): { readonly config: Config } | { readonly findings: readonly Finding[] } {
  const result = configSchema.safeParse(tree ?? {});
  if (result.success) return { config: result.data };
  return { findings: result.error.issues.flatMap((issue) => describe(issue, [], tree)) };
}

function describe(issue: Issue, around: Path, tree: Tree): Finding[] {
  const path: Path = [...around, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))];
  // Where another form was expected the text itself stays unsaid: `keys: sk-…` is the likely slip.
  const gotForm = () => `, got ${describeForm(treeAt(tree, path))}`;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((name) => ({
        path: [...path, name],
        part: 'name',
        ...unknownField(name, fieldNamesAt(path)),
      }));
    case 'invalid_union': {
      // Of several forms the one that fits the value's own form is the one that was meant.
      const meant = issue.errors.find((errors) => errors.length > 0 && errors.every((inner) => !isWrongForm(inner)));
      if (meant) return meant.flatMap((inner) => describe(inner, path, tree));
      // The short form of a key is a scalar as it should be; what is wrong is its text.
      const misread = issue.errors.flat().find((inner) => inner.path.length === 0 && leafIssue(inner)?.isSecret);
      if (misread) return describe(misread, path, tree);
      const leaf = issue.errors
        .flat()
        .find((inner) => inner.code === 'custom' && leafIssue(inner)?.likely !== undefined);
      return [{ path, part: 'value', message: issue.message + gotForm(), likely: leaf && leafIssue(leaf)?.likely }];
    }
    case 'invalid_type': {
      const isMissing = treeAt(tree, path) === undefined;
      const expected = EXPECTED[issue.expected] ?? issue.expected;
      return [
        { path, part: 'value', message: isMissing ? `expected ${expected}` : `expected ${expected}${gotForm()}` },
      ];
    }
    case 'custom': {
      const found = leafIssue(issue);
      if (treeAt(tree, path) === undefined) {
        return [{ path, part: 'value', message: `required: ${issue.message}` }];
      }
      return [
        {
          path,
          part: 'value',
          message: `${issue.message}${found?.isSecret ? '' : `, got ${describeValue(treeAt(tree, path))}`}`,
          likely: found?.likely,
        },
      ];
    }
    case 'invalid_key':
      return issue.issues.map((inner) => ({ path, part: 'name', message: inner.message }));
    case 'too_small':
      return [{ path, part: 'value', message: 'expected at least one entry' }];
    default:
      return [{ path, part: 'value', message: issue.message }];
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  object: 'a mapping of fields',
  record: 'a mapping of names',
  array: 'a list',
};

/** The value is of another form (scalar, list, mapping) than this alternative takes, or a scalar that it does not know. */
const isWrongForm = (issue: Issue): boolean =>
  issue.path.length === 0 &&
  (issue.code === 'invalid_type' || issue.code === 'custom' || issue.code === 'invalid_union');

function leafIssue(issue: Issue): LeafIssue | undefined {
  if (issue.code !== 'custom' || !issue.params) return undefined;
  const { likely, isSecret } = issue.params;
  return { likely: typeof likely === 'string' ? likely : undefined, isSecret: isSecret === true };
}

function describeValue(value: Tree): string {
  if (!isWritten(value)) return describeForm(value);
  if (isFromEnvironment(value)) return 'something else from the environment';
  const text = textOf(value);
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return `${isText(value) && /^([-+.\d]+|true|false)$/i.test(text) ? 'the quoted text ' : ''}${JSON.stringify(shown)}`;
}

function describeForm(value: Tree): string {
  if (isWritten(value)) return 'a single value';
  if (isList(value)) return 'a list';
  return isFields(value) ? 'a mapping' : 'nothing';
}
