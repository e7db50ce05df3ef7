import { type Command, InvalidArgumentError, Option } from 'commander';
import type { RequestView } from '../../gateway/operations.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { systemClock } from '../../shared/clock.ts';
import type { Context, Start } from '../context.ts';
import { withOperations } from '../operations.ts';
import type { Place } from '../place.ts';
import { type Endpoint, type ServerOperations, serverEvents } from '../remote.ts';
import { glyphs } from '../ui/glyphs.ts';
import { type LogsView, requestLineText, requestText } from '../ui/logs-text.ts';
import { untilInterrupted } from '../until-interrupted.ts';

type Options = { readonly follow?: true; readonly failed?: true; readonly lines: number };

const DEFAULT_LINES = 50;
/** As many as the admin API gives at once. */
const MAX_LINES = 1000;
/** A busy server has something to tell all the time; nobody reads faster than this. */
const PAUSE_MS = 200;
/** Without a server: how often the database is looked at. */
const LOOK_MS = 1000;

export function addLogs(program: Command, start: Start): void {
  program
    .command('logs')
    .description('show the request log: who asked for what, who served it, how long it took and what it cost')
    .argument('[id]', 'one request with all its attempts: its x-request-id or its seq')
    .option('-f, --follow', 'go on with what comes')
    .option('--failed', 'only requests that failed')
    .addOption(
      new Option('-n, --lines <n>', `how many of the last to show, up to ${MAX_LINES}`)
        .argParser(linesOption)
        .default(DEFAULT_LINES),
    )
    .addHelpText(
      'after',
      `
The log holds no word of what was asked or answered. With "logging: { requests: bodies }" these are kept in files, and
an ID shows where. With --json each request is one line of JSON.

Examples:
  $ rotator logs
  $ rotator logs --failed --follow
  $ rotator logs req_0d1f --json`,
    )
    .action((id: string | undefined, options: Options, self: Command) => logs(start(self), id, options));
}

function linesOption(text: string): number {
  const lines = Number(text);
  if (!/^\d{1,4}$/.test(text) || lines < 1 || lines > MAX_LINES)
    throw new InvalidArgumentError(`expected a whole number from 1 to ${MAX_LINES}.`);
  return lines;
}

async function logs(context: Context, id: string | undefined, options: Options): Promise<void> {
  const { output } = context;
  if (id !== undefined && (options.follow || options.failed))
    throw new CliError(ExitCode.usage, 'usage', 'an ID is one request: it goes without --follow and --failed');
  await withOperations(context, { isDemo: false, isKept: false }, async (operations, place, endpoint) => {
    if (id !== undefined) return await showOne(context, operations, place, id);
    const failedOnly = options.failed === true;
    const last = [...(await operations.requests({ limit: options.lines, failedOnly, before: null, after: null }))];
    for (const request of last.reverse()) await show(context, request);
    if (options.follow) return await follow(context, { operations, endpoint, failedOnly, from: last.at(-1)?.seq ?? 0 });
    if (last.length === 0) output.note(failedOnly ? 'no request has failed' : 'no requests yet');
  });
}

async function showOne(context: Context, operations: ServerOperations, place: Place, id: string): Promise<void> {
  const { output, globals } = context;
  const request = await operations.request(id);
  if (!request)
    throw new CliError(ExitCode.usage, 'unknown_request', `no request "${id}" is in the log`, 'see: rotator logs');
  const { findTranscript } = await import('../../observe/transcript-place.ts');
  const files = findTranscript(place.stateDir, request.id, Date.parse(request.at));
  if (globals.json) return await output.data(`${JSON.stringify({ ...request, files })}\n`);
  await output.data(requestText(request, files, viewOf(context)));
}

async function show(context: Context, request: RequestView): Promise<void> {
  const { output, globals } = context;
  await output.data(globals.json ? `${JSON.stringify(request)}\n` : requestLineText(request, viewOf(context)));
}

const viewOf = ({ io, output }: Context): LogsView => ({
  paint: output.paint,
  glyphs: glyphs(io.env),
  maxColumns: output.maxColumns,
});

type Following = {
  readonly operations: ServerOperations;
  readonly endpoint: Endpoint | null;
  readonly failedOnly: boolean;
  /** The `seq` of the last that was shown. */
  readonly from: number;
};

/** Until Ctrl-C, until nobody reads, or until the server ends. */
async function follow(context: Context, { operations, endpoint, failedOnly, from }: Following): Promise<void> {
  const { io, output } = context;
  await untilInterrupted(io, async (interrupted) => {
    const signal = AbortSignal.any([interrupted, output.closed]);
    let seen = from;
    const showNew = async () => {
      const found = await operations.requests({ limit: MAX_LINES, failedOnly, before: null, after: seen });
      for (const request of [...found].reverse()) await show(context, request);
      seen = found[0]?.seq ?? seen;
    };
    if (endpoint) {
      for await (const _ of serverEvents(endpoint, signal)) {
        await showNew();
        await systemClock.sleep(PAUSE_MS, signal);
      }
    } else {
      output.note('no server runs here: waiting for what the database is told');
      while (!signal.aborted) {
        await showNew();
        await systemClock.sleep(LOOK_MS, signal);
      }
    }
    interrupted.throwIfAborted();
    if (!output.closed.aborted) throw new CliError(ExitCode.failed, 'server_gone', 'the server has ended');
  });
}
