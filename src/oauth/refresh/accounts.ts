/**
 * The accounts of a state directory as credentials: who is there, and an access token that is good now. Renews ahead of
 * time, once per account whoever asks, and puts every new refresh token on disk before it is used.
 */
import type { Clock } from '../../shared/clock.ts';
import type { Random } from '../../shared/random.ts';
import { reasonOf } from '../../shared/reason-of.ts';
import type { Secret } from '../../shared/secret.ts';
import type { Upstream } from '../../transport/upstream.ts';
import type { Account, Details, Standing } from '../accounts/account.ts';
import { DEFAULT_PRIORITY, maskedEmail } from '../accounts/account.ts';
import { accountText } from '../accounts/account-json.ts';
import { type AccountDirectory, codeOf, type FileProblem } from '../accounts/account-directory.ts';
import { watchAccounts } from '../accounts/watch-accounts.ts';
import { withAnswer } from '../engine/new-account.ts';
import type { TokenAnswer } from '../engine/token-answer.ts';
import { requestTokens } from '../engine/token-endpoint.ts';
import type { Service, ServiceTools } from '../profile.ts';
import { afterFailure, freshness, msUntilDue, SPREAD_MS } from './refresh-plan.ts';

/** What an account can do now. */
export type AccountState =
  | { readonly kind: 'ready' }
  /** Its token is being renewed, and there is none to go on with. */
  | { readonly kind: 'refreshing' }
  /** Its token has ended and could not be renewed yet. */
  | { readonly kind: 'waiting'; readonly until: number; readonly reason: string }
  | { readonly kind: 'needs_login'; readonly reason: string; readonly command: string }
  | {
      readonly kind: 'blocked';
      readonly why: 'banned' | 'validation' | 'ineligible' | 'unfinished';
      readonly reason: string;
      readonly link: string | null;
    };

/** An account for lists: nothing in it is a secret, and the address is masked. */
export type AccountView = {
  readonly id: string;
  readonly provider: string;
  readonly source: 'file' | 'environment';
  readonly label: string | null;
  /** Masked. */
  readonly email: string | null;
  readonly tier: string | null;
  readonly projectId: string | null;
  readonly priority: number;
  readonly isEnabled: boolean;
  readonly state: AccountState;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number | null;
  readonly lastRefreshAt: number | null;
};

export type TokenResult =
  | { readonly kind: 'token'; readonly token: Secret; readonly details: CallDetails }
  | { readonly kind: 'unavailable'; readonly state: Exclude<AccountState, { kind: 'ready' }> };

/** What a call to the service's API needs beside the token. `api_url`: where it goes, without a slash at the end. */
export type CallDetails = Details & { readonly account_id?: string; readonly api_url: string };

export type AccountEvent =
  | { readonly type: 'account-joined' | 'account-left' | 'account-refreshed'; readonly id: string }
  /** `isNewToken`: it came with another token than the last one, from a login or another process. */
  | {
      readonly type: 'account-changed';
      readonly id: string;
      readonly state: AccountState;
      readonly isNewToken?: boolean;
    };

export type RefreshResult = {
  readonly state: AccountState;
  /** Why the token was not renewed now, though it may be good still. */
  readonly failure: string | null;
};

export interface Accounts {
  /** In order of their ids; as of the last look at the directory. */
  list(): readonly AccountView[];
  /** Files that are no account, or the second one of the same. */
  problems(): readonly FileProblem[];
  /**
   * A token that is good now, renewed first when it has ended. `rejected`: the token that the API has just refused with
   * 401; the answer is another one. Rejects only with the signal's reason.
   */
  accessTokenOf(
    id: string,
    options: { readonly signal: AbortSignal; readonly rejected?: Secret },
  ): Promise<TokenResult>;
  /** The API has said something of the account itself, such as a ban. It leaves rotation until a new login. */
  setAside(id: string, standing: Exclude<Standing, { kind: 'active' }>): Promise<void>;
  /** Renews now, whatever is left of the token; of an account that needs a person it asks again what is missing. */
  refresh(id: string, signal: AbortSignal): Promise<RefreshResult>;
  /** Looks at the directory. */
  rescan(): Promise<void>;
  /** Keeps looking at it, and renews ahead of time, spread over the first half minute. */
  start(): void;
  onEvent(listen: (event: AccountEvent) => void): () => void;
  /** Waits for what is being renewed: a token that has just been given must reach the disk. */
  close(): Promise<void>;
}

export type AccountsOptions = {
  /** Null: there is none, and only accounts of the environment are. */
  readonly directory: AccountDirectory | null;
  /** Accounts of the environment, which are never written. */
  readonly virtual: readonly Account[];
  /** The service of a provider with the settings of now; undefined for one that is not known. */
  readonly serviceOf: (provider: string) => Service | undefined;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly random: Random;
  readonly version: string;
  /** Said to the operator: an account that needs a login, a token that cannot be written. Never holds a secret. */
  readonly onTrouble: (message: string) => void;
};

/** Why a token is renewed. `asked`: somebody wants it now, whatever is known against it. */
type Cause = 'due' | 'rejected' | 'asked';

type Entry = {
  account: Account;
  /** After a failed refresh nobody asks before this. */
  holdUntil: number;
  holdReason: string;
  running: Promise<void> | null;
  /** Renewed and not on disk yet: not used until it is. */
  unsaved: Account | null;
  /** What the file held when it was last looked at, so that only a change of it is taken over. */
  onDisk: string;
  /** When a refused token was last replaced. */
  replacedAt: number;
  cancelTimer: (() => void) | null;
};

export async function openAccounts(options: AccountsOptions): Promise<Accounts> {
  const accounts = new OpenAccounts(options);
  await accounts.rescan();
  return accounts;
}

export const loginCommand = (account: Account): string => `rotator oauth login ${account.provider}`;

const REFRESHES_AT_ONCE = 5;

class OpenAccounts implements Accounts {
  readonly #options: AccountsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(event: AccountEvent) => void>();
  readonly #end = new AbortController();
  #problems: readonly FileProblem[] = [];
  #stopWatching: (() => void) | null = null;
  #isStarted = false;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(options: AccountsOptions) {
    this.#options = options;
    for (const account of options.virtual) this.#join(account);
  }

  list(): readonly AccountView[] {
    return [...this.#entries.values()]
      .map((entry) => this.#view(entry))
      .sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  }

  problems(): readonly FileProblem[] {
    return this.#problems;
  }

  onEvent(listen: (event: AccountEvent) => void): () => void {
    this.#listeners.add(listen);
    return () => this.#listeners.delete(listen);
  }

  async accessTokenOf(
    id: string,
    { signal, rejected }: { readonly signal: AbortSignal; readonly rejected?: Secret },
  ): Promise<TokenResult> {
    const { clock } = this.#options;
    const entry = this.#entries.get(id);
    if (!entry) return { kind: 'unavailable', state: gone(id) };
    const isRefused = (account: Account) =>
      rejected !== undefined && apiTokenOf(account, this.#serviceFor(account))?.reveal() === rejected.reveal();
    if (isRefused(entry.account)) {
      const isAgain = clock.now() - entry.replacedAt < REPLACE_MS;
      if (!isAgain) await untilAborted(this.#renew(entry, 'rejected'), signal);
    } else if (this.#freshness(entry.account) === 'expired') await untilAborted(this.#renew(entry, 'due'), signal);
    else if (this.#freshness(entry.account) === 'due') void this.#renew(entry, 'due');
    const state = this.#state(entry);
    if (state.kind !== 'ready') return { kind: 'unavailable', state };
    if (isRefused(entry.account)) {
      const until = Math.max(entry.holdUntil, entry.replacedAt + REPLACE_MS);
      return { kind: 'unavailable', state: { kind: 'waiting', until, reason: 'its token is refused' } };
    }
    const service = this.#serviceFor(entry.account);
    const token = apiTokenOf(entry.account, service);
    if (token === null || !service) {
      const state = { kind: 'needs_login', reason: 'it has no token', command: loginCommand(entry.account) } as const;
      return { kind: 'unavailable', state };
    }
    const { details, identity } = entry.account;
    return {
      kind: 'token',
      token,
      details: {
        ...details,
        ...(identity.accountId === null ? {} : { account_id: identity.accountId }),
        api_url: callUrlOf(service, details),
      },
    };
  }

  async setAside(id: string, standing: Exclude<Standing, { kind: 'active' }>): Promise<void> {
    const entry = this.#entries.get(id);
    if (!entry) return;
    if (entry.account.source.kind === 'environment') return await this.#setAside(entry, standing);
    const known = entry.account.tokens.access?.reveal();
    const lock = await this.#directory.lock(id, this.#end.signal);
    try {
      const onDisk = await this.#directory.read(id);
      if (onDisk) this.#adopt(entry, onDisk);
      // What was said of the old login says nothing of a new one.
      if (entry.account.tokens.access?.reveal() === known) await this.#setAside(entry, standing);
    } finally {
      await lock?.release();
    }
  }

  async refresh(id: string, signal: AbortSignal): Promise<RefreshResult> {
    const entry = this.#entries.get(id);
    if (!entry) return { state: gone(id), failure: null };
    entry.holdUntil = 0;
    await untilAborted(this.#renew(entry, 'asked'), signal);
    const isHeld = entry.holdUntil > this.#options.clock.now();
    return { state: this.#state(entry), failure: isHeld ? entry.holdReason : null };
  }

  async rescan(): Promise<void> {
    const { directory } = this.#options;
    if (directory === null) return;
    const { accounts, problems, unread } = await directory.scan();
    this.#problems = problems;
    // A directory that cannot be read for a moment has lost nobody.
    if (problems.some(({ path }) => path === directory.path)) return;
    const seen = new Set([...accounts.map((account) => account.id), ...unread]);
    for (const [id, entry] of this.#entries) {
      if (entry.account.source.kind === 'environment' || seen.has(id)) continue;
      entry.cancelTimer?.();
      this.#entries.delete(id);
      this.#tell({ type: 'account-left', id });
    }
    for (const account of accounts) {
      const entry = this.#entries.get(account.id);
      if (!entry) this.#join(account);
      // What is being renewed is written when that is done.
      else if (entry.running === null && entry.unsaved === null) this.#adopt(entry, account);
    }
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { clock, directory, random, onTrouble } = this.#options;
    for (const { account } of this.#entries.values()) {
      const isRotating = this.#serviceFor(account)?.profile.isRotating === true;
      if (account.source.kind !== 'environment' || !isRotating) continue;
      onTrouble(`${account.id}: its refresh token is good for one use, and the next one lives as long as this process`);
    }
    if (directory) this.#stopWatching = watchAccounts(directory.path, clock, () => void this.rescan());
    for (const entry of this.#entries.values()) this.#schedule(entry, random() * this.#spreadFor(entry));
  }

  async close(): Promise<void> {
    this.#end.abort();
    this.#stopWatching?.();
    for (const entry of this.#entries.values()) entry.cancelTimer?.();
    await Promise.all([...this.#entries.values()].map((entry) => entry.running));
    this.#listeners.clear();
  }

  #join(account: Account): void {
    const entry: Entry = {
      account: this.#completed(account),
      holdUntil: 0,
      holdReason: '',
      running: null,
      unsaved: null,
      onDisk: accountText(account),
      replacedAt: Number.NEGATIVE_INFINITY,
      cancelTimer: null,
    };
    this.#entries.set(account.id, entry);
    this.#tell({ type: 'account-joined', id: account.id });
    if (this.#isStarted) this.#schedule(entry, this.#options.random() * this.#spreadFor(entry));
  }

  /** The file has changed: by a login, by another process that renewed it, or by hand. */
  #adopt(entry: Entry, account: Account): void {
    const text = accountText(account);
    if (text === entry.onDisk) return;
    entry.onDisk = text;
    const before = JSON.stringify(this.#view(entry));
    const wasInUse = !isOutOfUse(entry.account);
    const isNewToken = entry.account.tokens.access?.reveal() !== account.tokens.access?.reveal();
    entry.account = this.#completed(account);
    if (isNewToken) entry.holdUntil = 0;
    const view = this.#view(entry);
    if (JSON.stringify(view) === before) return;
    // Another process has heard it of the service; this one's log is where its operator looks.
    if (wasInUse && isOutOfUse(entry.account)) this.#options.onTrouble(`${account.id} ${toldState(view.state)}`);
    this.#tell({ type: 'account-changed', id: account.id, state: view.state, isNewToken });
  }

  #schedule(entry: Entry, ms: number): void {
    entry.cancelTimer?.();
    if (this.#end.signal.aborted) return;
    entry.cancelTimer = this.#options.clock.schedule(ms, () => {
      const isDue = this.#freshness(entry.account) !== 'fresh' || this.#isUnfinished(entry.account);
      void (isDue ? this.#renew(entry, 'due') : Promise.resolve()).then(() => {
        if (!this.#entries.has(entry.account.id)) return;
        const { clock, random } = this.#options;
        const leadMs = this.#serviceFor(entry.account)?.profile.leadMs ?? 0;
        const hold = Math.max(0, entry.holdUntil - clock.now());
        this.#schedule(entry, Math.max(hold, msUntilDue(entry.account, leadMs, clock.now(), random)));
      });
    });
  }

  /** Once per account, whoever asks. Never rejects. */
  #renew(entry: Entry, cause: Cause): Promise<void> {
    if (entry.running) return entry.running;
    const isWanted =
      cause === 'asked' || (entry.holdUntil <= this.#options.clock.now() && this.#isRenewable(entry.account));
    if (!isWanted || this.#end.signal.aborted) return Promise.resolve();
    const running = this.#renewInTurn(entry, cause)
      .catch((error: unknown) => {
        if (this.#end.signal.aborted) return;
        this.#hold(entry, reasonOf(error));
      })
      .finally(() => {
        entry.running = null;
      });
    entry.running = running;
    return running;
  }

  /** Only a person can bring these back; what comes after a login is tried again. */
  #isRenewable(account: Account): boolean {
    return account.standing.kind === 'active' || this.#isUnfinished(account);
  }

  #isUnfinished({ standing }: Account): boolean {
    return standing.kind === 'blocked' && standing.why === 'unfinished';
  }

  /** A few at a time: fifty accounts of one vendor must not all ask at once. */
  async #renewInTurn(entry: Entry, cause: Cause): Promise<void> {
    if (this.#running < REFRESHES_AT_ONCE) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (entry.account.source.kind === 'environment') return await this.#renewNow(entry, cause);
      const lock = await this.#directory.lock(entry.account.id, this.#end.signal);
      try {
        await this.#renewFile(entry, cause);
      } finally {
        await lock?.release();
      }
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }

  /** Under the account's lock. */
  async #renewFile(entry: Entry, cause: Cause): Promise<void> {
    if (entry.unsaved) return await this.#keep(entry, entry.unsaved);
    const known = entry.account;
    const onDisk = await this.#directory.read(entry.account.id);
    if (onDisk === null) return this.#hold(entry, 'its file is gone or cannot be read');
    this.#adopt(entry, onDisk);
    // Another process may have renewed it while this one waited for its turn.
    const isRenewed = isLater(entry.account, known) && entry.account.standing.kind === 'active';
    if (isRenewed && this.#freshness(entry.account) === 'fresh') return;
    // Or may have been told that only a person can help.
    if (cause !== 'asked' && !this.#isRenewable(entry.account)) return;
    await this.#renewNow(entry, cause);
  }

  async #renewNow(entry: Entry, cause: Cause): Promise<void> {
    const { clock, random } = this.#options;
    const { account } = entry;
    const service = this.#serviceFor(account);
    if (!service) return;
    const isTokenWanted = cause !== 'due' || this.#freshness(account) !== 'fresh';
    if (!isTokenWanted && !this.#isUnfinished(account)) return;
    if (account.tokens.refresh === null) {
      const reason = 'it has no refresh token';
      return await this.#setAside(entry, { kind: 'needs_login', reason, since: clock.now() });
    }
    if (service.profile.isRotating && account.source.kind === 'file') {
      // The old refresh token is spent by the question itself: it is not asked where the answer could not be kept.
      const problem = await this.#directory.rehearse(account);
      if (problem !== null) return this.#hold(entry, `${account.source.path} cannot be written (${problem})`);
    }
    const tools = this.#tools();
    if (!isTokenWanted) return await this.#finish(entry, account, service, tools);
    for (let attempt = 1; ; attempt++) {
      const answer = await renewTokens(account, service, tools);
      if (answer.kind === 'tokens') {
        if (cause === 'rejected') entry.replacedAt = clock.now();
        return await this.#finish(entry, withAnswer(account, answer, service, clock.now()), service, tools);
      }
      const next = afterFailure(answer.failure, attempt, clock.now(), random);
      switch (next.kind) {
        case 'retry':
          await tools.sleep(next.ms, tools.signal);
          continue;
        case 'wait':
          return this.#hold(entry, next.reason, next.until);
        case 'ended':
          return await this.#setAside(entry, next.standing);
      }
    }
  }

  /** New tokens are on disk before anything is done with them, what a service wants to have done after a login included. */
  async #finish(entry: Entry, renewed: Account, service: Service, tools: ServiceTools): Promise<void> {
    const { standing } = entry.account;
    const { afterLogin, apiToken } = service.profile;
    const isOpen = afterLogin !== undefined && (standing.kind === 'blocked' || apiToken === 'api-key');
    if (!isOpen) return await this.#keep(entry, renewed);
    await this.#keep(entry, { ...renewed, standing });
    if (entry.unsaved === null) await this.#keep(entry, await afterLogin(renewed, service, tools));
  }

  /** On disk first, then in use. */
  async #keep(entry: Entry, account: Account): Promise<void> {
    const { onTrouble, clock } = this.#options;
    const wasOutOfUse = entry.account.standing.kind !== 'active';
    if (account.source.kind === 'file') {
      const isRotating = this.#serviceFor(account)?.profile.isRotating === true;
      try {
        await this.#directory.save(account);
        entry.onDisk = accountText(account);
      } catch (error) {
        const problem = `${account.source.path} cannot be written (${codeOf(error)})`;
        if (isRotating) {
          entry.unsaved = account;
          return this.#hold(entry, `${problem}; its new token is kept in memory until it can be`);
        }
        // This refresh token is the same as before: nothing is lost with the file.
        onTrouble(`${account.id}: ${problem}; its new token lasts as long as this process`);
      }
    }
    entry.unsaved = null;
    entry.account = account;
    entry.holdUntil = 0;
    if (account.standing.kind !== 'active') {
      this.#tell({ type: 'account-changed', id: account.id, state: this.#state(entry) });
    } else {
      this.#tell({ type: 'account-refreshed', id: account.id });
      if (wasOutOfUse) this.#tell({ type: 'account-changed', id: account.id, state: this.#state(entry) });
    }
    if (this.#isStarted) {
      const leadMs = this.#serviceFor(account)?.profile.leadMs ?? 0;
      this.#schedule(entry, msUntilDue(account, leadMs, clock.now(), this.#options.random));
    }
  }

  #hold(entry: Entry, reason: string, until = this.#options.clock.now() + HOLD_MS): void {
    entry.holdUntil = until;
    entry.holdReason = reason;
    const { id } = entry.account;
    this.#options.onTrouble(`the token of ${id} could not be renewed: ${reason}`);
    this.#tell({ type: 'account-changed', id, state: this.#state(entry) });
  }

  async #setAside(entry: Entry, standing: Standing): Promise<void> {
    const { onTrouble } = this.#options;
    const account = { ...entry.account, standing };
    entry.account = account;
    const state = this.#state(entry);
    onTrouble(`${account.id} ${toldState(state)}`);
    // Whoever chooses among accounts must know before the disk does.
    this.#tell({ type: 'account-changed', id: account.id, state });
    if (account.source.kind === 'file') {
      entry.onDisk = accountText(account);
      await this.#directory.save(account).catch((error: unknown) => {
        onTrouble(`the state of ${account.id} cannot be written (${codeOf(error)}) and lasts as long as this process`);
      });
    }
  }

  #view(entry: Entry): AccountView {
    const { account } = entry;
    const priorities = this.#serviceFor(account)?.profile.priorities ?? {};
    const { tier } = account.details;
    return {
      id: account.id,
      provider: account.provider,
      source: account.source.kind,
      label: account.label,
      email: account.identity.email === null ? null : maskedEmail(account.identity.email),
      tier: tier ?? null,
      projectId: account.details.project_id ?? null,
      priority: account.priority ?? (tier === undefined ? undefined : priorities[tier]) ?? DEFAULT_PRIORITY,
      isEnabled: account.isEnabled,
      state: this.#state(entry),
      expiresAt: account.tokens.expiresAt,
      lastRefreshAt: account.lastRefreshAt,
    };
  }

  #state(entry: Entry): AccountState {
    const { account } = entry;
    switch (account.standing.kind) {
      case 'needs_login':
        return { kind: 'needs_login', reason: account.standing.reason, command: loginCommand(account) };
      case 'blocked': {
        const { why, reason, link } = account.standing;
        return { kind: 'blocked', why, reason, link };
      }
      case 'active':
        break;
    }
    // A token that is still good is used, whatever its renewal is at.
    if (this.#freshness(account) !== 'expired') return { kind: 'ready' };
    if (entry.running) return { kind: 'refreshing' };
    return entry.holdUntil > this.#options.clock.now() ? waiting(entry, entry.holdReason) : { kind: 'ready' };
  }

  #freshness(account: Account) {
    return freshness(account, this.#serviceFor(account)?.profile.leadMs ?? 0, this.#options.clock.now());
  }

  /** Asked of accounts with a file only. */
  get #directory(): AccountDirectory {
    const { directory } = this.#options;
    if (directory === null) throw new Error('an account has a file, and there is no directory of accounts');
    return directory;
  }

  /** A file may come from a tool that asks for what is missing each time anew, such as the project. */
  #completed(account: Account): Account {
    const service = this.#serviceFor(account);
    if (account.standing.kind !== 'active' || !service) return account;
    const reason = service.profile.lacks?.(account, service) ?? null;
    if (reason === null) return account;
    const since = this.#options.clock.now();
    return { ...account, standing: { kind: 'blocked', why: 'unfinished', reason, link: null, since } };
  }

  /** Somebody waits for an account that cannot be used until it is asked for what is missing. */
  #spreadFor(entry: Entry): number {
    return this.#isUnfinished(entry.account) ? UNFINISHED_SPREAD_MS : SPREAD_MS;
  }

  #serviceFor(account: Account): Service | undefined {
    return this.#options.serviceOf(account.provider);
  }

  #tools(): ServiceTools {
    const { upstream, version, clock } = this.#options;
    return {
      upstream,
      version,
      // A question that was asked is answered: the answer may be the only refresh token there is.
      signal: NEVER,
      now: () => clock.now(),
      sleep: async (ms) => {
        await clock.sleep(ms, this.#end.signal);
        this.#end.signal.throwIfAborted();
      },
    };
  }

  #tell(event: AccountEvent): void {
    for (const listen of this.#listeners) listen(event);
  }
}

/** Until a person does something about it. */
const isOutOfUse = ({ standing }: Account): boolean =>
  standing.kind === 'needs_login' || (standing.kind === 'blocked' && standing.why !== 'unfinished');

const HOLD_MS = 60_000;
const UNFINISHED_SPREAD_MS = 1_000;
/** A token that is refused right after it was given is no reason to ask for one more. */
const REPLACE_MS = 60_000;
const NEVER = new AbortController().signal;

const gone = (id: string): Extract<AccountState, { kind: 'needs_login' }> => ({
  kind: 'needs_login',
  reason: `there is no account ${id} any more`,
  command: 'rotator oauth list',
});

const waiting = (entry: Entry, reason: string): Extract<AccountState, { kind: 'waiting' }> => ({
  kind: 'waiting',
  until: entry.holdUntil,
  reason,
});

/** One sentence for the log and for lists. */
export function toldState(state: AccountState): string {
  switch (state.kind) {
    case 'ready':
      return 'is ready';
    case 'refreshing':
      return 'is being renewed';
    case 'waiting':
      return `could not be renewed: ${state.reason}`;
    case 'needs_login':
      return `needs a new login (${state.reason}): ${state.command}`;
    case 'blocked':
      return `is out of use (${state.why}): ${state.reason}${state.link === null ? '' : `; see ${state.link}`}`;
  }
}

function callUrlOf({ profile, endpoints }: Service, details: Details): string {
  const configured = endpoints.apiUrl === profile.apiUrl ? null : endpoints.apiUrl;
  return profile.callUrl?.(details, configured) ?? endpoints.apiUrl;
}

/** Other tokens, and newer ones: a copy of yesterday's is neither. */
const isLater = (account: Account, known: Account): boolean =>
  account.tokens.access?.reveal() !== known.tokens.access?.reveal() &&
  ((account.lastRefreshAt ?? 0) > (known.lastRefreshAt ?? 0) ||
    (account.tokens.expiresAt ?? 0) > (known.tokens.expiresAt ?? 0));

function apiTokenOf(account: Account, service: Service | undefined): Secret | null {
  return service?.profile.apiToken === 'api-key' ? account.apiKey : account.tokens.access;
}

async function renewTokens(account: Account, service: Service, tools: ServiceTools): Promise<TokenAnswer> {
  const { profile } = service;
  const own = profile.renew?.(account, service, tools) ?? null;
  if (own !== null) return await own;
  const { refreshScope } = profile.token;
  return await requestTokens(
    {
      type: 'refresh_token',
      parameters: {
        refresh_token: account.tokens.refresh?.reveal() ?? '',
        ...(refreshScope === undefined ? {} : { scope: refreshScope }),
      },
    },
    account.client ?? service.client,
    service,
    tools,
  );
}

/** The work goes on for others; who gives up no longer waits for it. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const stop = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
