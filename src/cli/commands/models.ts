import type { Command } from 'commander';
import type { ModelView } from '../../gateway/operations.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { servesDemo } from '../chat-door.ts';
import { chooseProvider } from '../chosen-provider.ts';
import type { Context, Start } from '../context.ts';
import { isMeant } from '../model-match.ts';
import { isDemoModel, withLocalApp } from '../operations.ts';
import { findPlace } from '../place.ts';
import { plainText } from '../ui/plain-text.ts';
import { table } from '../ui/table.ts';

type Options = {
  readonly provider?: string;
  readonly refresh?: true;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly save?: true;
};

export function addModels(program: Command, start: Start): void {
  program
    .command('models')
    .description('list the models that can be called')
    .argument('[pattern]', 'part of a name, or a pattern with * ? [..]')
    .option('--provider <id>', 'only of this provider')
    .option('--refresh', 'ask the providers again instead of using what is remembered')
    .option(
      '--allow <pattern...>',
      'try rules beside those of the config: what they would show and hide, and which does',
    )
    .option('--deny <pattern...>', 'the same for rules that hide')
    .option('--save', 'write the rules of --allow and --deny into the config')
    .addHelpText(
      'after',
      `
Examples:
  $ rotator models
  $ rotator models 'gemini/*flash*'
  $ rotator models --provider groq --json
  $ rotator models --deny 'gemini/*-preview' --save`,
    )
    .action((pattern: string | undefined, options: Options, self: Command) => models(start(self), pattern, options));
}

async function models(context: Context, pattern: string | undefined, options: Options): Promise<void> {
  const { output, globals } = context;
  const place = await findPlace(context);
  if (options.allow || options.deny) {
    const { tryModelRules } = await import('./models-rules.ts');
    return await tryModelRules(context, place, {
      ...options,
      allow: options.allow ?? [],
      deny: options.deny ?? [],
      pattern,
    });
  }
  if (options.save)
    throw new CliError(
      ExitCode.usage,
      'usage',
      '--save writes the rules of --allow and --deny, and both are missing',
      "rotator models --deny 'gemini/*-preview' --save",
    );
  const isAsked = options.provider === 'demo' || (pattern !== undefined && isDemoModel(pattern));
  // Lists come from the vendors, so a running server is not asked for them; but what it serves is shown.
  const { findServer } = await import('../../server/server-file.ts');
  const server = await findServer(place.stateDir);
  const isDemo = isAsked || (server !== null && (await servesDemo(context, place, server.url)));
  const {
    found,
    errors,
    providers,
    provider: asked,
  } = await withLocalApp(context, place, { isDemo, isKept: false }, async ({ operations }) => {
    const known = await operations.providers();
    const provider = options.provider === undefined ? undefined : await chooseProvider(options.provider, known);
    const list = await operations.models({
      ...(provider === undefined ? {} : { provider }),
      ...(options.refresh ? { isRefresh: true } : {}),
    });
    return { found: list.models, errors: list.errors, providers: await operations.providers(), provider };
  });
  const shown = pattern === undefined ? found : found.filter((model) => isMeant(pattern, model));
  // What this end says of a provider names it; what a provider says of itself does not.
  for (const { provider, message } of errors)
    output.warn(message.startsWith(provider) ? message : `${provider}: ${message}`);
  const silent = providers.filter(
    ({ id, credentials, models: known }) =>
      (asked === undefined || id === asked) &&
      credentials.ready > 0 &&
      known === 0 &&
      !errors.some((error) => error.provider === id),
  );
  for (const { id } of silent) output.warn(`${id}: has sent no model list so far, or an empty one`);
  if (globals.json) await output.json(shown);
  else if (shown.length > 0) await output.data(modelTable(shown, output.maxColumns, output.paint.dim));
  if (shown.length > 0) return;
  if (errors.length > 0)
    throw new CliError(ExitCode.failed, 'no_model_list', `no model list could be read from ${names(errors)}`);
  if (providers.length === 0) output.note('no provider has a credential yet: rotator keys add PROVIDER');
  else output.note(pattern === undefined ? 'no models' : `no model matches "${pattern}"`);
}

function modelTable(list: readonly ModelView[], maxColumns: number | null, dim: (text: string) => string): string {
  const rows = list.map((model) => [
    plainText(model.id),
    tokens(model.context_length),
    tokens(model.max_output_tokens),
    perMillion(model.pricing?.prompt),
    perMillion(model.pricing?.completion),
    abilities(model),
    plainText(model.owned_by ?? ''),
  ]);
  return table(['MODEL', 'CONTEXT', 'MAX OUTPUT', '$/M IN', '$/M OUT', 'CAN', 'OWNER'], rows, {
    maxColumns,
    styleHead: dim,
    // The name begins with the provider, and is what one copies.
    dropFirst: ['OWNER', 'MAX OUTPUT', 'CAN', 'CONTEXT', '$/M OUT', '$/M IN'],
  });
}

const tokens = (count: number | null) => (count === null ? '-' : count.toLocaleString('en-US'));

const perMillion = (perToken: number | undefined) =>
  perToken === undefined ? '-' : String(Number((perToken * 1_000_000).toPrecision(6)));

/** Only what is known. */
function abilities({ capabilities, input_modalities: takes, output_modalities: gives }: ModelView): string {
  const named = [
    capabilities.tools && 'tools',
    capabilities.reasoning && 'reasoning',
    capabilities.structured_output && 'schema',
    ...(takes ?? []).filter((kind) => kind !== 'text'),
    ...(gives ?? []).filter((kind) => kind !== 'text').map((kind) => `→${kind}`),
  ];
  return plainText(named.filter((name) => typeof name === 'string').join(' '));
}

const names = (errors: readonly { readonly provider: string }[]) => errors.map((error) => error.provider).join(', ');
