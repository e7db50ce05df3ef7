import { hostname } from 'node:os';
import type { Command } from 'commander';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { Secret } from '../../shared/secret.ts';
import type { Account } from '../../oauth/accounts/account.ts';
import type { PendingCode } from '../../oauth/engine/authorization-code.ts';
import type { Callback } from '../../oauth/engine/callback.ts';
import type { DeviceLogin } from '../../oauth/engine/device-code.ts';
import type { Listening } from '../../oauth/engine/loopback-listener.ts';
import type { TokenAnswer } from '../../oauth/engine/token-answer.ts';
import type { Service, ServiceStatus, ServiceTools } from '../../oauth/profile.ts';
import type { AccountView } from '../../oauth/refresh/accounts.ts';
import { accountShape } from '../account-json.ts';
import { labelTrouble, writeLabel } from '../account-label.ts';
import { hasBrowser, openBrowser } from '../browser.ts';
import type { Context, Start } from '../context.ts';
import { type LoginMethod, loginMethod } from '../login-method.ts';
import type { OAuthPlace } from '../oauth-place.ts';
import { duration } from '../ui/human-time.ts';
import { plainText } from '../ui/plain-text.ts';
import { type Prompts, prompts } from '../ui/prompts.ts';
import { untilInterrupted } from '../until-interrupted.ts';

type Options = {
  readonly browser: boolean;
  readonly paste?: true;
  readonly code?: string;
  readonly acceptRisk?: true;
};

export function defineOAuthLogin(oauth: Command, start: Start): void {
  oauth
    .command('login')
    .description('log in to a service with an account of yours')
    .argument('<provider>', 'the service, such as codex or gemini-cli')
    .option('--no-browser', 'print the address and open nothing')
    .option('--paste', 'enter by hand what the browser shows at the end')
    .option('--code <code>', 'finish a login that was begun by another command: the code, or the whole address')
    .option('--accept-risk', 'log in to a service whose vendor does not want it')
    .addHelpText(
      'after',
      `
The browser is opened and comes back to a port of this machine. Over SSH, where it cannot, the address or the code it
ends with is pasted; some services give a code to type in instead. Without a terminal --json prints the address, and
the same command with --code finishes.

Examples:
  $ rotator oauth login codex
  $ rotator oauth login gemini-cli --paste
  $ rotator oauth login gemini-cli --json
  $ rotator oauth login gemini-cli --code 'http://localhost:8085/oauth2callback?code=…&state=…'`,
    )
    .action((provider: string, options: Options, command: Command) => login(start(command), provider, options));
}

/** Everything a login needs to be at. */
type Session = {
  readonly context: Context;
  readonly place: OAuthPlace;
  readonly service: Service;
  readonly tools: ServiceTools;
  readonly ask: Prompts | null;
};

/** The person may have to look for their phone. */
const LOOPBACK_MS = 5 * 60_000;

async function login(context: Context, written: string, options: Options): Promise<void> {
  const { withOAuth, chooseProfile } = await import('../oauth-place.ts');
  const profile = chooseProfile(written);
  const ask = await prompts(context);
  await withOAuth(context, async (place) => {
    place.mustBeWritable();
    const service = place.serviceOf(profile);
    await untilInterrupted(context.io, async (signal) => {
      const session = { context, place, service, tools: place.tools(signal), ask };
      const cookie = cookieIn(options.code ?? '', service);
      if (cookie !== null) {
        await checkStatus(session, options.acceptRisk === true);
        return await keep(session, await cookie.redeem(cookie.value, service, session.tools));
      }
      if (options.code !== undefined) return await keep(session, await finishPending(session, options.code));
      await checkStatus(session, options.acceptRisk === true);
      await checkClient(service);
      const turn = await place.pending.begin();
      if (turn === null) {
        const hint = 'finish it, or end it with Ctrl-C';
        throw new CliError(ExitCode.failed, 'login_running', 'another login is going on in this state directory', hint);
      }
      try {
        const answer = await logIn(session, methodOf(session, options));
        if (answer !== null) await keep(session, answer);
      } finally {
        await turn.end();
      }
    });
  });
}

/** A login by a cookie needs no page: it is what the vendor's own page has left in the browser. */
function cookieIn(text: string, { profile }: Service) {
  if (!profile.cookie) return null;
  const value = new RegExp(`(?:^|[;\\s])${profile.cookie.name}=([^;\\s]+)`).exec(text)?.[1];
  return value === undefined ? null : { ...profile.cookie, value: new Secret(value) };
}

function methodOf({ context, service, ask }: Session, options: Options): LoginMethod {
  return loginMethod({
    hasPage: service.endpoints.authorizeUrl !== null,
    hasDeviceCode: service.endpoints.deviceUrl !== null,
    mayOpenBrowser: options.browser && options.paste !== true && hasBrowser(context.io.env),
    wantsPaste: options.paste === true,
    isJson: context.globals.json,
    isInteractive: ask !== null,
  });
}

/** What the vendor thinks of it is said before anything is asked of the vendor. */
async function checkStatus({ context, service, ask }: Session, isRiskAccepted: boolean): Promise<void> {
  const { status, title, id } = service.profile;
  switch (status.kind) {
    case 'works':
      if (status.caution !== null && !service.isOverridden) context.output.warn(`${title}: ${status.caution}`);
      return;
    case 'restricted': {
      if (isRiskAccepted) return;
      const message = `${title} is restricted (${status.since}): ${status.reason}`;
      if (ask) {
        context.output.warn(message);
        if (await ask.confirm('Log in all the same?')) return;
        throw new CliError(ExitCode.failed, 'restricted', 'nothing was done');
      }
      throw new CliError(ExitCode.usage, 'restricted', message, `rotator oauth login ${id} --accept-risk goes on`);
    }
    case 'closed': {
      if (isRiskAccepted || service.isOverridden) return;
      const message = `${title} is closed since ${status.since}: ${status.reason}`;
      const hint = `${status.instead}. A server of your own is named in providers.${id}.oauth; --accept-risk tries the vendor's`;
      throw new CliError(ExitCode.failed, 'closed_upstream', message, hint);
    }
  }
}

async function checkClient(service: Service): Promise<void> {
  const { missingFor } = await import('../../oauth/service-settings.ts');
  const missing = missingFor(service);
  if (missing) throw new CliError(ExitCode.usage, 'oauth_client', missing.message, missing.hint);
}

/** Null: another command will finish. */
async function logIn(session: Session, method: LoginMethod): Promise<TokenAnswer | null> {
  switch (method.kind) {
    case 'loopback':
      return await logInByLoopback(session, method);
    case 'paste': {
      const pending = await beginPending(session, session.service.redirectPort);
      return await whileItGoesOn(session, async () => {
        tellAddress(session, pending);
        return await redeem(session, pending, await askForCode(session, pending, session.tools.signal));
      });
    }
    case 'hand-over':
      return await handOver(session);
    case 'device':
      return await logInByDevice(session, method.opensBrowser);
  }
}

/** A login that ends with this command, however it ends, waits for nothing after it. */
async function whileItGoesOn<Result>({ place }: Session, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } finally {
    await place.pending.clear();
  }
}

async function beginPending(session: Session, port: number): Promise<PendingCode> {
  const { place, service, tools } = session;
  const { beginCode } = await import('../../oauth/engine/authorization-code.ts');
  const pending = await beginCode(service, port, tools.now());
  if (pending === null) throw new CliError(ExitCode.usage, 'no_page', `${service.profile.id} has no page to log in at`);
  await giveUpOther(session);
  await place.pending.write(pending);
  return pending;
}

/** One login at a time. Of the same service, the new one is the same person's second try. */
async function giveUpOther({ context, place, service, tools }: Session): Promise<void> {
  const given = await place.pending.read(tools.now());
  if (given === null || given.provider === service.profile.id) return;
  context.output.note(`the login of ${given.provider} that waited for its code is given up`);
}

async function logInByLoopback(
  session: Session,
  method: Extract<LoginMethod, { kind: 'loopback' }>,
): Promise<TokenAnswer> {
  const { service } = session;
  const { listenForCallback } = await import('../../oauth/engine/loopback-listener.ts');
  const listening = await listenForCallback(service.redirectPort);
  if (listening.kind === 'busy') {
    const { id } = service.profile;
    const message = `port ${listening.port} of this machine cannot be used (${listening.code})`;
    const hint = `rotator oauth login ${id} --paste needs no port; providers.${id}.oauth.redirect_port names another, where the service allows it`;
    throw new CliError(ExitCode.failed, 'port_in_use', message, hint);
  }
  try {
    const pending = await beginPending(session, listening.port);
    return await whileItGoesOn(session, () => awaitCallback(session, method, listening, pending));
  } finally {
    listening.close();
  }
}

async function awaitCallback(
  session: Session,
  method: Extract<LoginMethod, { kind: 'loopback' }>,
  listening: Extract<Listening, { kind: 'listening' }>,
  pending: PendingCode,
): Promise<TokenAnswer> {
  const { context, service, tools } = session;
  tellAddress(session, pending);
  const isOpen = method.opensBrowser && (await openBrowser(pending.url));
  if (!isOpen) {
    context.output.note(
      `From another machine: ssh -L ${listening.port}:127.0.0.1:${listening.port} ${context.io.env.USER ?? 'user'}@${hostname()}, then open the address there.`,
    );
  }
  const won = new AbortController();
  const path = new URL(pending.redirectUri).pathname;
  const until = AbortSignal.any([tools.signal, won.signal, AbortSignal.timeout(LOOPBACK_MS)]);
  const arrivals: Promise<Callback | null>[] = [listening.receive({ path, state: pending.state }, until)];
  if (method.canPaste) {
    const pasted = askForCode(session, pending, until).catch((error: unknown) => {
      // The browser came back first, or the time is up, and the question was taken away.
      if (until.aborted) return null;
      throw error;
    });
    arrivals.push(pasted);
  } else context.output.note(`Waiting for the browser for ${duration(LOOPBACK_MS)} …`);
  try {
    const callback = await Promise.race(arrivals);
    tools.signal.throwIfAborted();
    if (callback === null) {
      const hint = `rotator oauth login ${service.profile.id} --paste waits for as long as you like`;
      throw new CliError(ExitCode.failed, 'login_timeout', `nobody logged in within ${duration(LOOPBACK_MS)}`, hint);
    }
    return await redeem(session, pending, callback);
  } finally {
    won.abort();
  }
}

function tellAddress({ context, service }: Session, pending: PendingCode): void {
  context.output.instruct(`Log in to ${service.profile.title} at:\n\n  ${pending.url}\n`);
}

/** Asks until what is pasted can be read. */
async function askForCode({ context, ask }: Session, pending: PendingCode, signal: AbortSignal): Promise<Callback> {
  const { readPasted } = await import('../../oauth/engine/callback.ts');
  for (;;) {
    const text = (await ask?.text('Paste the address the browser ends at, or the code it shows', { signal })) ?? '';
    const callback = readPasted(text, pending.state);
    if (callback.kind !== 'unreadable') return callback;
    context.output.warn('that holds no code; the whole address from the browser will do');
  }
}

/** Redeems what came back, and says what is wrong with what cannot be redeemed. */
async function redeem(
  { place, service, tools }: Session,
  pending: PendingCode,
  callback: Callback,
): Promise<TokenAnswer> {
  const again = `rotator oauth login ${service.profile.id}`;
  switch (callback.kind) {
    case 'denied':
      await place.pending.clear();
      throw new CliError(ExitCode.failed, 'access_denied', `the login was refused: ${callback.reason}`, again);
    case 'wrong-state': {
      const message = 'what came back belongs to another login (its state is not the one of this login)';
      throw new CliError(ExitCode.failed, 'wrong_state', message, `begin anew: ${again}`);
    }
    case 'unreadable':
      throw new CliError(
        ExitCode.usage,
        'unreadable_code',
        'that holds no code',
        'give the whole address, or the code',
      );
    case 'code': {
      const { finishCode } = await import('../../oauth/engine/authorization-code.ts');
      try {
        return await finishCode(pending, callback.parameters, service, tools);
      } finally {
        // A code is good once, whatever came of it.
        await place.pending.clear();
      }
    }
  }
}

/** Prints what a person or a program needs for the other half. */
async function handOver(session: Session): Promise<null> {
  const { context, service } = session;
  const pending = await beginPending(session, service.redirectPort || (service.profile.authorize?.redirect.port ?? 0));
  const finish = `rotator oauth login ${service.profile.id} --code CODE`;
  if (context.globals.json) {
    await context.output.json({
      status: 'pending',
      provider: service.profile.id,
      url: pending.url,
      state: pending.state,
      redirect_uri: pending.redirectUri,
      expires_at: new Date(pending.expiresAt).toISOString(),
      finish,
    });
  } else {
    await context.output.data(`${pending.url}\n`);
    context.output.note(`Open it, and finish with the address the browser ends at: ${finish}`);
  }
  return null;
}

async function finishPending(session: Session, code: string): Promise<TokenAnswer> {
  const { place, service, tools } = session;
  const { readPasted } = await import('../../oauth/engine/callback.ts');
  const { id, title } = service.profile;
  if (service.endpoints.authorizeUrl === null) {
    const message = `${title} gives a code to type in elsewhere and takes none here`;
    throw new CliError(ExitCode.usage, 'no_page', message, `rotator oauth login ${id} shows it, and waits`);
  }
  const pending = await place.pending.read(tools.now());
  if (pending === null || pending.provider !== id) {
    const other = pending === null ? '' : `; the one that waits is of ${pending.provider}`;
    const hint = `begin one: rotator oauth login ${id} --json (or --paste)`;
    throw new CliError(ExitCode.usage, 'no_login', `no login of ${id} waits for a code${other}`, hint);
  }
  return await redeem(session, pending, readPasted(code, pending.state));
}

async function logInByDevice(session: Session, opensBrowser: boolean): Promise<TokenAnswer> {
  const { context, place, service, tools } = session;
  const { awaitDevice, beginDevice } = await import('../../oauth/engine/device-code.ts');
  const { id, title } = service.profile;
  const begun = await beginDevice(service, tools);
  if (begun.kind === 'failure') throw refusedLogin(service, begun.reason);
  const { login: device } = begun;
  await giveUpOther(session);
  await place.pending.announce({ provider: id, expiresAt: device.expiresAt });
  const end = await whileItGoesOn(session, async () => {
    await tellDevice(session, device);
    if (opensBrowser) await openBrowser(device.completeUrl ?? device.verificationUrl);
    return await awaitDevice(device, tools);
  });
  switch (end.kind) {
    case 'expired': {
      const message = `the code for ${title} has expired before anybody used it`;
      throw new CliError(ExitCode.failed, 'code_expired', message, `rotator oauth login ${id} gives a new one`);
    }
    case 'denied':
      throw new CliError(ExitCode.failed, 'access_denied', `the login was refused: ${end.reason}`);
    default:
      context.output.note('The code was accepted.');
      return end;
  }
}

async function tellDevice({ context, service, tools }: Session, device: DeviceLogin): Promise<void> {
  const url = plainText(device.completeUrl ?? device.verificationUrl);
  const code = plainText(device.userCode);
  if (context.globals.json) {
    // One line, for the result is another one: a reader can act on the first while the command waits.
    await context.output.data(
      `${JSON.stringify({
        status: 'pending',
        provider: service.profile.id,
        url,
        verification_url: device.verificationUrl,
        user_code: device.userCode,
        expires_at: new Date(device.expiresAt).toISOString(),
      })}\n`,
    );
    return;
  }
  const left = duration(device.expiresAt - tools.now());
  context.output.instruct(
    `Log in to ${service.profile.title} at:\n\n  ${url}\n\nwith the code  ${code}  (good for ${left})\n`,
  );
}

/** Makes an account of the tokens, keeps it, and says what it can do. */
async function keep({ context, place, service, tools, ask }: Session, answer: TokenAnswer): Promise<void> {
  if (answer.kind === 'failure') throw refusedLogin(service, answer.failure.reason);
  const { output, globals } = context;
  const { newAccount } = await import('../../oauth/engine/new-account.ts');
  const added = await place.directory.add(await newAccount(answer, service, tools));
  const accounts = await place.accounts();
  // What the login gave is kept by now: whoever leaves the question has an account without a name.
  const label = ask === null ? null : await askForLabel(context, ask, added.account, accounts.list());
  if (label !== null) {
    await writeLabel(place.directory, added.account.id, label);
    await accounts.rescan();
  }
  const view = accounts.list().find(({ id }) => id === added.account.id);
  if (!view) throw new CliError(ExitCode.failed, 'not_kept', `${added.account.id} was written and cannot be read`);
  const shape = { ...accountShape(view), created: added.isNew };
  if (globals.json) {
    const isSecondLine = service.endpoints.authorizeUrl === null;
    await output.data(isSecondLine ? `${JSON.stringify(shape)}\n` : `${JSON.stringify(shape, null, 2)}\n`);
  }
  const about = [view.email, view.tier, view.projectId].filter((part) => part !== null).map(plainText);
  const verb = added.isNew ? 'logged in' : 'logged in again';
  output.note(`${verb}: ${view.id}${about.length > 0 ? ` (${about.join(', ')})` : ''}`);
  if (view.state.kind === 'blocked') {
    const hint = view.state.link ?? `rotator oauth refresh ${view.id} asks again`;
    throw new CliError(
      ExitCode.rejected,
      'account_blocked',
      `${view.id} cannot be used yet: ${view.state.reason}`,
      hint,
    );
  }
}

/** A service that says nothing of the person leaves its accounts without a name. Null: it has one, or wants none. */
async function askForLabel(
  { output }: Context,
  ask: Prompts,
  account: Account,
  accounts: readonly AccountView[],
): Promise<string | null> {
  if (account.identity.email !== null || account.label !== null) return null;
  for (;;) {
    const label = plainText(await ask.text('A name for this account (may stay empty)', { isOptional: true }));
    if (label === '') return null;
    const trouble = labelTrouble(label, account.id, accounts);
    if (trouble === null) return label;
    output.warn(trouble);
  }
}

function refusedLogin({ profile, isOverridden }: Service, reason: string): CliError {
  const message = `${profile.title} gave no tokens: ${reason}`;
  return new CliError(
    ExitCode.failed,
    'login_failed',
    message,
    isOverridden ? undefined : knownTrouble(profile.status),
  );
}

function knownTrouble(status: ServiceStatus): string | undefined {
  return status.kind === 'works' ? undefined : `known since ${status.since}: ${status.reason}`;
}
