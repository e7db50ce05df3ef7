import type {
  ClientReport,
  CredentialReport,
  ProviderReport,
  StatusReport,
  WindowReport,
} from '../../gateway/operations.ts';
import { amount, compact, counted, dollars, percent } from '../ui/amounts.ts';
import { blocksText } from '../ui/block-text.ts';
import type { Paint } from '../ui/colour.ts';
import { flow } from '../ui/flow.ts';
import type { Glyphs } from '../ui/glyphs.ts';
import { duration } from '../ui/human-time.ts';
import { plainText } from '../ui/plain-text.ts';
import { detailText, shownState, stateStyle, verdictText } from '../ui/status-text.ts';
import { perMinute } from './rates.ts';
import { shownKeys, type WatchState } from './watch-state.ts';

export type Size = { readonly columns: number; readonly rows: number };

export type ScreenView = {
  readonly paint: Paint;
  readonly glyphs: Glyphs;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** The head takes no more, however narrow the terminal. */
const HEAD_LINES = 4;
/** Lower than this there is room for the list alone. */
const LEAST_ROWS_FOR_DETAIL = 16;
const DETAIL_LINES = 6;
const LEAST_ROWS_FOR_CLIENTS = 12;

/** The whole screen: exactly `rows` lines, none wider than `columns`. */
export function screen(state: WatchState, size: Size, view: ScreenView): readonly string[] {
  const { rows } = size;
  const head = headLines(state, size, view).slice(0, HEAD_LINES);
  const foot = [footLine(state, view, size)];
  const detail = rows >= LEAST_ROWS_FOR_DETAIL ? detailLines(state, size, view) : [];
  const clients = rows >= LEAST_ROWS_FOR_CLIENTS ? clientLines(state, view) : [];
  const room = Math.max(0, rows - head.length - clients.length - detail.length - foot.length);
  const list = visible(listLines(state, size, view), room);
  const body = [
    ...head,
    ...list,
    ...Array<string>(Math.max(0, room - list.length)).fill(''),
    ...clients,
    ...detail,
    ...foot,
  ];
  return body.slice(-rows).map((line) => cut(line.trimEnd(), size.columns, view.glyphs));
}

/** How many credentials fit beside the rest: what a page is. */
export const pageOf = ({ rows }: Size): number => Math.max(1, rows - HEAD_LINES - DETAIL_LINES - 2);

function headLines({ report, url, problem, samples }: WatchState, size: Size, view: ScreenView): readonly string[] {
  const { paint, glyphs, now } = view;
  const flowed = (pieces: readonly string[], lead: string) =>
    flow(pieces, { maxColumns: size.columns, separator: glyphs.separator, lead, indent: '  ' }).trimEnd().split('\n');
  const trouble = problem === null ? [] : flowed([plainText(problem)], '').map((line) => paint.red(line));
  if (!report) return [...(problem === null ? ['asking for the status'] : trouble), ''];
  const served = report.today.requests - report.today.failures;
  const rate = perMinute(samples, null);
  const live =
    url === null
      ? ['no server runs']
      : [
          url,
          `up ${duration(now - Date.parse(report.started_at))}`,
          `${report.in_flight} in flight`,
          report.waiting > 0 ? paint.yellow(`${report.waiting} waiting`) : '0 waiting',
          `${rate === null ? glyphs.unknown : compact(rate)} a minute`,
        ];
  const { today } = report;
  const used = [
    counted(today.requests, 'request'),
    today.requests > 0 ? `${percent(served, today.requests)} served` : '',
    today.failures > 0 ? paint.yellow(`${today.failures.toLocaleString('en-US')} failed`) : '',
    `${compact(today.input_tokens)} tokens in`,
    `${compact(today.output_tokens)} out`,
    `cost ${dollars(today.cost_usd, glyphs.unknown)}`,
  ];
  const told = report.problem ? [paint.red(plainText(report.problem))] : used;
  return [...trouble, ...flowed([paint.bold(`rotator ${report.version}`), ...live], ''), ...flowed(told, 'today: ')];
}

/** A line of the list, and the credential that it is of. */
type ListLine = { readonly text: string; readonly isSelected: boolean };

function listLines(state: WatchState, size: Size, view: ScreenView): readonly ListLine[] {
  const { report, filter, sort } = state;
  if (!report) return [];
  const keys = shownKeys(state);
  const columns = columnsFor(keys, size.columns, view);
  const line = (text: string): ListLine => ({ text, isSelected: false });
  const rowOf = (key: CredentialReport): ListLine => {
    const isSelected = key.id === state.selected;
    const text = `${isSelected ? view.paint.bold('>') : ' '} ${cells(key, columns, view)}`;
    return { text: isSelected ? view.paint.bold(text) : text, isSelected };
  };
  if (report.keys.length === 0) return [line(''), line('no keys yet: rotator keys add PROVIDER')];
  if (keys.length === 0) return [line(''), line(`no credential has "${plainText(filter)}" in its name or state`)];
  const header = line(view.paint.dim(`  ${headCells(columns)}`));
  if (sort !== 'provider') return [line(''), header, ...keys.map(rowOf)];
  const groups = report.providers.flatMap((provider) => {
    const own = keys.filter((key) => key.provider === provider.id);
    if (own.length === 0) return [];
    return [line(''), ...providerLines(provider, report, state, view).map(line), ...own.map(rowOf)];
  });
  return [...groups.slice(0, 2), header, ...groups.slice(2)];
}

function providerLines(
  provider: ProviderReport,
  report: StatusReport,
  state: WatchState,
  view: ScreenView,
): readonly string[] {
  const { paint, glyphs, now } = view;
  const keys = report.keys.filter((key) => key.provider === provider.id);
  const rate = perMinute(state.samples, provider.id);
  const pieces = [
    `${paint.bold(provider.id)}: ${verdictText(provider, keys, view)}`,
    provider.waiting > 0 ? paint.yellow(`${provider.waiting} waiting`) : '',
    rate === null || rate === 0 ? '' : `${compact(rate)} a minute`,
    provider.blocks.length > 0 ? paint.yellow(`all keys: ${blocksText(provider.blocks, now)}`) : '',
  ];
  return [pieces.filter((piece) => piece !== '').join(glyphs.separator)];
}

type Column = {
  readonly name: string;
  readonly width: number;
  readonly isNumber: boolean;
  readonly text: (key: CredentialReport) => string;
};

const GAP = '  ';
/** Which go first where it is narrow. */
const DROP_FIRST = ['COST', 'TOKENS', 'FAILED', 'NOW', 'TODAY'];
/** The last column says why and until when. */
const LEAST_SENTENCE = 32;

function columnsFor(keys: readonly CredentialReport[], width: number, view: ScreenView): readonly Column[] {
  const { glyphs } = view;
  const column = (name: string, isNumber: boolean, text: Column['text']): Column => ({
    name,
    isNumber,
    text,
    width: Math.max(name.length, ...keys.map((key) => Bun.stringWidth(text(key)))),
  });
  let columns = [
    { ...column('STATE', false, shownState), width: 'disabled'.length },
    column('KEY', false, nameOf),
    column('NOW', true, (key) => (key.in_flight > 0 ? String(key.in_flight) : '')),
    column('TODAY', true, ({ today }) => compact(today.requests)),
    column('FAILED', true, ({ today }) => (today.failures > 0 ? compact(today.failures) : '')),
    column('TOKENS', true, ({ today }) => compact(today.input_tokens + today.output_tokens)),
    column('COST', true, ({ today }) => dollars(today.cost_usd, glyphs.unknown)),
  ];
  const taken = () => columns.reduce((sum, { width: own }) => sum + own + GAP.length, 2);
  for (const name of DROP_FIRST)
    if (taken() + LEAST_SENTENCE > width) columns = columns.filter((candidate) => candidate.name !== name);
  // A label is worth less than the reason why a key rests.
  if (taken() + LEAST_SENTENCE > width)
    return columns.map((one) => (one.name === 'KEY' ? column('KEY', false, ({ id }) => plainText(id)) : one));
  return columns;
}

const nameOf = ({ id, label }: CredentialReport) => (label === null ? id : `${id} (${plainText(label)})`);

function headCells(columns: readonly Column[]): string {
  return [...columns.map(({ name, width, isNumber }) => pad(name, width, isNumber)), 'LIMITS AND BLOCKS'].join(GAP);
}

function cells(key: CredentialReport, columns: readonly Column[], view: ScreenView): string {
  const { paint } = view;
  const style = stateStyle(shownState(key), paint);
  const texts = columns.map(({ name, width, isNumber, text }) => {
    const padded = pad(text(key), width, isNumber);
    if (name === 'STATE') return style(padded);
    return name === 'FAILED' ? paint.yellow(padded) : padded;
  });
  return [...texts, limitsText(key, view)].join(GAP);
}

const pad = (text: string, width: number, isNumber: boolean) => {
  const blanks = ' '.repeat(Math.max(0, width - Bun.stringWidth(text)));
  return isNumber ? blanks + text : text + blanks;
};

/** Why the key rests, then what is left of its limits. */
function limitsText(key: CredentialReport, view: ScreenView): string {
  const { paint, glyphs, now } = view;
  const blocks = blocksText(key.blocks, now);
  const windows = key.windows.filter(({ scope, used, limit }) => scope === 'key' || (used > 0 && limit !== null));
  return [blocks === '' ? '' : paint.yellow(blocks), ...windows.map((window) => windowText(window, view))]
    .filter((text) => text !== '')
    .join(glyphs.separator);
}

const LOW_SHARE = 0.2;

/** `rpm 7/10 41 s`: how long until all of it is there again, or of what is used up until something is. */
function windowText(window: WindowReport, view: ScreenView): string {
  const { name, used, limit, remaining, unit } = window;
  const reset = window.room_at ?? window.reset_at;
  const { paint, now } = view;
  const left = remaining ?? (limit === null ? null : Math.max(0, limit - used));
  if (left === null) return `${name} ${compact(used)} used`;
  const share =
    limit === null
      ? compact(left)
      : unit === 'percent'
        ? percent(left, limit)
        : `${amount(left, unit)}/${amount(limit, unit)}`;
  const wait = reset === null ? 0 : Date.parse(reset) - now;
  const isFull = limit !== null && left >= limit;
  const text = `${name} ${share}${isFull || wait <= 0 ? '' : ` ${duration(wait)}`}`;
  if (left === 0) return paint.red(text);
  return limit !== null && left < limit * LOW_SHARE ? paint.yellow(text) : text;
}

/** In one line, of each client the limit of which least is left; who has least left comes first. */
function clientLines({ report }: WatchState, view: ScreenView): readonly string[] {
  const scarce = (report?.clients ?? []).flatMap(({ name, windows }: ClientReport) => {
    const [least] = windows.toSorted((a, b) => shareLeft(a) - shareLeft(b));
    return least ? [{ name, least }] : [];
  });
  if (scarce.length === 0) return [];
  const pieces = scarce
    .toSorted((a, b) => shareLeft(a.least) - shareLeft(b.least))
    .map(({ name, least }) => `${plainText(name)} ${windowText(least, view)}`);
  return [`clients: ${pieces.join(view.glyphs.separator)}`];
}

const shareLeft = ({ remaining, limit }: WindowReport) =>
  remaining === null || limit === null ? Number.POSITIVE_INFINITY : remaining / limit;

/** Everything that is known of the selected credential. */
function detailLines(state: WatchState, size: Size, view: ScreenView): readonly string[] {
  const key = state.report?.keys.find(({ id }) => id === state.selected);
  if (!key) return [];
  const text = detailText(key, { ...view, maxColumns: size.columns, url: state.url });
  return ['', ...text.trimEnd().split('\n').slice(0, DETAIL_LINES)];
}

function footLine(
  { isTyping, filter, message, sort, selected }: WatchState,
  { paint, glyphs }: ScreenView,
  size: Size,
): string {
  if (isTyping) return `/${plainText(filter)}_`;
  if (message !== null) return plainText(message);
  const keys = [
    'q quit',
    filter === '' ? '/ filter' : `/ filter: ${plainText(filter)}`,
    `s sort: ${sort}`,
    ...(selected === null ? [] : ['r reset', 'd disable', 't test']),
  ];
  // What does not fit goes whole: half a word is no help.
  while (keys.length > 1 && Bun.stringWidth(keys.join(glyphs.separator)) > size.columns) keys.pop();
  return paint.dim(keys.join(glyphs.separator));
}

/** The part of the list in which the selected line is, with a line or two around it. */
function visible(lines: readonly ListLine[], room: number): readonly string[] {
  const selected = lines.findIndex(({ isSelected }) => isSelected);
  const last = Math.max(0, lines.length - room);
  const from = Math.min(last, Math.max(0, selected - Math.floor(room / 2)));
  return lines.slice(from, from + room).map(({ text }) => text);
}

function cut(line: string, columns: number, { cut: sign }: Glyphs): string {
  if (Bun.stringWidth(line) <= columns) return line;
  return `${Bun.sliceAnsi(line, 0, Math.max(0, columns - 1))}${sign}`;
}
