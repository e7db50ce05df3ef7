import { type Command, InvalidArgumentError, Option } from 'commander';
import { isUsageGroup, USAGE_GROUPS, type UsageGroup } from '../../gateway/operations.ts';
import { parseSince } from '../../shared/since.ts';
import type { Context, Start } from '../context.ts';
import { withOperations } from '../operations.ts';
import { glyphs } from '../ui/glyphs.ts';
import { usageText } from '../ui/usage-text.ts';

type Options = { readonly by: string; readonly since: number | string };

const DEFAULT_SINCE = '7d';

export function addUsage(program: Command, start: Start): void {
  program
    .command('usage')
    .description('show what was used: requests, tokens and cost')
    .addOption(new Option('--by <group>', 'add up by this').choices(USAGE_GROUPS).default('provider'))
    .addOption(
      new Option('--since <time>', 'from when on: 7d, 12h, 2026-01-31').argParser(sinceOption).default(DEFAULT_SINCE),
    )
    .addHelpText(
      'after',
      `
A request here is one call of a provider: one that is tried with two keys counts at both. Use is kept by the hour, so
the first hour counts whole. A cost is known only where a price is.

Examples:
  $ rotator usage
  $ rotator usage --by model --since 24h
  $ rotator usage --by day --since 30d --json`,
    )
    .action((options: Options, self: Command) => usage(start(self), options));
}

function sinceOption(text: string): number {
  const since = parseSince(text, Date.now());
  if (since === null) throw new InvalidArgumentError('expected a length of time such as 7d, or a date.');
  return since;
}

async function usage(context: Context, options: Options): Promise<void> {
  const { io, output, globals } = context;
  const by: UsageGroup = isUsageGroup(options.by) ? options.by : 'provider';
  const since = typeof options.since === 'number' ? options.since : sinceOption(options.since);
  const report = await withOperations(context, { isDemo: false, isKept: false }, (operations) =>
    operations.usage({ by, since }),
  );
  if (globals.json) return await output.json(report);
  if (report.rows.length === 0) return output.note(`nothing was used since ${report.since}`);
  const view = { paint: output.paint, glyphs: glyphs(io.env), maxColumns: output.maxColumns };
  await output.data(usageText(report, view));
}
