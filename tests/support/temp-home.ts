import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const CLIENT_KEY = 'sk-rotator-test-client';

/** A person with nothing but an empty home: no config, no keys, no state, an empty current directory. */
export type TempHome = AsyncDisposable & {
  readonly dir: string;
  readonly state: string;
  /** Where the program is run. */
  readonly cwd: string;
  /** The whole environment of a program started here. */
  readonly env: Readonly<Record<string, string>>;
  /** A path in the home. */
  path(...parts: string[]): string;
  /** Writes a file in the home, with its directories; returns its path. */
  write(path: string, text: string, mode?: number): Promise<string>;
};

export async function tempHome(): Promise<TempHome> {
  const dir = await mkdtemp(join(tmpdir(), 'rotator-home-'));
  const path = (...parts: string[]) => join(dir, ...parts);
  const cwd = path('project');
  await mkdir(cwd);
  return {
    dir,
    state: path('state'),
    cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: dir,
      USERPROFILE: dir,
      TMPDIR: tmpdir(),
      XDG_CONFIG_HOME: path('config'),
      XDG_STATE_HOME: path('xdg-state'),
      ROTATOR_STATE: path('state'),
      ROTATOR_CLIENT_KEY: CLIENT_KEY,
      // Else a terminal that runs the tests would decide how the output looks.
      NO_COLOR: '1',
    },
    path,
    write: async (name, text, mode = 0o600) => {
      const file = path(name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text, { mode });
      return file;
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
