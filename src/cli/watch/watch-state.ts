/** What the live screen knows, and what a key does to it. Pure: the loop brings reports and keys and runs the orders. */
import type { CredentialReport, StatusReport } from '../../gateway/operations.ts';
import { assertNever } from '../../shared/assert-never.ts';
import { type ShownState, shownState } from '../ui/status-text.ts';
import type { KeyPress } from './key-press.ts';
import { type Sample, sampleOf, withSample } from './rates.ts';

export const SORT_ORDERS = ['provider', 'state', 'requests', 'failures', 'in flight'] as const;
export type SortOrder = (typeof SORT_ORDERS)[number];

export type WatchState = {
  readonly report: StatusReport | null;
  /** The server's; null: there is none, and what the database remembers is shown. */
  readonly url: string | null;
  /** Why the report is old; null: it is not. */
  readonly problem: string | null;
  readonly samples: readonly Sample[];
  readonly filter: string;
  /** The filter is being typed. */
  readonly isTyping: boolean;
  readonly sort: SortOrder;
  /** The selected credential's id. */
  readonly selected: string | null;
  /** What the last order brought. */
  readonly message: string | null;
};

/** What a person wants done to a credential. */
export type Order = { readonly kind: 'reset' | 'enable' | 'disable' | 'test'; readonly id: string };

export type Step =
  | { readonly kind: 'go-on'; readonly state: WatchState }
  | { readonly kind: 'order'; readonly state: WatchState; readonly order: Order }
  | { readonly kind: 'leave' }
  | { readonly kind: 'interrupt' };

export const initialState: WatchState = {
  report: null,
  url: null,
  problem: null,
  samples: [],
  filter: '',
  isTyping: false,
  sort: 'provider',
  selected: null,
  message: null,
};

export function withReport(state: WatchState, report: StatusReport, url: string | null, at: number): WatchState {
  const isOther = url !== state.url;
  const samples = withSample(isOther ? [] : state.samples, sampleOf(report, at));
  return selectable({ ...state, report, url, problem: null, samples });
}

/** Credentials that the filter leaves, in the order of the screen. */
export function shownKeys({ report, filter, sort }: WatchState): readonly CredentialReport[] {
  if (!report) return [];
  const wanted = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = report.keys.filter((key) => {
    const text = [key.id, key.provider, key.label ?? '', shownState(key), ...key.blocks.map(({ kind }) => kind)]
      .join(' ')
      .toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  const places = new Map(report.providers.map(({ id }, i) => [id, i]));
  return found.toSorted((a, b) => {
    switch (sort) {
      case 'provider':
        return (places.get(a.provider) ?? 0) - (places.get(b.provider) ?? 0);
      case 'state':
        return STATES.indexOf(shownState(a)) - STATES.indexOf(shownState(b));
      case 'requests':
        return b.today.requests - a.today.requests;
      case 'failures':
        return b.today.failures - a.today.failures;
      case 'in flight':
        return b.in_flight - a.in_flight;
      default:
        return assertNever(sort);
    }
  });
}

/** What needs a look first. */
const STATES: readonly ShownState[] = ['blocked', 'limited', 'busy', 'ready', 'disabled'];

/** `page`: how many credentials a page has. */
export function pressed(state: WatchState, key: KeyPress, page: number): Step {
  if (key.kind === 'interrupt') return { kind: 'interrupt' };
  if (state.isTyping) return goOn(typed(state, key));
  switch (key.kind) {
    case 'up':
      return goOn(moved(state, -1));
    case 'down':
      return goOn(moved(state, 1));
    case 'page-up':
      return goOn(moved(state, -page));
    case 'page-down':
      return goOn(moved(state, page));
    case 'home':
      return goOn(moved(state, Number.NEGATIVE_INFINITY));
    case 'end':
      return goOn(moved(state, Number.POSITIVE_INFINITY));
    case 'escape':
      return state.filter === '' ? { kind: 'leave' } : goOn(selectable({ ...state, filter: '' }));
    case 'text':
      return letter(state, key.text);
    case 'enter':
    case 'backspace':
      return goOn(state);
    default:
      return assertNever(key.kind);
  }
}

const goOn = (state: WatchState): Step => ({ kind: 'go-on', state });

function letter(state: WatchState, text: string): Step {
  const key = state.report?.keys.find(({ id }) => id === state.selected);
  const order = (kind: Order['kind']): Step => {
    if (!key) return goOn({ ...state, message: 'no credential is selected' });
    return {
      kind: 'order',
      state: { ...state, message: `asking for: ${kind} ${key.id}` },
      order: { kind, id: key.id },
    };
  };
  switch (text) {
    case 'q':
      return { kind: 'leave' };
    case '/':
      return goOn({ ...state, isTyping: true, message: null });
    case 's': {
      const next = SORT_ORDERS[(SORT_ORDERS.indexOf(state.sort) + 1) % SORT_ORDERS.length];
      return goOn({ ...state, sort: next ?? 'provider', message: null });
    }
    case 'j':
      return goOn(moved(state, 1));
    case 'k':
      return goOn(moved(state, -1));
    case 'g':
      return goOn(moved(state, Number.NEGATIVE_INFINITY));
    case 'G':
      return goOn(moved(state, Number.POSITIVE_INFINITY));
    case 'r':
      return order('reset');
    case 'd':
      return order(key?.enabled === false ? 'enable' : 'disable');
    case 't':
      return order('test');
    default:
      return goOn(state);
  }
}

function typed(state: WatchState, key: KeyPress): WatchState {
  if (key.kind === 'enter') return { ...state, isTyping: false };
  if (key.kind === 'escape') return selectable({ ...state, isTyping: false, filter: '' });
  if (key.kind === 'backspace') return selectable({ ...state, filter: [...state.filter].slice(0, -1).join('') });
  if (key.kind === 'text') return selectable({ ...state, filter: state.filter + key.text });
  return key.kind === 'up' || key.kind === 'down' ? moved(state, key.kind === 'up' ? -1 : 1) : state;
}

function moved(state: WatchState, by: number): WatchState {
  const keys = shownKeys(state);
  const at = keys.findIndex(({ id }) => id === state.selected);
  const to = Math.min(keys.length - 1, Math.max(0, at + by));
  return { ...state, selected: keys[to]?.id ?? null, message: null };
}

/** The selection is always one of those that are shown, if there is any. */
function selectable(state: WatchState): WatchState {
  const keys = shownKeys(state);
  if (keys.some(({ id }) => id === state.selected)) return state;
  return { ...state, selected: keys[0]?.id ?? null };
}
