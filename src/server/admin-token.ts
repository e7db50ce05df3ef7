import { join } from 'node:path';
import { randomText } from './client-keys.ts';
import { type KeptSecret, keptSecret } from './kept-secret.ts';

/** `ROTATOR_ADMIN_TOKEN`, else `<state>/admin-token`, made when missing; in memory without a state directory. */
export function adminToken(env: Readonly<Record<string, string | undefined>>, stateDir: string | null): KeptSecret {
  return keptSecret({
    given: env['ROTATOR_ADMIN_TOKEN'],
    path: stateDir === null ? null : join(stateDir, 'admin-token'),
    make: () => `rotator-admin-${randomText()}`,
  });
}
