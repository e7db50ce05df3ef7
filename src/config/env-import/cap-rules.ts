/** Caps of the user's own below the vendor's limits. */
import { formatDuration } from '../../shared/duration.ts';
import { add, type Found, type Outcome, readNumber, type Rule, skip } from './outcome.ts';
import { providerOf } from './provider-name.ts';

/** Digits that follow each other are tiers, as the project reads them. */
const SUBJECT = '(.+?)_T(DEFAULT|\\d+(?:_\\d+)*)_(.+)';

export const capRules: readonly Rule[] = [
  {
    pattern: new RegExp(`^CUSTOM_CAP_COOLDOWN_(${SUBJECT})$`),
    translate: ({ variables, parts: [subject = ''] }) => {
      const cap = `CUSTOM_CAP_${subject}`;
      return [variables.has(cap) ? { kind: 'part', of: cap } : skip(`there is no ${cap} that it could be for`)];
    },
  },
  { pattern: new RegExp(`^CUSTOM_CAP_(?!COOLDOWN_)(${SUBJECT})$`), translate: caps },
];

function caps({
  value,
  variables,
  parts: [subject = '', prefix = '', tiers = '', model = ''],
}: Found): readonly Outcome[] {
  const rest = restOf(variables.get(`CUSTOM_CAP_COOLDOWN_${subject}`) ?? '');
  const pattern = capPattern(model);
  const cap = {
    models: [pattern],
    max_requests: readNumber(value) !== null && !/^[+-]/.test(value) ? Number(value) : value,
    window: '1d',
    ...(rest.on_reached !== undefined && { on_reached: rest.on_reached }),
  };
  const path = ['providers', providerOf(prefix), 'caps'];
  const changes = [
    ...(pattern.includes('?') ? ['"?" stands for a dot or a dash between digits'] : []),
    ...(rest.change === undefined ? [] : [rest.change]),
  ];
  if (tiers === 'DEFAULT') return [add(path, cap, changes.join('; ') || null)];
  return tiers
    .split('_')
    .map((tier) =>
      add(path, { ...cap, tier_name: tier }, [`for keys with tier_name: "${tier}"`, ...changes].join('; ')),
    );
}

/** `GEMINI_2_5_PRO` → `gemini-2?5-pro`: the name of a variable has no dots. */
const capPattern = (part: string): string =>
  part
    .toLowerCase()
    .replace(/(?<=\d)_(?=\d)/g, '?')
    .replaceAll('_', '-');

function restOf(written: string): { on_reached?: string; change?: string } {
  const [mode = '', amount = ''] = written.toLowerCase().split(':');
  const seconds = readNumber(amount);
  if (mode === '' || mode === 'quota_reset') return {};
  const isAfter = seconds !== null && seconds > 0;
  if (mode === 'fixed' && isAfter) return { on_reached: formatDuration(Math.round(seconds * 1000)) };
  if (mode === 'offset' && isAfter) return { on_reached: `until_reset+${formatDuration(Math.round(seconds * 1000))}` };
  return { change: 'its cooldown is not understood, so it rests until the reset' };
}
