/** The directory with one file per account: `<state>/oauth/<provider>-<n>.json`. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import lockfile from 'proper-lockfile';
import { isObject } from '../../shared/json-shape.ts';
import { type JsonObject, parseObject, textOf } from '../json-object.ts';
import type { Profile } from '../profile.ts';
import { findProfile } from '../profiles/index.ts';
import { type Account, isSameAccount } from './account.ts';
import { accountText, readAccount } from './account-json.ts';

/** A file that is there and is no account, or should not be as it is. */
export type FileProblem = { readonly path: string; readonly problem: string };

export type Scan = {
  readonly accounts: readonly Account[];
  readonly problems: readonly FileProblem[];
  /** Ids of files that are there and cannot be read now: half written by hand, or without permission. */
  readonly unread: readonly string[];
};

export type Lock = { release(): Promise<void> };

/** A refresh takes seconds; another process's is waited for. */
const LOCK = { stale: 15_000, update: 3_000, realpath: false } as const;
const LOCK_TRIES = 120;
const LOCK_PAUSE_MS = 250;

const MAX_BYTES = 1024 * 1024;

/** What can be exchanged in a test: the one step that can fail after a token has arrived. */
export type Write = (file: string, text: string) => Promise<void>;

export class AccountDirectory {
  readonly path: string;
  readonly #write: Write;

  constructor(stateDir: string, write: Write = replaceFile) {
    this.path = path.join(stateDir, 'oauth');
    this.#write = write;
  }

  /** Every account of the directory, in order of their ids. A directory that is not there is an empty one. */
  async scan(): Promise<Scan> {
    let names: string[];
    try {
      names = await readdir(this.path);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { accounts: [], problems: [], unread: [] };
      const problem = `it cannot be read (${codeOf(error)})`;
      return { accounts: [], problems: [{ path: this.path, problem }], unread: [] };
    }
    const accounts: Account[] = [];
    const problems: FileProblem[] = [];
    const unread: string[] = [];
    for (const name of names.filter(isAccountFile).sort(byNumber)) {
      const file = path.join(this.path, name);
      const read = await this.#read(file);
      if (read === null || 'problem' in read) {
        if (read !== null) problems.push({ path: file, problem: read.problem });
        unread.push(path.basename(file, '.json'));
      } else {
        const twin = accounts.find((other) => isSameAccount(other, read));
        if (!twin) accounts.push(read);
        else problems.push({ path: file, problem: `it is the same account as ${twin.id}, and is not used` });
      }
    }
    return { accounts, problems, unread };
  }

  /** The account as it is on disk now; null when it is gone or unreadable. */
  async read(id: string): Promise<Account | null> {
    const read = await this.#read(this.fileOf(id));
    return read === null || 'problem' in read ? null : read;
  }

  fileOf(id: string): string {
    return path.join(this.path, `${id}.json`);
  }

  /** Writes the account's file anew: 0600, whole or not at all. */
  async save(account: Account): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    await this.#write(this.fileOf(account.id), accountText(account));
  }

  /**
   * Adds an account, or brings the tokens of a new login to the file of the same account. What a person has set there
   * (label, priority) stays.
   */
  async add(account: Account): Promise<{ readonly account: Account; readonly isNew: boolean }> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    // Two logins at the same time must not take the same number.
    const lock = await this.lock('.accounts');
    try {
      const { accounts } = await this.scan();
      const twin = accounts.find((other) => isSameAccount(other, account));
      if (twin) return { account: await this.#update(twin, account), isNew: false };
      const added = { ...account, ...this.#place(await this.#nextId(account.provider)) };
      await this.save(added);
      return { account: added, isNew: true };
    } finally {
      await lock?.release();
    }
  }

  /** Under the account's own lock: whoever renews the old login writes before, or sees the new one. */
  async #update(twin: Account, fresh: Account): Promise<Account> {
    const lock = await this.lock(twin.id);
    try {
      const merged = mergeLogin((await this.read(twin.id)) ?? twin, fresh);
      await this.save(merged);
      return merged;
    } finally {
      await lock?.release();
    }
  }

  async remove(id: string): Promise<void> {
    await rm(this.fileOf(id), { force: true });
  }

  /**
   * Keeps other processes from renewing the same account. Null where no lock file can be made: there nobody can write
   * the account either. Waits for whoever holds it.
   */
  async lock(id: string, signal?: AbortSignal): Promise<Lock | null> {
    const lockfilePath = path.join(this.path, `${id}.lock`);
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      try {
        const release = await lockfile.lock(this.fileOf(id), {
          ...LOCK,
          lockfilePath,
          // A machine that slept through its own lock has lost it; what is written next is still whole.
          onCompromised: () => {},
        });
        return { release: () => release().catch(() => {}) };
      } catch (error) {
        if (codeOf(error) !== 'ELOCKED') return null;
        if (attempt >= LOCK_TRIES) throw new Error(`${id} is being renewed by another process that does not end`);
        await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS * (0.5 + Math.random())));
      }
    }
  }

  /** Can a file be written here, whole and lastingly? What fails is said. Tried before a token is spent that is good once. */
  async rehearse(account: Account): Promise<string | null> {
    const file = path.join(this.path, `.${account.id}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
    try {
      await writeSynced(file, accountText(account));
      return null;
    } catch (error) {
      return codeOf(error);
    } finally {
      await rm(file, { force: true }).catch(() => {});
    }
  }

  #place(id: string) {
    return { id, source: { kind: 'file', path: this.fileOf(id) } } as const;
  }

  async #nextId(provider: string): Promise<string> {
    const names = await readdir(this.path);
    const numbers = names.map((name) => Number(new RegExp(`^${provider}-(\\d+)\\.`).exec(name)?.[1] ?? 0));
    return `${provider}-${Math.max(0, ...numbers) + 1}`;
  }

  async #read(file: string): Promise<Account | { readonly problem: string } | null> {
    const json = await readJson(file);
    if (json === null || 'problem' in json) return json;
    const id = path.basename(file, '.json');
    const profile = profileOf(json.object, id);
    if (!profile) return { problem: 'it does not say of which service it is (the field "type")' };
    // An id stands in logs and answers.
    if (!/^[\w.-]+$/.test(id))
      return { problem: 'its name holds more than letters and digits; rotator oauth import takes it' };
    return readAccount(json.object, { id, source: { kind: 'file', path: file }, profile });
  }
}

/** The service of a file: by what it says, else by its name. */
export function profileOf(json: JsonObject, stem: string): Profile | undefined {
  const type = textOf(json, 'type');
  return (type === null ? undefined : findProfile(type)) ?? findProfile(stem.replace(/(_oauth)?[-_]\d+$/, ''));
}

export type JsonFile = { readonly object: JsonObject } | { readonly problem: string } | null;

/** A file's object; null when there is no such file, or nothing in it yet. */
export async function readJson(file: string): Promise<JsonFile> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) return { problem: 'it is far too large for an account' };
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT' ? null : { problem: `it cannot be read (${code})` };
  }
  if (text.trim() === '') return null;
  const object = parseObject(text.replace(/^\ufeff/, ''));
  return isObject(object) ? { object } : { problem: 'it holds no JSON object' };
}

/** The tokens of a new login in the place of the old ones. */
function mergeLogin(old: Account, fresh: Account): Account {
  return {
    ...fresh,
    id: old.id,
    source: old.source,
    tokens: { ...fresh.tokens, refresh: fresh.tokens.refresh ?? old.tokens.refresh },
    identity: {
      email: fresh.identity.email ?? old.identity.email,
      subject: fresh.identity.subject ?? old.identity.subject,
      accountId: fresh.identity.accountId ?? old.identity.accountId,
    },
    details: {
      ...old.details,
      ...fresh.details,
      // A new login is no new device.
      ...(old.details.device_id === undefined ? {} : { device_id: old.details.device_id }),
    },
    label: fresh.label ?? old.label,
    priority: fresh.priority ?? old.priority,
    isEnabled: old.isEnabled,
    rest: { ...old.rest, ...fresh.rest },
  };
}

const isAccountFile = (name: string) => name.endsWith('.json') && !name.startsWith('.');

/** `codex-2` before `codex-10`. */
const byNumber = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true });

/** By a new file that takes the old one's place: a reader, and a crash, meet one of both and nothing between. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const directory = path.dirname(file);
  const temporary = path.join(
    directory,
    `.${path.basename(file)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`,
  );
  try {
    await writeSynced(temporary, text);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  // Makes the rename itself last; not every system can open a directory.
  const handle = await open(directory, 'r').catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

async function writeSynced(file: string, text: string): Promise<void> {
  const handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);
