import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A directory of a test's own, gone when the test is. */
export function temporaryDirectory(): Disposable & { readonly path: string; file(name: string): string } {
  const directory = mkdtempSync(path.join(tmpdir(), 'rotator-config-'));
  return {
    path: directory,
    file: (name) => path.join(directory, name),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}
