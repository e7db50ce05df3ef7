/** After a Google login: which tier the account has and which project its calls belong to. */
import type { Account, Standing } from '../accounts/account.ts';
import { callService, type CallAnswer } from '../engine/json-call.ts';
import { type JsonObject, objectOf, objectsOf, textOf } from '../json-object.ts';
import type { Service, ServiceTools } from '../profile.ts';
import { isProjectNumber, nextStep, projectOf, readLoad, type Tier } from './load-answer.ts';
import { accountRefusal, isPerimeter } from './refusal.ts';
import { tierName } from './tiers.ts';

/** How a client of Google's Code Assist introduces the place it runs in. */
export type Dialect = {
  readonly metadata: JsonObject;
  readonly onboardBody: (tierId: string, projectId: string | null) => JsonObject;
};

// Making a project takes Google half a minute at most; the operation is asked for as often as its own client does.
const ONBOARD_PAUSE_MS = 5_000;
const ONBOARD_TRIES = 30;
const MAX_SCANNED = 20;

export const codeAssistDialect: Dialect = {
  metadata: { ideType: 'IDE_UNSPECIFIED', platform: 'PLATFORM_UNSPECIFIED', pluginType: 'GEMINI' },
  onboardBody: (tierId, projectId) => ({
    tierId,
    ...(projectId === null ? {} : { cloudaicompanionProject: projectId }),
    metadata: codeAssistDialect.metadata,
  }),
};

/** The account with its project and tier, or in the state that Google has put it into. Rejects only for the signal. */
export async function discoverProject(
  account: Account,
  service: Service,
  tools: ServiceTools,
  dialect: Dialect = codeAssistDialect,
): Promise<Account> {
  const configured = service.projectId ?? account.details.project_id ?? null;
  // A token of a server of the user's own is no business of Google's.
  if (service.isOverridden && service.endpoints.apiUrl === service.profile.apiUrl) {
    return configured === null ? account : { ...account, details: { ...account.details, project_id: configured } };
  }
  const google = new Google(account, service, tools);
  if (configured !== null && isProjectNumber(configured)) {
    const reason = `${configured} is a project's number; set providers.${service.profile.id}.oauth.project_id to its id`;
    return blocked(account, { kind: 'blocked', why: 'ineligible', reason, link: null }, tools.now());
  }
  const load = async (projectId: string | null) =>
    await google.post('loadCodeAssist', {
      ...(projectId === null ? {} : { cloudaicompanionProject: projectId }),
      metadata: projectId === null ? dialect.metadata : { ...dialect.metadata, duetProject: projectId },
    });
  const answer = await load(configured);
  if (answer.kind === 'unreachable' || answer.status !== 200 || answer.json === null) {
    return withoutLoad(account, answer, configured, tools.now());
  }
  let step = nextStep(readLoad(answer.json), configured);
  if (step.kind === 'find-project') {
    const found = await scanProjects(google, async (projectId) => {
      const again = await load(projectId);
      return (
        again.kind === 'answer' && again.status === 200 && again.json !== null && readLoad(again.json).tier !== null
      );
    });
    step = found === null ? step : { kind: 'done', projectId: found, tier: step.tier };
  }
  switch (step.kind) {
    case 'done':
      return ready(account, step.projectId, step.tier);
    case 'blocked':
      return blocked(account, step.standing, tools.now());
    case 'find-project': {
      const where = `providers.${service.profile.id}.oauth.project_id`;
      const reason = `its tier ${step.tier.id} needs a Google Cloud project of your own; set ${where} or GOOGLE_CLOUD_PROJECT`;
      return blocked(
        withTier(account, step.tier),
        { kind: 'blocked', why: 'unfinished', reason, link: null },
        tools.now(),
      );
    }
    case 'onboard': {
      const made = await onboard(google, dialect.onboardBody(step.tier.id, step.projectId), tools);
      if (made.kind === 'refused') return blocked(account, made.standing, tools.now());
      const projectId = made.projectId ?? step.projectId;
      if (projectId !== null) return ready(account, projectId, step.tier);
      const reason = `Google gave no project to its tier ${step.tier.id} (${made.reason}); rotator oauth refresh tries again`;
      return blocked(account, { kind: 'blocked', why: 'unfinished', reason, link: null }, tools.now());
    }
  }
}

/** Calls with the account's own token. */
class Google {
  readonly #headers: Readonly<Record<string, string>>;
  readonly #service: Service;
  readonly #tools: ServiceTools;

  constructor(account: Account, service: Service, tools: ServiceTools) {
    this.#headers = { authorization: `Bearer ${account.tokens.access?.reveal() ?? ''}` };
    this.#service = service;
    this.#tools = tools;
  }

  post(method: string, body: JsonObject): Promise<CallAnswer> {
    const headers = { ...this.#headers, 'content-type': 'application/json' };
    const url = `${this.#service.endpoints.apiUrl}:${method}`;
    return callService({ url, method: 'POST', headers, body: JSON.stringify(body) }, this.#service, this.#tools);
  }

  /** `name` of an operation: `operations/…`. */
  operation(name: string): Promise<CallAnswer> {
    return this.get(`${this.#service.endpoints.apiUrl}/${name}`);
  }

  get(url: string): Promise<CallAnswer> {
    return callService({ url, method: 'GET', headers: this.#headers }, this.#service, this.#tools);
  }

  /** Another of Google's services; where a server of the user's own stands in for Google, it stands in for all. */
  elsewhere(url: string): string {
    if (!this.#service.isOverridden) return url;
    return new URL(new URL(url).pathname, this.#service.endpoints.apiUrl).href;
  }
}

type Onboarded =
  | { readonly kind: 'done'; readonly projectId: string | null; readonly reason: string }
  | { readonly kind: 'refused'; readonly standing: Omit<Extract<Standing, { kind: 'blocked' }>, 'since'> };

async function onboard(google: Google, body: JsonObject, tools: ServiceTools): Promise<Onboarded> {
  let answer = await google.post('onboardUser', body);
  let name: string | null = null;
  for (let attempt = 1; ; attempt++) {
    if (answer.kind === 'answer') {
      const refusal = accountRefusal(answer.status, answer.json);
      if (refusal !== null) return { kind: 'refused', standing: refusal };
      if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) {
        return { kind: 'done', projectId: null, reason: `HTTP ${answer.status}` };
      }
      const json = answer.json ?? {};
      if (json.done === true)
        return {
          kind: 'done',
          projectId: projectOf(objectOf(json, 'response') ?? {}),
          reason: 'no project in its answer',
        };
      name ??= textOf(json, 'name');
    }
    if (attempt >= ONBOARD_TRIES) return { kind: 'done', projectId: null, reason: 'it took too long' };
    await tools.sleep(ONBOARD_PAUSE_MS, tools.signal);
    tools.signal.throwIfAborted();
    answer = name === null ? await google.post('onboardUser', body) : await google.operation(name);
  }
}

const PROJECTS = 'https://cloudresourcemanager.googleapis.com/v1/projects';
const SERVICES = 'https://serviceusage.googleapis.com/v1/projects';

/** The first of the person's own projects that has Code Assist turned on and yields a tier. */
async function scanProjects(google: Google, isUsable: (projectId: string) => Promise<boolean>): Promise<string | null> {
  const listed = await google.get(google.elsewhere(PROJECTS));
  const projects = listed.kind === 'answer' && listed.json !== null ? objectsOf(listed.json, 'projects') : [];
  const active = projects.filter((one) => textOf(one, 'lifecycleState') === 'ACTIVE').slice(0, MAX_SCANNED);
  for (const project of active) {
    const id = textOf(project, 'projectId');
    if (id === null) continue;
    const asked = await google.get(google.elsewhere(`${SERVICES}/${id}/services/cloudaicompanion.googleapis.com`));
    const isEnabled = asked.kind === 'answer' && asked.json !== null && textOf(asked.json, 'state') === 'ENABLED';
    if (isEnabled && (await isUsable(id))) return id;
  }
  return null;
}

/** The first question itself failed: of the account, of a network perimeter, or of the line. */
function withoutLoad(account: Account, answer: CallAnswer, configured: string | null, now: number): Account {
  if (answer.kind === 'answer') {
    const refusal = accountRefusal(answer.status, answer.json);
    if (refusal !== null) return blocked(account, refusal, now);
    if (isPerimeter(answer.json) && configured !== null) {
      return ready(account, configured, { id: 'standard-tier', name: null, wantsOwnProject: true });
    }
  }
  if (account.details.project_id !== undefined) return account;
  const what = answer.kind === 'unreachable' ? answer.reason : `HTTP ${answer.status}`;
  const reason = `its project could not be asked for (${what}); rotator oauth refresh tries again`;
  return blocked(account, { kind: 'blocked', why: 'unfinished', reason, link: null }, now);
}

const withTier = (account: Account, tier: Tier): Account => ({
  ...account,
  details: { ...account.details, tier: tierName(tier.id), tier_full: tier.name ?? tier.id },
});

const ready = (account: Account, projectId: string, tier: Tier): Account => {
  const known = withTier(account, tier);
  return { ...known, details: { ...known.details, project_id: projectId }, standing: { kind: 'active' } };
};

const blocked = (
  account: Account,
  standing: Omit<Extract<Standing, { kind: 'blocked' }>, 'since'>,
  now: number,
): Account => ({ ...account, standing: { ...standing, since: now } });
