import { type ErrorFacts, violations } from './error-body.ts';

/** Which of a credential's limits a refusal speaks of, in the words that vendors have for it. */

const MINUTE = /\b(?:per[ -]min(?:ute)?|TPM|RPM)\b|\/ ?min(?:ute)?\b|PerMinute/i;
const DAY = /\b(?:per[ -]day|daily|TPD|RPD)\b|\/ ?day\b|PerDay/i;
const LONGER = /\b(?:per[ -](?:week|month)|weekly|monthly)\b|\/ ?(?:week|month)\b/i;

/** Of several limits that are hit at once the longest counts. Null: none is named. */
export function limitWindow(error: ErrorFacts): 'minute' | 'day' | 'longer' | null {
  // Google lists what was hit by id (`GenerateRequestsPerDayPerProjectPerModel-FreeTier`).
  const ids = violations(error);
  if (ids.some((id) => /PerDay|Daily/i.test(id))) return 'day';
  if (ids.some((id) => /PerMinute/i.test(id))) return 'minute';
  if (LONGER.test(error.text)) return 'longer';
  if (DAY.test(error.text)) return 'day';
  return MINUTE.test(error.text) ? 'minute' : null;
}
