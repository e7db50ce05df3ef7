import type { Command } from 'commander';
import type { RouteCredential, RouteReport } from '../../gateway/operations.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import type { Context, Start } from '../context.ts';
import { missingCredentials } from '../missing-credentials.ts';
import { isDemoModel, withOperations } from '../operations.ts';
import { fromNow } from '../ui/human-time.ts';
import { routeText } from '../ui/route-text.ts';

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

const NAMES = 'rotator models lists what can be called';

async function testRoute(context: Context, model: string, options: Options): Promise<void> {
  if (options.stream && !options.live)
    throw new CliError(
      ExitCode.usage,
      'usage',
      '--stream says how --live asks, and --live is missing',
      `rotator test-route ${model} --live --stream`,
    );
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
      throw lack ?? new CliError(ExitCode.usage, 'unknown_model', found.message, found.hint ?? NAMES);
    },
  );
  if (globals.json) await output.json(report);
  else await output.data(routeText(report, { paint: output.paint, maxColumns: output.maxColumns, now: Date.now() }));
  refuse(report, Date.now());
}

/** The end of the last block to end: only then is the credential back. Null when nobody knows. */
function soonest(blocks: RouteCredential['blocks'], now: number): number | null {
  const ends = blocks.map((block) => (block.until === null ? Number.POSITIVE_INFINITY : Date.parse(block.until)));
  const last = Math.max(...ends);
  return Number.isFinite(last) && last > now ? last : null;
}

function refuse(report: RouteReport, now: number): void {
  if (report.attempts.length > 0 && report.attempts.at(-1)?.failure !== null) {
    const kinds = report.attempts.map((attempt) => attempt.failure);
    const texts = report.attempts.map(({ failure, status }) => `${failure}${status === null ? '' : ` (${status})`}`);
    const { exitCode, code, hint } = liveFailure(kinds);
    const what = [...new Set(texts)].join(', ');
    throw new CliError(exitCode, code, `the live request for "${report.model}" failed: ${what}`, hint);
  }
  if (report.would_serve) return;
  const message = `no credential can serve "${report.model}" now`;
  throw new CliError(ExitCode.noCredential, 'no_credential', message, wayOut(report, now));
}

/** What lets the model be served again: time, or what a person has to do about the first key that needs it. */
function wayOut(report: RouteReport, now: number): string {
  const keys = report.targets.flatMap((target) => target.credentials);
  const ends = keys.map((key) => soonest(key.blocks, now)).filter((end) => end !== null);
  const stuck = keys.find((key) => key.verdict === 'blocked' && key.blocks.some((block) => block.until === null));
  const disabled = keys.find((key) => key.verdict === 'disabled');
  const ways = [
    ...(ends.length > 0 ? [`the next one is back ${fromNow(Math.min(...ends), now)}`] : []),
    ...(stuck ? [wayBack(stuck)] : []),
    ...(ends.length === 0 && !stuck && disabled ? [`rotator keys enable ${disabled.id}`] : []),
  ];
  if (ways.length > 0) return ways.join('; or ');
  const skipped = report.targets.find((target) => target.skipped !== null && target.skipped !== 'no credentials');
  if (skipped?.skipped === 'filtered') return 'models.allow or models.deny of the config leave this model out';
  if (skipped) return `${skipped.target} is skipped: ${skipped.skipped}`;
  if (keys.length > 0) return 'the list above says why each key cannot';
  return `rotator keys add ${report.targets[0]?.target.split('/')[0] ?? 'PROVIDER'}`;
}

/** A reset brings back no account: its own reason says what does. */
function wayBack({ id, blocks }: RouteCredential): string {
  const held = blocks.find(({ source, until }) => source === 'account' && until === null);
  return held ? held.reason : `rotator keys reset ${id}`;
}

type LiveFailure = { readonly exitCode: ExitCode; readonly code: string; readonly hint?: string };

const ASK_KEYS = 'rotator keys test asks each key and shows what the provider says';

/** By the rule for a client's request: a limit among the failures counts first, a refusal only where all are refused. */
function liveFailure(failures: readonly (string | null)[]): LiveFailure {
  const isOf = (kinds: readonly string[]) => (failure: string | null) => failure !== null && kinds.includes(failure);
  if (failures.some(isOf(['rate-limited', 'billing'])))
    return { exitCode: ExitCode.noCredential, code: 'no_credential', hint: ASK_KEYS };
  if (failures.every(isOf(['key-rejected', 'forbidden', 'signed-out'])))
    return { exitCode: ExitCode.rejected, code: 'rejected', hint: ASK_KEYS };
  if (failures.at(-1) === 'model-missing') return { exitCode: ExitCode.usage, code: 'unknown_model', hint: NAMES };
  return { exitCode: ExitCode.failed, code: 'live_failed', hint: ASK_KEYS };
}
