import type { RuledModelView, TriedRules } from '../../gateway/operations.ts';
import { normalizeProviderId } from '../../providers/provider-id.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { matchesAny, namePattern } from '../../shared/wildcard.ts';
import { chooseProvider } from '../chosen-provider.ts';
import type { Context } from '../context.ts';
import { isMeant } from '../model-match.ts';
import { withLocalApp } from '../operations.ts';
import type { Place } from '../place.ts';
import { plainText } from '../ui/plain-text.ts';
import { table } from '../ui/table.ts';

export type RulesOptions = {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly provider?: string;
  readonly pattern: string | undefined;
  readonly refresh?: true;
  readonly save?: true;
};

/** What rules would show and hide, beside those that the config has; with `--save` they become a part of it. */
export async function tryModelRules(context: Context, place: Place, options: RulesOptions): Promise<void> {
  const { output, globals } = context;
  const { rules, found } = await withLocalApp(
    context,
    place,
    { isDemo: false, isKept: false },
    async ({ operations }) => {
      const known = (await operations.providers()).map(({ id }) => ({ id }));
      const chosen = options.provider === undefined ? null : await chooseProvider(options.provider, known);
      const tried = rulesByProvider(
        options,
        chosen,
        known.map(({ id }) => id),
      );
      const answer = await operations.tryRules({ rules: tried, ...(options.refresh && { isRefresh: true }) });
      return { rules: tried, found: answer };
    },
  );
  for (const error of found.errors) output.warn(`${error.provider}: ${error.message}`);
  for (const pattern of idlePatterns(rules, found.models)) output.warn(`no model fits "${pattern}"`);
  const { pattern } = options;
  const shown = pattern === undefined ? found.models : found.models.filter((model) => isMeant(pattern, model));
  if (options.save) await save(context, place, rules);
  if (globals.json) return await output.json(shown);
  if (shown.length > 0) await output.data(ruleTable(shown, output.maxColumns, output.paint.dim));
  const hidden = found.models.filter((model) => !model.shown).length;
  output.note(
    `${found.models.length - hidden} shown, ${hidden} hidden${options.save ? '' : '; --save writes the rules into the config'}`,
  );
}

/**
 * A pattern that begins with a configured provider is that one's; any other is for the provider that was chosen, else for
 * each of them.
 */
function rulesByProvider(
  { allow, deny, save }: Pick<RulesOptions, 'allow' | 'deny' | 'save'>,
  chosen: string | null,
  known: readonly string[],
): readonly TriedRules[] {
  const everywhere = chosen === null ? known : [chosen];
  const named = (pattern: string) => {
    const prefix = pattern.slice(0, Math.max(0, pattern.indexOf('/')));
    return known.find((id) => prefix !== '' && normalizeProviderId(id) === normalizeProviderId(prefix));
  };
  const own = [...allow, ...deny].find((pattern) => named(pattern) === undefined);
  if (save && own !== undefined && everywhere.length > 1) {
    throw new CliError(
      ExitCode.usage,
      'usage',
      `"${own}" names no provider, and rules belong to one`,
      `--provider ${known[0] ?? 'PROVIDER'}, or write it as ${known[0] ?? 'provider'}/${own}`,
    );
  }
  const concerns = (pattern: string, id: string) => {
    const owner = named(pattern);
    return owner === undefined ? everywhere.includes(id) : owner === id;
  };
  return known.flatMap((provider) => {
    const rules = {
      allow: allow.filter((pattern) => concerns(pattern, provider)),
      deny: deny.filter((pattern) => concerns(pattern, provider)),
    };
    return rules.allow.length + rules.deny.length > 0 ? [{ provider, ...rules }] : [];
  });
}

/** A pattern that nothing fits is most often a slip of the fingers. */
function idlePatterns(rules: readonly TriedRules[], models: readonly RuledModelView[]): readonly string[] {
  const patterns = new Set(rules.flatMap(({ allow, deny }) => [...allow, ...deny]));
  return [...patterns].filter((pattern) => {
    const fitting = [namePattern(pattern)];
    return !models.some(({ id, provider }) => matchesAny(fitting, id, id.slice(provider.length + 1)));
  });
}

async function save({ io, output }: Context, { loaded }: Place, rules: readonly TriedRules[]): Promise<void> {
  if (loaded.path === null)
    throw new CliError(
      ExitCode.usage,
      'no_config',
      'there is no config file to write the rules into',
      'rotator config init makes one',
    );
  const { addModelRules } = await import('../../config/edit.ts');
  const { added } = await addModelRules(loaded.path, rules, io.env);
  for (const rule of added) output.note(`added to ${loaded.path}: ${rule}`);
  if (added.length === 0) output.note(`${loaded.path} has these rules already`);
}

function ruleTable(
  models: readonly RuledModelView[],
  maxColumns: number | null,
  dim: (text: string) => string,
): string {
  const rows = models.map(({ id, shown, rule }) => [
    plainText(id),
    shown ? 'shown' : 'hidden',
    plainText(ruleText(rule)),
  ]);
  return table(['MODEL', 'IS', 'BY'], rows, { maxColumns, styleHead: dim });
}

function ruleText(rule: RuledModelView['rule']): string {
  if (rule === null) return '';
  return rule.pattern === null ? 'fits nothing that is allowed' : `${rule.kind} ${rule.pattern}`;
}
