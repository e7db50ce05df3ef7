/**
 * The one login that goes on in a state directory. What a code will be redeemed with is kept in a file of its own, 0600,
 * so that another command can finish it.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import lockfile from 'proper-lockfile';
import { replaceFile } from '../accounts/account-directory.ts';
import { type JsonObject, numberOf, parseObject, textOf } from '../json-object.ts';
import type { PendingCode } from './authorization-code.ts';

/** What others may know of a login that goes on. */
export type LoginNotice = Pick<PendingCode, 'provider' | 'expiresAt'>;

export class PendingLogin {
  readonly #stateDir: string;
  readonly #file: string;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#file = path.join(stateDir, 'oauth-login.json');
  }

  /** Null when none waits for a code, or when the one that did has waited too long. */
  async read(now: number): Promise<PendingCode | null> {
    const json = await this.#json();
    const notice = noticeIn(json, now);
    const [url, state, redirectUri] = [textOf(json, 'url'), textOf(json, 'state'), textOf(json, 'redirect_uri')];
    if (notice === null || url === null || state === null || redirectUri === null) return null;
    return { ...notice, url, state, verifier: textOf(json, 'verifier'), redirectUri };
  }

  /** The same of any login, one by a device code included. */
  async notice(now: number): Promise<LoginNotice | null> {
    return noticeIn(await this.#json(), now);
  }

  async write(pending: PendingCode): Promise<void> {
    const { provider, url, state, verifier, redirectUri, expiresAt } = pending;
    await this.#replace({ provider, url, state, verifier, redirect_uri: redirectUri, expires_at: expiresAt });
  }

  /** A login that only the command at it can finish: there is nothing to redeem, and it is seen all the same. */
  async announce({ provider, expiresAt }: LoginNotice): Promise<void> {
    await this.#replace({ provider, expires_at: expiresAt });
  }

  async #json(): Promise<JsonObject> {
    return parseObject(await readFile(this.#file, 'utf8').catch(() => '')) ?? {};
  }

  async #replace(json: JsonObject): Promise<void> {
    await mkdir(this.#stateDir, { recursive: true, mode: 0o700 });
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

function noticeIn(json: JsonObject, now: number): LoginNotice | null {
  const [provider, expiresAt] = [textOf(json, 'provider'), numberOf(json, 'expires_at')];
  return provider === null || expiresAt === null || expiresAt <= now ? null : { provider, expiresAt };
}
