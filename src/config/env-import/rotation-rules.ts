/** How keys take turns, how many requests they serve, and how long is waited. */
import {
  type Found,
  isTrue,
  listOf,
  type Outcome,
  readNumber,
  type Rule,
  set,
  setNumber,
  setSeconds,
  skip,
} from './outcome.ts';
import { providerOf, splitProvider } from './provider-name.ts';

export const rotationRules: readonly Rule[] = [
  {
    pattern: /^ROTATION_MODE_(.+)$/,
    translate: ({ value, parts: [prefix = ''] }) => [
      set(['providers', providerOf(prefix), 'rotation', 'mode'], value.toLowerCase()),
    ],
  },
  {
    pattern: /^ROTATION_TOLERANCE$/,
    translate: ({ value }) => [
      setNumber(['rotation', 'tolerance'], value, 'the project never read it; here it counts'),
    ],
  },
  {
    pattern: /^MAX_CONCURRENT_REQUESTS_PER_KEY_(.+?)(?:_(BALANCED|SEQUENTIAL))?$/,
    translate: (found) => [inMode(found, () => perKey(found, 'max_per_key'))],
  },
  {
    pattern: /^OPTIMAL_CONCURRENT_REQUESTS_PER_KEY_(.+?)(?:_(BALANCED|SEQUENTIAL))?$/,
    translate: (found) => [inMode(found, () => perKey(found, 'optimal_per_key'))],
  },
  {
    pattern: /^CONCURRENCY_MULTIPLIER_(.+)_PRIORITY_(\d+)(?:_(BALANCED|SEQUENTIAL))?$/,
    translate: (found) => {
      const { value, parts } = found;
      const [prefix = '', priority = '', mode = ''] = parts;
      const path = ['providers', providerOf(prefix), 'concurrency', 'priority_multipliers', priority];
      return [inMode({ ...found, parts: [prefix, mode] }, () => setNumber(path, value))];
    },
  },
  {
    pattern: /^SEQUENTIAL_FALLBACK_MULTIPLIER_(.+)$/,
    translate: ({ parts: [prefix = ''] }) => [
      skip(
        `priorities that are not named count once; name them in providers.${providerOf(prefix)}.concurrency.priority_multipliers`,
      ),
    ],
  },
  { pattern: /^QUOTA_GROUPS_(.+)$/, takesEmpty: true, translate: quotaGroup },
  {
    pattern:
      /^FAIR_CYCLE_(?:ENABLED_)?((?!TRACKING_MODE_|CROSS_TIER_|DURATION_|QUOTA_THRESHOLD_|RESET_COOLDOWN_THRESHOLD_).+)$/,
    translate: ({ value, parts: [prefix = ''] }) => [set(fairCycle(prefix, 'enabled'), isTrue(value))],
  },
  {
    pattern: /^FAIR_CYCLE_TRACKING_MODE_(.+)$/,
    translate: ({ value, parts: [prefix = ''] }) => [
      set(fairCycle(prefix, 'scope'), value === 'model_group' ? 'group' : value),
    ],
  },
  {
    pattern: /^FAIR_CYCLE_CROSS_TIER_(.+)$/,
    translate: ({ value, parts: [prefix = ''] }) => [set(fairCycle(prefix, 'cross_tier'), isTrue(value))],
  },
  {
    pattern: /^FAIR_CYCLE_DURATION_(.+)$/,
    translate: ({ value, parts: [prefix = ''] }) => [setSeconds(fairCycle(prefix, 'duration'), value)],
  },
  {
    pattern: /^FAIR_CYCLE_QUOTA_THRESHOLD_(.+)$/,
    translate: ({ value, parts: [prefix = ''] }) => [setNumber(fairCycle(prefix, 'quota_threshold'), value)],
  },
  {
    pattern: /^FAIR_CYCLE_RESET_COOLDOWN_THRESHOLD_(.+)$/,
    translate: ({ value, parts: [prefix = ''] }) => [setSeconds(fairCycle(prefix, 'reset_guard'), value)],
  },
  {
    pattern: /^EXHAUSTION_COOLDOWN_THRESHOLD_(.+)$/,
    translate: ({ value, parts: [prefix = ''] }) => [setSeconds(fairCycle(prefix, 'threshold'), value)],
  },
  {
    pattern: /^GLOBAL_TIMEOUT$/,
    translate: ({ value }) => [
      setSeconds(['timeouts', 'acquire'], value, 'the wait for a free key alone; timeouts.request bounds the whole'),
    ],
  },
  {
    pattern: /^SMALL_COOLDOWN_RETRY_THRESHOLD$/,
    translate: ({ value }) => [
      setSeconds(['rotation', 'wait_same_key'], value, 'waited for only when no other key is ready'),
    ],
  },
  { pattern: /^TIMEOUT_CONNECT$/, translate: ({ value }) => [setSeconds(['timeouts', 'connect'], value, ALL)] },
  {
    pattern: /^TIMEOUT_READ_NON_STREAMING$/,
    translate: ({ value }) => [setSeconds(['timeouts', 'total'], value, ALL)],
  },
  { pattern: /^TIMEOUT_READ_STREAMING$/, translate: ({ value }) => [setSeconds(['timeouts', 'idle'], value, ALL)] },
  { pattern: /^STREAM_STALL_TIMEOUT_SECONDS$/, translate: ({ value }) => [limit(['timeouts', 'idle'], value)] },
  { pattern: /^STREAM_TTFB_TIMEOUT_SECONDS$/, translate: ({ value }) => [limit(['timeouts', 'first_byte'], value)] },
  {
    pattern: /^STREAM_HEARTBEAT(?:_INTERVAL)?_SECONDS$/,
    translate: ({ value }) => [setSeconds(['server', 'heartbeat'], value)],
  },
];

const ALL = 'for every provider, where the project had it for two';

const fairCycle = (prefix: string, field: string): string[] => ['providers', providerOf(prefix), 'fair_cycle', field];

/** What is said for one mode counts when the provider goes by that mode, and then before what is said for both. */
function inMode({ name, variables, parts: [prefix = '', suffix = ''] }: Found, translate: () => Outcome): Outcome {
  const mode = variables.get(`ROTATION_MODE_${prefix}`)?.toUpperCase() === 'SEQUENTIAL' ? 'SEQUENTIAL' : 'BALANCED';
  if (suffix === '') return variables.has(`${name}_${mode}`) ? skip(`${name}_${mode} goes before it`) : translate();
  if (suffix === mode) return translate();
  return skip(`it is for mode ${suffix.toLowerCase()}, and ${providerOf(prefix)} goes by ${mode.toLowerCase()}`);
}

function perKey({ value, parts: [prefix = ''] }: Found, field: string): Outcome {
  const number = readNumber(value);
  if (number === null || !Number.isInteger(number)) return skip('expected a whole number');
  return set(['providers', providerOf(prefix), 'concurrency', field], Math.max(0, number));
}

function quotaGroup({ value, variables, parts: [name = ''] }: Found): readonly Outcome[] {
  const split = splitProvider(name, variables);
  if (split === null) return [skip('expected a provider and a group in its name')];
  const group = split.rest.toLowerCase().replaceAll('_', '-');
  return [set(['providers', split.provider, 'quota_groups', group], listOf(value))];
}

/** 0 meant no limit. */
function limit(path: readonly string[], value: string): Outcome {
  return readNumber(value) === 0
    ? skip(`0 was no limit; rotator always has one, ${path.join('.')}`)
    : setSeconds(path, value);
}
