import type { FieldEdit } from './provider.ts';

/** Several edits as one, where a later one has the last word on a field. Undefined when none has anything to do. */
export function together(...edits: readonly (FieldEdit | undefined)[]): FieldEdit | undefined {
  const due = edits.filter((edit) => edit !== undefined);
  if (due.length < 2) return due[0];
  const set: Record<string, unknown> = {};
  for (const edit of due) Object.assign(set, edit.set);
  return {
    set,
    remove: due.flatMap((edit) => edit.remove ?? []),
    changes: due.flatMap((edit) => edit.changes),
  };
}
