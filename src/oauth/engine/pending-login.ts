/**
 * The one login that goes on in a state directory. What a code will be redeemed with is kept in a file of its own, 0600,
 * so that another command can finish it.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import lockfile from 'proper-lockfile';
import { replaceFile } from '../accounts/account-directory.ts';
import { numberOf, parseObject, textOf } from '../json-object.ts';
import type { PendingCode } from './authorization-code.ts';

export class PendingLogin {
  readonly #stateDir: string;
  readonly #file: string;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#file = path.join(stateDir, 'oauth-login.json');
  }

  /** Null when none waits, or when the one that did has waited too long. */
  async read(now: number): Promise<PendingCode | null> {
    const json = parseObject(await readFile(this.#file, 'utf8').catch(() => ''));
    if (json === null) return null;
    const [provider, url, state] = [textOf(json, 'provider'), textOf(json, 'url'), textOf(json, 'state')];
    const [redirectUri, expiresAt] = [textOf(json, 'redirect_uri'), numberOf(json, 'expires_at')];
    if (provider === null || url === null || state === null || redirectUri === null || expiresAt === null) return null;
    if (expiresAt <= now) return null;
    return { provider, url, state, verifier: textOf(json, 'verifier'), redirectUri, expiresAt };
  }

  async write(pending: PendingCode): Promise<void> {
    await mkdir(this.#stateDir, { recursive: true, mode: 0o700 });
    const { provider, url, state, verifier, redirectUri, expiresAt } = pending;
    const json = { provider, url, state, verifier, redirect_uri: redirectUri, expires_at: expiresAt };
    await replaceFile(this.#file, `${JSON.stringify(json)}\n`);
  }

  async clear(): Promise<void> {
    await rm(this.#file, { force: true });
  }

  /** One login at a time: null when another process is at one. */
  async begin(): Promise<{ end(): Promise<void> } | null> {
    await mkdir(this.#stateDir, { recursive: true, mode: 0o700 });
    try {
      const release = await lockfile.lock(this.#file, {
        realpath: false,
        stale: 10_000,
        lockfilePath: path.join(this.#stateDir, 'oauth-login.lock'),
        onCompromised: () => {},
      });
      return { end: () => release().catch(() => {}) };
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ELOCKED') return null;
      throw error;
    }
  }
}
