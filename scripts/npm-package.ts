import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** What scripts do that make a file of ours from a package on npm: ask the registry for that package, and nobody else. */

/**
 * Unpacks the package, or what is named of it, into a directory that is gone again afterwards. `--version` on the command
 * line goes before `version`; `--tarball FILE` names one of that version that is there already.
 */
export async function readPackage(
  wanted: { readonly name: string; readonly version: string; readonly only?: string },
  read: (directory: string, version: string) => Promise<void>,
): Promise<void> {
  const { name, only } = wanted;
  const { values } = parseArgs({
    args: Bun.argv.slice(2),
    options: { version: { type: 'string', default: wanted.version }, tarball: { type: 'string' } },
  });
  const directory = await mkdtemp(join(tmpdir(), 'rotator-package-'));
  try {
    const given = values.tarball === undefined ? null : resolve(values.tarball);
    const tarball = given ?? (await download(directory, `${name}@${values.version}`));
    await run(directory, ['tar', '-xzf', tarball, ...(only === undefined ? [] : [only])]);
    await read(directory, values.version);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function download(directory: string, named: string): Promise<string> {
  await run(directory, ['npm', 'pack', '--silent', named]);
  const tarball = (await readdir(directory)).find((name) => name.endsWith('.tgz'));
  return join(directory, tarball ?? fail(`npm pack brought no tarball of ${named}`));
}

async function run(directory: string, command: readonly string[]): Promise<void> {
  const child = Bun.spawn([...command], { cwd: directory, stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' });
  if ((await child.exited) !== 0) fail(`${command.join(' ')} failed`);
}

export function fail(message: string): never {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}
