import { CliError, ExitCode } from '../shared/cli-error.ts';
import { Secret } from '../shared/secret.ts';
import type { Context } from './context.ts';
import type { Endpoint } from './remote.ts';
import { prompts } from './ui/prompts.ts';

/** How long a server may take to say what it is, in milliseconds. */
const PROBE_MS = 10_000;

/**
 * A server that was named by its URL, and the token for its admin routes: `ROTATOR_ADMIN_TOKEN`, else asked for. The token
 * goes to nobody who does not say that it is a rotator.
 */
export async function distantServer(context: Context, written: string): Promise<Endpoint> {
  const { io, output } = context;
  const url = URL.canParse(written) ? new URL(written) : null;
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.username || url.password)
    throw new CliError(
      ExitCode.usage,
      'usage',
      '--url takes the URL of a server, without user and password',
      '--url http://127.0.0.1:8000',
    );
  const base = `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/v1$/, '');
  const given = io.env.ROTATOR_ADMIN_TOKEN?.trim();
  const ask = given ? null : await prompts(context);
  if (!given && !ask)
    throw new CliError(
      ExitCode.usage,
      'no_admin_token',
      `the server at ${base} wants its admin token`,
      'set ROTATOR_ADMIN_TOKEN to the token of <state>/admin-token there',
    );
  await refuseStranger(base);
  const { isLoopbackHost } = await import('../config/loopback.ts');
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname))
    output.warn(`${base} is not encrypted: the admin token can be read on the way`);
  const token = given ?? (await ask?.secret(`Admin token of ${base}`)) ?? '';
  return { url: base, token: new Secret(token) };
}

async function refuseStranger(base: string): Promise<void> {
  const reply = await fetch(`${base}/`, { redirect: 'manual', signal: AbortSignal.timeout(PROBE_MS) }).catch(
    (cause: unknown) => {
      throw new CliError(
        ExitCode.failed,
        'server_unreachable',
        `the server at ${base} does not answer`,
        undefined,
        cause,
      );
    },
  );
  const body: unknown = await reply.json().catch(() => null);
  const isOurs = typeof body === 'object' && body !== null && 'name' in body && body.name === 'rotator';
  if (!isOurs)
    throw new CliError(
      ExitCode.failed,
      'no_rotator',
      `${base} is no rotator: it answered ${reply.status}`,
      '--url takes the URL that the server prints when it starts',
    );
}
