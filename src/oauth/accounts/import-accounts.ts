/** Accounts of other tools: the vendors' own, CLIProxyAPI's, and those of the Python project. */
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { type JsonObject, objectOf, parseObject, textOf } from '../json-object.ts';
import type { Profile } from '../profile.ts';
import { findProfile, profiles } from '../profiles/index.ts';
import { type Account, isSameAccount } from './account.ts';
import { type AccountDirectory, codeOf, readJson } from './account-directory.ts';
import { readAccount } from './account-json.ts';
import { environmentAccounts } from './environment-accounts.ts';

/** Where the vendors' tools keep the account they are logged in with, below the home directory. */
const VENDOR_FILES: readonly (readonly [profile: string, file: string])[] = [
  ['gemini_cli', '.gemini/oauth_creds.json'],
  ['qwen_code', '.qwen/oauth_creds.json'],
  ['iflow', '.iflow/oauth_creds.json'],
  ['codex', '.codex/auth.json'],
];

const PROXY_DIRECTORY = '.cli-proxy-api';

export type Imported = {
  readonly path: string;
  readonly account: Account;
  readonly action: 'added' | 'updated' | 'unchanged';
  /** The tool it came from goes on using the same refresh token, which is good for one of both. */
  readonly isShared: boolean;
};

export type ImportReport = {
  readonly imported: readonly Imported[];
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
};

export type Found =
  | { readonly path: string; readonly accounts: readonly Account[] }
  | { readonly path: string; readonly reason: string };

/** Takes over what a file or directory holds; without a path, what the vendors' tools and CLIProxyAPI keep. */
export async function importAccounts(
  directory: AccountDirectory,
  from: string | null,
  home: string,
): Promise<ImportReport> {
  const found = from === null ? await usualPlaces(home) : await placeOf(from, home);
  const imported: Imported[] = [];
  const skipped: { path: string; reason: string }[] = [];
  for (const one of found) {
    if ('reason' in one) {
      skipped.push(one);
      continue;
    }
    for (const account of one.accounts) {
      imported.push({
        path: one.path,
        ...(await takeAccount(directory, account)),
        isShared: isShared(account, one.path, home),
      });
    }
  }
  return { imported, skipped };
}

/** Takes over one account, unless what is here of it is as new. */
export async function takeAccount(
  directory: AccountDirectory,
  account: Account,
): Promise<Pick<Imported, 'account' | 'action'>> {
  const { accounts } = await directory.scan();
  const twin = accounts.find((other) => isSameAccount(other, account));
  // A copy that is older than what is here would bring back a refresh token that was already spent.
  if (twin && twin.standing.kind === 'active' && !isNewer(account, twin)) return { account: twin, action: 'unchanged' };
  const added = await directory.add(account);
  return { account: added.account, action: added.isNew ? 'added' : 'updated' };
}

const isNewer = (a: Account, b: Account): boolean =>
  a.tokens.refresh?.reveal() !== b.tokens.refresh?.reveal() && (a.tokens.expiresAt ?? 0) > (b.tokens.expiresAt ?? 0);

function isShared(account: Account, file: string, home: string): boolean {
  return findProfile(account.provider)?.isRotating === true && vendorOf(file, home) !== undefined;
}

function vendorOf(file: string, home: string): Profile | undefined {
  const vendor = VENDOR_FILES.find(([, below]) => path.join(home, below) === path.resolve(file))?.[0];
  return vendor === undefined ? undefined : findProfile(vendor);
}

/** What the vendors' own tools and CLIProxyAPI have on this machine; nothing is taken over. */
export async function usualPlaces(home: string): Promise<readonly Found[]> {
  const vendors = VENDOR_FILES.map(([, below]) => path.join(home, below)).filter((file) => existsSync(file));
  const proxy = path.join(home, PROXY_DIRECTORY);
  const files = [...vendors, ...(existsSync(proxy) ? await jsonFiles(proxy) : [])];
  return await Promise.all(files.map((file) => readFound(file, home)));
}

async function placeOf(from: string, home: string): Promise<readonly Found[]> {
  try {
    if (!(await stat(from)).isDirectory()) return [await readFound(from, home)];
  } catch (error) {
    const code = codeOf(error);
    return [{ path: from, reason: code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})` }];
  }
  // The Python project's own directory holds them one level further down.
  const inner = path.join(from, 'oauth_creds');
  const files = await jsonFiles(existsSync(inner) ? inner : from);
  if (files.length === 0) return [{ path: from, reason: 'there is no .json file in it' }];
  return await Promise.all(files.map((file) => readFound(file, home)));
}

async function jsonFiles(directory: string): Promise<readonly string[]> {
  const names = (await readdir(directory).catch((): string[] => [])).filter((name) => name.endsWith('.json')).sort();
  return names.map((name) => path.join(directory, name));
}

async function readFound(file: string, home: string): Promise<Found> {
  const text = await readFile(file, 'utf8').catch((error) => ({ reason: `it cannot be read (${codeOf(error)})` }));
  if (typeof text !== 'string') return { path: file, ...text };
  if (parseObject(text) === null) return fromList(file, text) ?? fromVariables(file, text);
  const json = await readJson(file);
  if (json === null || 'problem' in json) return { path: file, reason: json?.problem ?? 'it is empty' };
  return await fromObject(file, json.object, vendorOf(file, home));
}

async function fromObject(file: string, object: JsonObject, vendor: Profile | undefined): Promise<Found> {
  const profile = vendor ?? profileOfFile(file, object);
  if (!profile) return { path: file, reason: 'it does not say of which service it is' };
  const read = readAccount(object, { id: `${profile.id}-0`, source: { kind: 'file', path: file }, profile });
  if ('problem' in read) return { path: file, reason: read.problem };
  const email = read.identity.email ?? (await googleAccount(file));
  return { path: file, accounts: [{ ...read, identity: { ...read.identity, email } }] };
}

/** What `oauth export --format json` writes for several accounts. */
function fromList(file: string, text: string): Found | null {
  const list = parseObject(`{"accounts":${text}}`)?.accounts;
  if (!Array.isArray(list)) return null;
  const accounts = list.flatMap((item) => {
    const object = objectOf({ item }, 'item');
    const profile = object ? profileOfFile('', object) : undefined;
    if (!object || !profile) return [];
    const read = readAccount(object, { id: `${profile.id}-0`, source: { kind: 'file', path: file }, profile });
    return 'problem' in read ? [] : [read];
  });
  return accounts.length > 0 ? { path: file, accounts } : { path: file, reason: 'none of its entries is an account' };
}

/** A `.env` file with accounts in it. */
function fromVariables(file: string, text: string): Found {
  const accounts = environmentAccounts(parseEnv(text), profiles);
  return accounts.length > 0
    ? { path: file, accounts }
    : { path: file, reason: 'it holds no account that is known here' };
}

/** By its type, by the name other tools give it, or by fields that only one service has. */
function profileOfFile(file: string, object: JsonObject): Profile | undefined {
  const stem = path.basename(file, '.json');
  const type = textOf(object, 'type');
  const named =
    (type === null ? undefined : findProfile(type)) ?? profiles.find((profile) => isNamedAfter(stem, profile));
  if (named) return named;
  if (objectOf(object, 'tokens') !== null && 'OPENAI_API_KEY' in object) return findProfile('codex');
  return 'resource_url' in object ? findProfile('qwen_code') : undefined;
}

const isNamedAfter = (stem: string, profile: Profile): boolean =>
  [profile.id, ...(profile.names ?? [])].some((name) => new RegExp(`^${name}(_oauth)?[-_.]`).test(stem));

/** The vendor's tool keeps the address beside its tokens. */
async function googleAccount(file: string): Promise<string | null> {
  if (path.basename(file) !== 'oauth_creds.json') return null;
  const text = await readFile(path.join(path.dirname(file), 'google_accounts.json'), 'utf8').catch(() => '');
  return textOf(parseObject(text) ?? {}, 'active');
}
