import type { RouteCredential, RouteReport, RouteTarget } from '../../gateway/operations.ts';
import { endOf, sourcedText } from './block-text.ts';
import type { Paint } from './colour.ts';
import { flow } from './flow.ts';
import { elapsed } from './human-time.ts';
import { plainName, plainText } from './plain-text.ts';
import { table } from './table.ts';

export type RouteView = {
  readonly paint: Paint;
  readonly maxColumns: number | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** For people: who would serve, and of every key why it would or would not. */
export function routeText(report: RouteReport, view: RouteView): string {
  const { paint } = view;
  const model = plainName(report.model);
  const served = report.would_serve;
  const verdict = served
    ? flowed(
        view,
        `${model} would be served by ${paint.bold(plainName(served.target))} with ${paint.bold(served.credential)}`,
        `${paint.green('✓')} `,
      )
    : flowed(view, `${model} would not be served now`, `${paint.red('✗')} `);
  const parts = [verdict, ...report.targets.map((target, i) => targetText(target, i, view))];
  if (report.attempts.length > 0) {
    const rows = report.attempts.map((attempt) => [
      plainName(attempt.target),
      attempt.credential,
      attempt.status === null ? '-' : String(attempt.status),
      attempt.failure === null ? paint.green('ok') : paint.red(attempt.failure),
      elapsed(attempt.ms),
    ]);
    const text = table(['ATTEMPT', 'KEY', 'STATUS', 'RESULT', 'TIME'], rows, {
      maxColumns: null,
      styleHead: paint.dim,
    });
    parts.push(text);
  }
  return parts.join('\n');
}

function targetText(target: RouteTarget, index: number, view: RouteView): string {
  const { paint } = view;
  const tier = target.tier === null ? '' : `, tier ${target.tier}`;
  const head = `${paint.bold(plainName(target.target))} ${paint.dim(`(${target.lane}${tier})`)}`;
  const lines = [flowed(view, head, `${index + 1}. `)];
  if (target.skipped !== null) lines.push(flowed(view, `${paint.yellow('skipped:')} ${target.skipped}`));
  for (const change of target.changes) lines.push(flowed(view, `changes ${change}`));
  const names = target.credentials.map(({ id, label }) => (label === null ? id : `${id} (${plainText(label)})`));
  const nameWidth = Math.max(0, ...names.map((name) => Bun.stringWidth(name)));
  const verdictWidth = Math.max(0, ...target.credentials.map(({ verdict }) => verdict.length));
  const isNarrow = view.maxColumns !== null && nameWidth + verdictWidth + LEAST_REASON > view.maxColumns;
  for (const [i, key] of target.credentials.entries()) {
    const name = names[i] ?? key.id;
    const style = key.verdict === 'chosen' ? paint.green : key.verdict === 'ready' ? paint.reset : paint.yellow;
    if (isNarrow) lines.push(flowed(view, name), flowed(view, `${style(key.verdict)} ${reason(key, view)}`, '     '));
    else {
      const padding = ' '.repeat(nameWidth - Bun.stringWidth(name));
      const lead = `${INDENT}${name}${padding}  ${style(key.verdict.padEnd(verdictWidth))}  `;
      lines.push(flowed(view, reason(key, view), lead));
    }
  }
  return lines.join('');
}

const INDENT = '   ';
/** A reason that has less room than this beside its key stands below it. */
const LEAST_REASON = 24;

/** Of several blocks the last to end decides: only then is the key back. */
function reason({ verdict, why, blocks }: RouteCredential, { now }: RouteView): string {
  const [last] = [...blocks].sort((a, b) => (endOf(a) === endOf(b) ? 0 : endOf(b) - endOf(a)));
  if (verdict !== 'blocked' || !last) return why;
  return sourcedText(last, now);
}

function flowed({ maxColumns }: RouteView, text: string, lead = INDENT): string {
  return flow([text], { maxColumns, separator: ' ', lead, indent: '     ' });
}
