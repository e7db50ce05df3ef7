/** What is tried when a target cannot serve: tiers, fallback groups and model routes. */
import { parseJson } from '../../shared/json-shape.ts';
import { type Found, listOf, type Outcome, type Rule, set, setNumber, skip } from './outcome.ts';
import { providerOf } from './provider-name.ts';

export const routeRules: readonly Rule[] = [
  {
    pattern: /^PROVIDER_PRIORITY_(.+)$/,
    translate: ({ value, parts: [prefix = ''] }) => [setNumber(['providers', providerOf(prefix), 'tier'], value)],
  },
  { pattern: /^MODEL_FALLBACK_GROUPS$/, translate: promotedGroups },
  {
    pattern: /^FALLBACK_GROUPS$/,
    translate: ({ value, variables }) => {
      const names = listOf(value);
      const known = names.filter((name) => variables.has(groupVariable(name)));
      const missing = names
        .filter((name) => !known.includes(name))
        .map((name) => skip(`there is no ${groupVariable(name)}`));
      return [...known.map((name): Outcome => ({ kind: 'part', of: groupVariable(name) })), ...missing];
    },
  },
  {
    pattern: /^FALLBACK_GROUP_.+_(?:FAILOVER_ON|STOP_ON)$/,
    translate: () => [
      skip('rotator’s own table says which failures go on to the next target and which stop; it cannot be set'),
    ],
  },
  {
    pattern: /^FALLBACK_GROUP_.+_STREAMING_POLICY$/,
    translate: ({ value }) => [
      value.toLowerCase() === 'never'
        ? skip('streams go on to the next target, too, until something of the answer has been sent')
        : skip('rotator always goes on only before something of the answer has been sent'),
    ],
  },
  { pattern: /^FALLBACK_GROUP_(.+)$/, translate: group },
  { pattern: /^MODEL_ROUTE_(.+)$/, translate: route },
];

/** `["a/m","b/n"]`: who asks for `b/n` gets `b/n`, then `a/m`. An entry belongs to the first group that has it. */
function promotedGroups({ value }: Found): readonly Outcome[] {
  const json = parseJson(value);
  if (!Array.isArray(json)) return [skip('expected a JSON list of lists')];
  const taken = new Set<string>();
  const outcomes = json.flatMap((members: unknown): Outcome[] => {
    if (!Array.isArray(members)) return [skip('a group is no list')];
    const names = new Set(members.flatMap((entry: unknown) => (typeof entry === 'string' ? [entry.trim()] : [])));
    const targets = [...names].filter((entry) => entry.includes('/') && !taken.has(entry));
    if (targets.length < 2) return [skip('a group has fewer than two targets of its own')];
    for (const target of targets) taken.add(target);
    return targets.map((first) =>
      set(['aliases', first], { targets: [first, ...targets.filter((other) => other !== first)] }),
    );
  });
  return outcomes.length > 0 ? outcomes : [skip('it holds no group')];
}

function group({ name, value, variables, parts: [part = ''] }: Found): readonly Outcome[] {
  const targets = targetsOf(value);
  if (targets.length === 0) return [skip('it names no target')];
  const names = listOf(variables.get('FALLBACK_GROUPS') ?? '');
  const alias = names.find((other) => groupVariable(other) === name) ?? part.toLowerCase();
  const change = `can be asked for as model "${alias}"${executionNote(value)}`;
  return [set(['aliases', alias], { targets }, change)];
}

function route({ value, variables, parts: [part = ''] }: Found): readonly Outcome[] {
  const path = ['aliases', part.toLowerCase()];
  if (!value.startsWith('group:')) {
    const [target] = targetsOf(value);
    return [
      target === undefined
        ? skip('it names no target')
        : set(path, { targets: [target] }, executionNote(value).slice(2) || null),
    ];
  }
  const variable = groupVariable(value.slice('group:'.length).trim());
  const targets = targetsOf(variables.get(variable) ?? '');
  return [targets.length === 0 ? skip(`there is no ${variable} with targets`) : set(path, { targets })];
}

const groupVariable = (name: string): string => `FALLBACK_GROUP_${name.toUpperCase().replaceAll('-', '_')}`;

/** Without `@native` and the like: which code of the project would have made the call. */
const targetsOf = (written: string): string[] =>
  listOf(
    listOf(written)
      .map((target) => target.split('@')[0] ?? '')
      .join(','),
  );

const executionNote = (written: string): string =>
  written.includes('@') ? '; what follows @ has no meaning here' : '';
