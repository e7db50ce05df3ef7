import type {
  BlockView,
  CapReport,
  ClientReport,
  CredentialReport,
  ProviderReport,
  StatusReport,
  UsageTotals,
  WindowReport,
} from '../../gateway/operations.ts';
import { printable } from '../../shared/printable.ts';
import { amount, compact, counted, dollars, percent } from './amounts.ts';
import { backText, endOf, scopeText, sourcedText } from './block-text.ts';
import type { Paint } from './colour.ts';
import { flow } from './flow.ts';
import type { Glyphs } from './glyphs.ts';
import { duration, fromNow } from './human-time.ts';
import { plainText } from './plain-text.ts';

export type StatusView = {
  readonly paint: Paint;
  readonly glyphs: Glyphs;
  readonly maxColumns: number | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The running server's; null when the report comes from this process. */
  readonly url: string | null;
};

/** Models that rest are named up to here; more are a number. */
const NAMED_BLOCKS = 6;
const LOW_SHARE = 0.2;

/** The state of everything for people: which keys can be used, which cannot, why, and when they come back. */
export function statusText(report: StatusReport, view: StatusView): string {
  return [
    headText(report, view),
    ...report.providers.map((provider) => providerText(provider, report, view)),
    ...(report.clients.length === 0 ? [] : [clientsText(report.clients, view)]),
  ].join('\n');
}

function clientsText(clients: readonly ClientReport[], view: StatusView): string {
  return ['clients:\n', ...clients.map((client) => clientText(client, view))].join('');
}

function clientText({ name, windows }: ClientReport, view: StatusView): string {
  const pieces = windows.map((window) => windowText(window, view));
  return flowed(view, pieces, `  ${plainText(name)}: `, '    ');
}

function headText(report: StatusReport, view: StatusView): string {
  const { paint, url, now } = view;
  const name = paint.bold(`rotator ${report.version}`);
  const live =
    url === null
      ? [name, 'no server runs']
      : [
          name,
          url,
          `up ${duration(now - Date.parse(report.started_at))}`,
          `${report.in_flight} in flight`,
          `${report.waiting} waiting`,
        ];
  const today = report.problem ? [paint.red(plainText(report.problem))] : usedPieces(report.today, view);
  return flowed(view, live, '', '  ') + flowed(view, today, 'today: ', '  ');
}

function providerText(provider: ProviderReport, report: StatusReport, view: StatusView): string {
  const { paint, now } = view;
  const keys = report.keys.filter((key) => key.provider === provider.id).sort(byUse);
  const lines = [flowed(view, [verdictText(provider, keys, view)], `${paint.bold(provider.id)}: `, '  ')];
  for (const text of poolBlockTexts(provider.blocks, now)) lines.push(flowed(view, [paint.yellow(text)], '  ', '    '));
  const missing = provider.blocks.some(isWhole) ? [] : missingTexts(keys, now);
  for (const text of missing) lines.push(flowed(view, [paint.red(text)], '  ', '    '));
  if (provider.waiting > 0) lines.push(flowed(view, [`${counted(provider.waiting, 'request')} waiting`], '  ', '    '));
  for (const key of keys) lines.push(detailText(key, view));
  if (keys.length > 0 && provider.today.requests > 0)
    lines.push(flowed(view, usedPieces(provider.today, view), '  today: ', '    '));
  return lines.join('');
}

/** What rests for all keys. Names that clients made up and the provider does not have are among them, however many. */
function poolBlockTexts(blocks: ProviderReport['blocks'], now: number): readonly string[] {
  const sorted = blocks.toSorted((a, b) => Number(isWhole(b)) - Number(isWhole(a)));
  const named = sorted.length <= NAMED_BLOCKS + 1 ? sorted : sorted.slice(0, NAMED_BLOCKS);
  const texts = named.map((block) => {
    const what = isWhole(block) ? 'every model' : scopeText(block.scope);
    return `${what} rests for all keys: ${sourcedText(block, now)}`;
  });
  const rest = sorted.length - named.length;
  return rest === 0 ? texts : [...texts, `${rest} more models rest for all keys: rotator status --json names them`];
}

/** `3 of 5 keys can be used, the next is back in 41 s`. */
export function verdictText(
  provider: ProviderReport,
  keys: readonly CredentialReport[],
  { paint, now }: Pick<StatusView, 'paint' | 'now'>,
): string {
  if (keys.length === 0) return paint.dim('no keys');
  // Where the provider rests, so do all of its keys.
  const isDown = provider.blocks.some(isWhole);
  const downUntil = Math.max(0, ...provider.blocks.filter(isWhole).map(endOf));
  const usable = isDown ? 0 : keys.filter(isUsable).length;
  const resting = keys.filter((key) => key.state !== 'disabled' && (isDown || !isUsable(key)));
  const soonest = Math.max(downUntil, Math.min(...resting.map((key) => (isUsable(key) ? 0 : backAt(key, 'key')))));
  const count = usable === 0 ? 'no key can be used' : `${usable} of ${counted(keys.length, 'key')} can be used`;
  const style = usable === 0 ? paint.red : usable < keys.length ? paint.yellow : paint.green;
  if (!Number.isFinite(soonest)) return style(count);
  return style(`${count}, the ${usable === 0 ? 'first' : 'next'} is ${backText(soonest, now)}`);
}

/** Models for which none of the keys that can be used is one: of these it does not show in the number of keys. */
function missingTexts(keys: readonly CredentialReport[], now: number): readonly string[] {
  if (!keys.some(isUsable)) return [];
  const enabled = keys.filter(({ state }) => state !== 'disabled');
  const scopes = new Set(
    enabled.flatMap(({ blocks, windows }) => [...blocks, ...windows.filter(isSpent)].map(scopeOf)),
  );
  scopes.delete('key');
  const missing = [...scopes].flatMap((scope) => {
    if (!enabled.every((key) => !isUsable(key) || isBarred(key, scope))) return [];
    return [{ scope, end: Math.min(...enabled.map((key) => Math.max(backAt(key, 'key'), backAt(key, scope)))) }];
  });
  return missing
    .sort((a, b) => (a.end === b.end ? 0 : a.end - b.end))
    .slice(0, NAMED_BLOCKS)
    .map(({ scope, end }) => {
      const when = end === Number.POSITIVE_INFINITY ? ' until one is reset' : `, the first is ${backText(end, now)}`;
      return `no key for ${scopeText(scope)}${when}`;
    });
}

/** The state of a credential as people see it. */
export type ShownState = CredentialReport['state'] | 'limited';

export const shownState = (key: CredentialReport): ShownState => (isLimited(key) ? 'limited' : key.state);

export function stateStyle(state: ShownState, paint: Paint): (text: string) => string {
  return {
    ready: paint.green,
    busy: paint.cyan,
    limited: paint.yellow,
    blocked: paint.yellow,
    disabled: paint.dim,
  }[state];
}

/** One credential with all that is known of it. */
export function detailText(key: CredentialReport, view: StatusView): string {
  const { paint, now } = view;
  const state = shownState(key);
  const style = stateStyle(state, paint);
  const { today } = key;
  const name = key.label === null ? key.id : `${key.id} (${printable(key.label)})`;
  const pieces = [
    name,
    key.in_flight > 0 ? `${key.in_flight} in flight` : '',
    today.requests > 0 ? `${counted(today.requests, 'request')} today` : '',
    today.failures > 0 ? `${today.failures.toLocaleString('en-US')} failed` : '',
  ];
  const lines = [flowed(view, pieces, `  ${style(state.padEnd(8))} `, '    ')];
  for (const block of keyBlocks(key)) lines.push(flowed(view, [style(sourcedText(block, now))], '    ', '      '));
  const rejected = rejectedText(key);
  const proof = `${rejected}: its next request, or keys test, shows whether it works`;
  if (rejected !== null) lines.push(flowed(view, [paint.yellow(proof)], '    ', '      '));
  lines.push(...restingTexts(key, view), ...windowTexts(key.windows, view), ...capTexts(key.caps, view));
  return lines.join('');
}

/** The models that a key is not to be used for, the first to come back first. */
function restingTexts(key: CredentialReport, view: StatusView): readonly string[] {
  const { paint, now } = view;
  const resting = key.blocks.filter(({ scope }) => scope !== 'key').sort((a, b) => endOf(a) - endOf(b));
  // With one more than are named, its name takes no more room than its number.
  const named = resting.length <= NAMED_BLOCKS + 1 ? resting : resting.slice(0, NAMED_BLOCKS);
  const lines = named.map((block) =>
    flowed(view, [paint.yellow(`not for ${scopeText(block.scope)}: ${sourcedText(block, now)}`)], '    ', '      '),
  );
  const last = resting.at(-1);
  if (last && named.length < resting.length) {
    const rest = `not for ${resting.length - named.length} more, the last ${backText(endOf(last), now, last.scope)}`;
    lines.push(flowed(view, [paint.yellow(rest)], '    ', '      '));
  }
  return lines;
}

/** One line per scope. What is still full is of interest for the key as a whole alone. */
function windowTexts(windows: readonly WindowReport[], view: StatusView): readonly string[] {
  const scopes = new Map<string, string[]>();
  for (const window of windows) {
    if (window.scope !== 'key' && window.used === 0 && window.remaining === window.limit) continue;
    scopes.set(window.scope, [...(scopes.get(window.scope) ?? []), windowText(window, view)]);
  }
  return [...scopes].map(([scope, pieces]) =>
    flowed(view, pieces, scope === 'key' ? '    ' : `    ${scopeText(scope)}: `, '      '),
  );
}

/** `rpm 7 of 10 left (70 %), full in 41 s`, or `rpm 0 of 10 left (0 %), room in 6 s, full in 41 s`. */
export function windowText(window: WindowReport, { paint, now }: Pick<StatusView, 'paint' | 'now'>): string {
  const { name, used, limit, unit } = window;
  const remaining = window.remaining ?? (limit === null ? null : Math.max(0, limit - used));
  if (remaining === null) return `${name} ${compact(used)} used`;
  if (limit === null) return `${name} ${compact(remaining)} left${resetText(window, now)}`;
  const isShare = unit === 'percent';
  const text = isShare
    ? `${name} ${percent(remaining, limit)} left`
    : `${name} ${amount(remaining, unit)} of ${amount(limit, unit)} left (${percent(remaining, limit)})`;
  return leftStyle(remaining, limit, paint)(text) + (remaining < limit ? resetText(window, now) : '');
}

/** In which colour it is said how much of a limit is left. */
export function leftStyle(remaining: number, limit: number, paint: Paint): (text: string) => string {
  if (remaining === 0) return paint.red;
  return remaining < limit * LOW_SHARE ? paint.yellow : (plain) => plain;
}

/** One line per cap of which something is used, or that does not apply. */
function capTexts(caps: readonly CapReport[], view: StatusView): readonly string[] {
  const { paint, now } = view;
  return caps.flatMap((cap) => {
    const { limit, remaining, used } = cap;
    const what = cap.scope === 'key' ? '' : `${scopeText(cap.scope)}: `;
    const lead = `    ${what}cap ${cap.max_requests} ${cap.window} `;
    if (cap.note !== null) return [flowed(view, [paint.dim(cap.note)], lead, '      ')];
    if (limit === null || remaining === null || used === 0) return [];
    const text = `${compact(remaining)} of ${compact(limit)} left (${percent(remaining, limit)})`;
    return [flowed(view, [leftStyle(remaining, limit, paint)(text) + resetText(cap, now)], lead, '      ')];
  });
}

function resetText(window: Pick<WindowReport, 'reset_at'> & Partial<WindowReport>, now: number): string {
  const { reset_at: resetAt, room_at: roomAt = null } = window;
  const left = (at: string | null) => (at === null || Date.parse(at) <= now ? '' : duration(Date.parse(at) - now));
  const [room, full] = [left(roomAt), left(resetAt)];
  return (room === '' || room === full ? '' : `, room in ${room}`) + (full === '' ? '' : `, full in ${full}`);
}

function usedPieces(used: UsageTotals, { paint, glyphs }: StatusView): readonly string[] {
  return [
    counted(used.requests, 'request'),
    used.failures > 0 ? paint.yellow(`${used.failures.toLocaleString('en-US')} failed`) : '',
    `${compact(used.input_tokens)} tokens in`,
    `${compact(used.output_tokens)} out`,
    `cost ${dollars(used.cost_usd, glyphs.unknown)}`,
  ];
}

const keyBlocks = (key: CredentialReport): readonly BlockView[] => key.blocks.filter(({ scope }) => scope === 'key');

const isWhole = ({ scope }: { readonly scope: string }) => scope === 'provider';

const scopeOf = ({ scope }: { readonly scope: string }) => scope;

/** A provider's own count may have a part of a request left, and that is something. */
export const isSpent = ({ remaining, source }: WindowReport) =>
  remaining !== null && (source === 'polled' ? remaining <= 0 : remaining < 1);

/** `rpm is used up, room in 6 s`: when the next request may go, not when all of it is there again. */
export function spentText({ scope, name, reset_at: fullAt, room_at: roomAt }: WindowReport, now: number): string {
  const at = roomAt ?? fullAt;
  const what = scope === 'key' ? name : `${scopeText(scope)}: ${name}`;
  return at === null ? `${what} is used up` : `${what} is used up, room ${fromNow(Date.parse(at), now)}`;
}

/** Nothing is left of a limit of the whole key: it serves again when there is room. */
const isLimited = ({ state, windows }: Pick<CredentialReport, 'state' | 'windows'>) =>
  state === 'busy' && windows.some((window) => window.scope === 'key' && isSpent(window));

/** Now, or when one of its requests ends. */
const isUsable = (key: CredentialReport) =>
  !isUnproven(key) && (key.state === 'ready' || (key.state === 'busy' && !isLimited(key)));

/** It was refused, and its time is over: whether it works again shows the next request, or a test. */
const isUnproven = ({ state, rejections }: CredentialReport) =>
  rejections > 0 && (state === 'ready' || state === 'busy');

/** Null: nothing is to be proven. */
export function rejectedText(key: CredentialReport): string | null {
  if (!isUnproven(key)) return null;
  return `rejected ${key.rejections === 1 ? 'the last time' : `the last ${key.rejections} times`}`;
}

const isBarred = ({ blocks, windows }: CredentialReport, scope: string) =>
  blocks.some((block) => block.scope === scope) || windows.some((window) => window.scope === scope && isSpent(window));

/** When a key can be used again, as a whole or for a scope; 0 where nothing is against it. Never too early. */
function backAt(key: CredentialReport, scope: string): number {
  const isOf = (entry: { readonly scope: string }) => entry.scope === scope;
  const isClosed = scope !== 'key' || isLimited(key);
  const spent = isClosed ? key.windows.filter((window) => isOf(window) && isSpent(window)) : [];
  const resets = spent.map(({ reset_at: fullAt, room_at: roomAt }) => Date.parse(roomAt ?? fullAt ?? '') || 0);
  return Math.max(0, ...key.blocks.filter(isOf).map(endOf), ...resets);
}

const order = (key: CredentialReport) => (isUsable(key) ? 0 : key.state === 'disabled' ? 2 : 1);

/** What can be used first, then what comes back soonest; among equals the order of the config. */
function byUse(a: CredentialReport, b: CredentialReport): number {
  const [one, other] = [backAt(a, 'key'), backAt(b, 'key')];
  return order(a) - order(b) || (one === other ? 0 : one - other);
}

function flowed({ maxColumns, glyphs }: StatusView, pieces: readonly string[], lead: string, indent: string): string {
  return flow(pieces, { maxColumns, separator: glyphs.separator, lead, indent });
}
