import type { Command } from 'commander';
import type { ModelView } from '../../gateway/operations.ts';
import { normalizeProviderId } from '../../providers/provider-id.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { nearest } from '../../shared/near-miss.ts';
import { matchesAny, namePattern } from '../../shared/wildcard.ts';
import { servesDemo } from '../chat-door.ts';
import type { Context, Start } from '../context.ts';
import { reserveOption } from '../later.ts';
import { isDemoModel, withLocalApp } from '../operations.ts';
import { findPlace } from '../place.ts';
import { plainText } from '../ui/plain-text.ts';
import { table } from '../ui/table.ts';

type Options = { readonly provider?: string; readonly refresh?: true };

export function addModels(program: Command, start: Start): void {
  const command = program
    .command('models')
    .description('list the models that can be called')
    .argument('[pattern]', 'part of a name, or a pattern with * ? [..]')
    .option('--provider <id>', 'only of this provider')
    .option('--refresh', 'ask the providers again instead of using what is remembered')
    .addHelpText(
      'after',
      `
Examples:
  $ rotator models
  $ rotator models 'gemini/*flash*'
  $ rotator models --provider groq --json`,
    )
    .action((pattern: string | undefined, options: Options, self: Command) => models(start(self), pattern, options));
  reserveOption(command, '--allow <pattern>');
  reserveOption(command, '--deny <pattern>');
  reserveOption(command, '--save');
}

async function models(context: Context, pattern: string | undefined, options: Options): Promise<void> {
  const { output, globals } = context;
  const place = await findPlace(context);
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
  for (const error of errors) output.warn(`${error.provider}: ${error.message}`);
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

/** The provider's id as shown, or a usage error with the nearest. */
async function chooseProvider(written: string, known: readonly { readonly id: string }[]): Promise<string> {
  const wanted = normalizeProviderId(written);
  const found = known.find((provider) => normalizeProviderId(provider.id) === wanted);
  if (found) return found.id;
  const near = nearest(
    written,
    known.map((provider) => provider.id),
  );
  throw new CliError(
    ExitCode.usage,
    'unknown_provider',
    `provider "${written}" is not configured`,
    near === undefined ? await wayToProvider(written, known) : `did you mean "${near}"?`,
  );
}

async function wayToProvider(written: string, known: readonly { readonly id: string }[]): Promise<string> {
  const { findProvider } = await import('../../providers/index.ts');
  const vendor = findProvider(written);
  if (vendor || known.length === 0) return `rotator keys add ${vendor?.id ?? 'PROVIDER'}`;
  return `configured are: ${known.map(({ id }) => id).join(', ')}`;
}

/** A plain word means any part of the name; wildcards mean the whole of it, with or without the provider. */
function isMeant(pattern: string, model: Pick<ModelView, 'id' | 'provider'>): boolean {
  if (!/[*?[]/.test(pattern)) return model.id.toLowerCase().includes(pattern.toLowerCase());
  return matchesAny([namePattern(pattern)], model.id, model.id.slice(model.provider.length + 1));
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
