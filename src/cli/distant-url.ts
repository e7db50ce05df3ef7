import type { Io } from './io.ts';

/** Of a server elsewhere: `--url`, else `ROTATOR_URL`; null: the one that runs here. */
export const distantUrl = (flag: string | undefined, env: Io['env']): string | null =>
  flag ?? (env.ROTATOR_URL?.trim() || null);
