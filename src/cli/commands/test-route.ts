import type { Command } from 'commander';
import type { RouteCredential, RouteReport, RouteTarget } from '../../gateway/operations.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { Context, Start } from '../context.ts';
import { missingCredentials } from '../missing-credentials.ts';
import { isDemoModel, withOperations } from '../operations.ts';
import type { Paint } from '../ui/colour.ts';
import { duration, fromNow } from '../ui/human-time.ts';
import { table } from '../ui/table.ts';

type Options = { readonly live?: true; readonly stream?: true };

export function addTestRoute(program: Command, start: Start): void {
  program
    .command('test-route')
    .description('explain which key of which provider would serve a model, and why not the others')
    .argument('<model>', 'model as a client would write it')
    .option('--live', 'also send a one-token request and show every attempt')
    .option('--stream', 'with --live: as a stream')
    .addHelpText(
      'after',
      `
Without --live nothing is called. Exit code 3 when nothing could serve the model now.

Examples:
  $ rotator test-route groq/llama-3.3-70b-versatile
  $ rotator test-route demo/chat --live --json`,
    )
    .action((model: string, options: Options, command: Command) => testRoute(start(command), model, options));
}

async function testRoute(context: Context, model: string, options: Options): Promise<void> {
  const { output, globals } = context;
  const report = await withOperations(
    context,
    { isDemo: isDemoModel(model), isKept: false },
    async (operations, place) => {
      const found = await operations.testRoute(model, {
        isLive: options.live === true,
        isStream: options.stream === true,
      });
      if (!('unknown' in found)) return found;
      const lack = await missingCredentials(context, place, model);
      throw lack ?? new CliError(ExitCode.usage, 'unknown_model', found.message, found.hint ?? undefined);
    },
  );
  if (globals.json) await output.json(report);
  else await output.data(routeText(report, output.paint, Date.now()));
  refuse(report, Date.now());
}

/** The report for people. `now`: milliseconds since the epoch. */
export function routeText(report: RouteReport, paint: Paint, now: number): string {
  const served = report.would_serve;
  const verdict = served
    ? `${paint.green('✓')} ${report.model} would be served by ${paint.bold(served.target)} with ${paint.bold(served.credential)}`
    : `${paint.red('✗')} ${report.model} would not be served now`;
  const parts = [`${verdict}\n`, ...report.targets.map((target, i) => targetText(target, i, paint, now))];
  if (report.attempts.length > 0) {
    const rows = report.attempts.map((attempt) => [
      attempt.target,
      attempt.credential,
      attempt.status === null ? '-' : String(attempt.status),
      attempt.failure === null ? paint.green('ok') : paint.red(attempt.failure),
      duration(attempt.ms),
    ]);
    const text = table(['ATTEMPT', 'KEY', 'STATUS', 'RESULT', 'TIME'], rows, {
      maxColumns: null,
      styleHead: paint.dim,
    });
    parts.push(text);
  }
  return parts.join('\n');
}

function targetText(target: RouteTarget, index: number, paint: Paint, now: number): string {
  const tier = target.tier === null ? '' : `, tier ${target.tier}`;
  const lines = [`${index + 1}. ${paint.bold(target.target)} ${paint.dim(`(${target.lane}${tier})`)}`];
  if (target.skipped !== null) lines.push(`   ${paint.yellow('skipped:')} ${target.skipped}`);
  for (const change of target.changes) lines.push(`   changes ${change}`);
  const width = Math.max(0, ...target.credentials.map((key) => key.id.length));
  for (const key of target.credentials) lines.push(`   ${credentialLine(key, width, paint, now)}`);
  return `${lines.join('\n')}\n`;
}

function credentialLine(key: RouteCredential, width: number, paint: Paint, now: number): string {
  const style = key.verdict === 'chosen' ? paint.green : key.verdict === 'ready' ? paint.reset : paint.yellow;
  const label = key.label === null ? '' : ` ${paint.dim(`(${key.label})`)}`;
  const next = soonest(key.blocks, now);
  const back = next === null ? '' : paint.dim(` · back ${fromNow(next, now)}`);
  return `${key.id.padEnd(width)} ${style(key.verdict.padEnd(8))} ${key.why}${label}${back}`;
}

/** The end of the last block to end: only then is the credential back. Null when nobody knows. */
function soonest(blocks: RouteCredential['blocks'], now: number): number | null {
  const ends = blocks.map((block) => (block.until === null ? Number.POSITIVE_INFINITY : Date.parse(block.until)));
  const last = Math.max(...ends);
  return Number.isFinite(last) && last > now ? last : null;
}

function refuse(report: RouteReport, now: number): void {
  const last = report.attempts.at(-1);
  if (last && last.failure !== null) {
    const [exitCode, code] = liveFailure(report.attempts.map((attempt) => attempt.failure));
    const status = last.status === null ? '' : ` (${last.status})`;
    throw new CliError(exitCode, code, `the live request for "${report.model}" failed: ${last.failure}${status}`);
  }
  if (report.would_serve) return;
  const ends = report.targets
    .flatMap((target) => target.credentials.map((key) => soonest(key.blocks, now)))
    .filter((end) => end !== null);
  const providers = [...new Set(report.targets.map((target) => target.target.split('/')[0] ?? target.target))];
  throw new CliError(
    ExitCode.noCredential,
    'no_credential',
    `no credential can serve "${report.model}" now`,
    ends.length > 0
      ? `the next one is back ${fromNow(Math.min(...ends), now)}`
      : `rotator keys add ${providers[0] ?? 'PROVIDER'}`,
  );
}

/** By what all attempts failed with; mixed failures are a plain one. */
function liveFailure(failures: readonly (string | null)[]): readonly [ExitCode, string] {
  const areAll = (...kinds: string[]) => failures.every((failure) => failure !== null && kinds.includes(failure));
  if (areAll('key-rejected', 'forbidden')) return [ExitCode.rejected, 'rejected'];
  if (areAll('rate-limited', 'billing')) return [ExitCode.noCredential, 'no_credential'];
  return [ExitCode.failed, 'live_failed'];
}
