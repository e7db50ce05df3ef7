import type { Command } from 'commander';
import type { QuotaRefresh } from '../../gateway/operations.ts';
import type { Context, Start } from '../context.ts';
import { reserveOption } from '../later.ts';
import { withOperations } from '../operations.ts';
import { glyphs } from '../ui/glyphs.ts';
import { statusText } from '../ui/status-text.ts';

type Options = { readonly refresh?: true };

export function addStatus(program: Command, start: Start): void {
  const command = program
    .command('status')
    .description('show which keys can be used, what blocks the others and until when, and what was used today')
    .option('--refresh', 'ask the providers for their quotas first')
    .addHelpText(
      'after',
      `
Without a running server it shows what the database remembers.

Examples:
  $ rotator status
  $ rotator status --json`,
    )
    .action((options: Options, self: Command) => status(start(self), options));
  reserveOption(command, '--watch');
  reserveOption(command, '--url <url>');
}

async function status(context: Context, options: Options): Promise<void> {
  const { io, output, globals } = context;
  const { report, refreshed, url } = await withOperations(
    context,
    { isDemo: false, isKept: false },
    async (operations, _, endpoint) => {
      const asked = options.refresh ? await operations.refreshQuota() : null;
      return { refreshed: asked, report: await operations.status(), url: endpoint?.url ?? null };
    },
  );
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

function tellRefresh({ output }: Context, { refreshed, unsupported, errors }: QuotaRefresh): void {
  for (const { provider, credentials } of refreshed)
    output.note(`asked ${provider} for the quotas of ${credentials === 1 ? 'one key' : `${credentials} keys`}`);
  for (const { credential, message } of errors) output.warn(`${credential}: ${message}`);
  if (unsupported.length > 0) output.note(`cannot be asked for quotas: ${unsupported.join(', ')}`);
  if (refreshed.length + unsupported.length + errors.length === 0) output.note('there is nobody to ask for quotas');
}
