/** One variable → what becomes of it: the first rule of the table whose pattern fits its name. */
import { accountRules } from './account-rules.ts';
import { capRules } from './cap-rules.ts';
import { keyRules } from './key-rules.ts';
import { modelRules } from './model-rules.ts';
import { type Outcome, type Rule, skip } from './outcome.ts';
import { retiredRules, surroundingRules } from './retired-rules.ts';
import { rotationRules } from './rotation-rules.ts';
import { routeRules } from './route-rules.ts';
import { serverRules } from './server-rules.ts';

/** Names that begin with a fixed word come before those that only end in one. */
const rules: readonly Rule[] = [
  ...routeRules,
  ...rotationRules,
  ...capRules,
  ...accountRules,
  ...serverRules,
  ...surroundingRules,
  ...keyRules,
  ...modelRules,
  ...retiredRules,
];

/** Never empty: whatever the file holds is told. */
export function translate(
  name: string,
  value: string | null,
  variables: ReadonlyMap<string, string>,
): readonly Outcome[] {
  if (value === null) return [skip('it has no value')];
  for (const { pattern, takesEmpty, translate: apply } of rules) {
    const match = pattern.exec(name);
    if (match === null) continue;
    if (value === '' && takesEmpty !== true) return [skip('it is empty')];
    const outcomes = apply({ name, value, parts: match.slice(1).map((part) => part ?? ''), variables });
    return outcomes.length > 0 ? outcomes : [skip('it holds nothing')];
  }
  return [skip('no such variable is known here')];
}
