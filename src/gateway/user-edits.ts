import type { BodyEdits, BodyRule, ZeroRule } from '../providers/body-edits.ts';
import { matchesAny, type NamePattern } from '../shared/wildcard.ts';
import { targetNames } from './target-names.ts';

/** What the config says of the bodies that go to one provider. */
export type UserEdits = {
  /** `requests`, in order. */
  readonly rules: readonly (BodyRule & { readonly match: NamePattern })[];
  /** `models.define.X.options`: shown name → fields the client need not give. */
  readonly options: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  readonly temperatureZero: ZeroRule;
};

export const NO_EDITS: UserEdits = { rules: [], options: new Map(), temperatureZero: 'keep' };

/** Those that concern one target; null where none does, so that its body need not be looked at. */
export function editsFor(
  edits: UserEdits,
  target: { readonly provider: string; readonly shownModel: string; readonly model: string },
): BodyEdits | null {
  const { provider, shownModel, model } = target;
  const rules: BodyRule[] = [];
  const options = edits.options.get(shownModel);
  if (options && Object.keys(options).length > 0) rules.push({ set: {}, default: options, remove: [] });
  if (edits.rules.length > 0) {
    const names = [model, shownModel, ...targetNames(provider, model), ...targetNames(provider, shownModel)];
    rules.push(...edits.rules.filter(({ match }) => matchesAny([match], ...names)));
  }
  if (rules.length === 0 && edits.temperatureZero === 'keep') return null;
  return { rules, temperatureZero: edits.temperatureZero };
}
