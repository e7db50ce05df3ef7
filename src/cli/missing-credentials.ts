import { CliError, ExitCode } from '../shared/cli-error.ts';
import type { Context } from './context.ts';
import type { Place } from './place.ts';

/**
 * A model that is not found because its provider, known by name, has no credential at all. That is no mistake in the
 * name: it fails as every other lack of credentials does, with exit code 3. Null: the model is unknown for another reason.
 */
export async function missingCredentials({ io }: Context, place: Place, model: string): Promise<CliError | null> {
  const [{ credentialsOf }, { findProvider, normalizeProviderId }] = await Promise.all([
    import('../config/credentials.ts'),
    import('../providers/index.ts'),
  ]);
  const slash = model.indexOf('/');
  if (slash < 1) return null;
  const name = model.slice(0, slash);
  const { providers } = credentialsOf(place.loaded.config, io.env, []);
  const id = findProvider(name)?.id ?? normalizeProviderId(name);
  const configured = [...providers.values()].find((provider) => normalizeProviderId(provider.id) === id);
  const known = configured?.provider ?? findProvider(name);
  if (!known || (configured && configured.keys.length > 0)) return null;
  if (known.accounts && (await hasAccount(place.stateDir, known.id))) return null;
  const shown = configured?.id ?? id;
  return new CliError(
    ExitCode.noCredential,
    'no_credential',
    `provider "${shown}" has no credentials`,
    known.key === 'account' ? `rotator oauth login ${shown}` : `rotator keys add ${shown}`,
  );
}

async function hasAccount(stateDir: string, provider: string): Promise<boolean> {
  const { AccountDirectory } = await import('../oauth/accounts/account-directory.ts');
  const { accounts } = await new AccountDirectory(stateDir).scan();
  return accounts.some((account) => account.provider === provider);
}
