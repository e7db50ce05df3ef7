import { normalizeProviderId } from '../providers/provider-id.ts';
import { CliError, ExitCode } from '../shared/cli-error.ts';
import { nearest } from '../shared/near-miss.ts';

/** The provider's id as shown, or a usage error with the nearest. */
export async function chooseProvider(written: string, known: readonly { readonly id: string }[]): Promise<string> {
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
  const { findProvider } = await import('../providers/index.ts');
  const vendor = findProvider(written);
  if (vendor || known.length === 0) return `rotator keys add ${vendor?.id ?? 'PROVIDER'}`;
  return `configured are: ${known.map(({ id }) => id).join(', ')}`;
}
