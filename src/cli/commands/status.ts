import type { Command } from 'commander';
import type { QuotaRefresh } from '../../gateway/operations.ts';
import type { Context, Start } from '../context.ts';
import { distantUrl } from '../distant-url.ts';
import { followedSource, withOperations } from '../operations.ts';
import { type Endpoint, remoteOperations, type ServerOperations } from '../remote.ts';
import { glyphs } from '../ui/glyphs.ts';
import { statusText } from '../ui/status-text.ts';
import { untilInterrupted } from '../until-interrupted.ts';
import type { Source } from '../watch/watching.ts';

type Options = { readonly refresh?: true; readonly watch?: true; readonly url?: string };

export function addStatus(program: Command, start: Start): void {
  program
    .command('status')
    .description('show which keys can be used, what blocks the others and until when, and what was used today')
    .option('--watch', 'a live screen, on which keys can be filtered, sorted, reset, disabled and tested')
    .option('--refresh', 'ask the providers for their quotas first')
    .option(
      '--url <url>',
      'of a server elsewhere (default: ROTATOR_URL); its admin token is taken from ROTATOR_ADMIN_TOKEN',
    )
    .addHelpText(
      'after',
      `
Without a running server it shows what the database remembers.

On the live screen: arrows or j k select, / filters, s sorts, r resets, d disables and enables, t tests, q leaves. With
--json, --watch prints one report a second, each in one line.

Examples:
  $ rotator status
  $ rotator status --watch
  $ ROTATOR_ADMIN_TOKEN=… rotator status --watch --url https://rotator.example.com`,
    )
    .action((options: Options, self: Command) => status(start(self), options));
}

async function status(context: Context, options: Options): Promise<void> {
  const { io, output, globals } = context;
  const ask = async (operations: ServerOperations, from: string | null) => ({
    refreshed: options.refresh ? await operations.refreshQuota() : null,
    report: await operations.status(),
    url: from,
  });
  const distant = distantUrl(options.url, io.env);
  const endpoint = distant === null ? null : await distantEndpoint(context, distant);
  if (options.watch) return await watch(context, options, endpoint);
  const { report, refreshed, url } = endpoint
    ? await ask(remoteOperations(endpoint), endpoint.url)
    : await withOperations(context, READING, (operations, _, here) => ask(operations, here?.url ?? null));
  if (refreshed) tellRefresh(context, refreshed);
  if (globals.json) return await output.json(report);
  const view = {
    paint: output.paint,
    glyphs: glyphs(io.env),
    maxColumns: output.maxColumns,
    now: Date.now(),
    url,
  };
  await output.data(statusText(report, view));
  if (report.keys.length === 0) output.note('no keys yet: rotator keys add PROVIDER');
}

const READING = { isDemo: false, isKept: false };

async function distantEndpoint(context: Context, url: string): Promise<Endpoint> {
  const { distantServer } = await import('../distant-server.ts');
  return await distantServer(context, url);
}

async function watch(context: Context, { refresh }: Options, endpoint: Endpoint | null): Promise<void> {
  const { output, globals } = context;
  const { poll, watchStatus } = await import('../watch/watching.ts');
  const follow = async (source: Source) => {
    if (refresh) await (await source()).operations.refreshQuota();
    if (!globals.json) {
      // Who refuses the first question, for its token say, is not followed: the person is told what to do instead.
      await (await source()).operations.status();
      return await watchStatus(context, source);
    }
    await untilInterrupted(context.io, async (signal) => {
      const ended = AbortSignal.any([signal, output.closed]);
      let told: string | null = null;
      await poll(source, ended, (seen) => {
        if ('report' in seen) {
          told = null;
          void output.data(`${JSON.stringify(seen.report)}\n`);
        } else if (seen.problem !== told) {
          told = seen.problem;
          output.warn(told);
        }
      });
      signal.throwIfAborted();
    });
  };
  if (!endpoint) return await followedSource(context, follow);
  const operations = remoteOperations(endpoint);
  await follow(async () => ({ operations, url: endpoint.url }));
}

function tellRefresh({ output }: Context, { refreshed, unsupported, errors }: QuotaRefresh): void {
  for (const { provider, credentials } of refreshed)
    output.note(`asked ${provider} for the quotas of ${credentials === 1 ? 'one key' : `${credentials} keys`}`);
  for (const { credential, message } of errors) output.warn(`${credential}: ${message}`);
  if (unsupported.length > 0) output.note(`cannot be asked for quotas: ${unsupported.join(', ')}`);
  if (refreshed.length + unsupported.length + errors.length === 0) output.note('there is nobody to ask for quotas');
}
