/** What `loadCodeAssist` says of an account, and what follows from it. */
import { redact } from '../../observe/redact.ts';
import { isObject } from '../../shared/json-shape.ts';
import type { Standing } from '../accounts/account.ts';
import { type JsonObject, objectOf, objectsOf, textOf } from '../json-object.ts';

export type Tier = { readonly id: string; readonly name: string | null; readonly wantsOwnProject: boolean };

export type Load = {
  /** What the account has now: paid before current. */
  readonly tier: Tier | null;
  readonly projectId: string | null;
  readonly allowed: readonly (Tier & { readonly isDefault: boolean })[];
  readonly refusals: readonly Refusal[];
};

type Refusal = { readonly code: string; readonly reason: string; readonly link: string | null };

export type NextStep =
  | { readonly kind: 'done'; readonly projectId: string; readonly tier: Tier }
  /** The tier is known and Google names no project: one of the person's own is needed. */
  | { readonly kind: 'find-project'; readonly tier: Tier }
  /** `projectId` null: it must be left out, a free tier makes its own and refuses another with 412. */
  | { readonly kind: 'onboard'; readonly tier: Tier; readonly projectId: string | null }
  | { readonly kind: 'blocked'; readonly standing: Omit<Extract<Standing, { kind: 'blocked' }>, 'since'> };

export function readLoad(json: JsonObject): Load {
  const paid = objectOf(json, 'paidTier');
  const current = objectOf(json, 'currentTier');
  return {
    tier: tierOf(paid) ?? tierOf(current),
    projectId: projectOf(json),
    allowed: objectsOf(json, 'allowedTiers').flatMap((one) => {
      const tier = tierOf(one);
      return tier === null ? [] : [{ ...tier, isDefault: one.isDefault === true }];
    }),
    refusals: objectsOf(json, 'ineligibleTiers').map((one) => ({
      code: textOf(one, 'reasonCode') ?? 'UNKNOWN',
      reason: textOf(one, 'validationErrorMessage', 'reasonMessage') ?? 'no reason was given',
      link: linkOf(textOf(one, 'validationUrl', 'validationLearnMoreUrl')),
    })),
  };
}

/** `configured`: the person's own project. */
export function nextStep(load: Load, configured: string | null): NextStep {
  if (load.tier !== null) {
    const projectId = load.projectId ?? configured;
    if (projectId !== null) return { kind: 'done', projectId, tier: load.tier };
    return isFree(load.tier)
      ? { kind: 'onboard', tier: load.tier, projectId: null }
      : { kind: 'find-project', tier: load.tier };
  }
  const tier =
    load.allowed.find((one) => one.isDefault) ?? load.allowed.find((one) => one.id === LEGACY) ?? load.allowed[0];
  if (!tier) return { kind: 'blocked', standing: refusalOf(load.refusals[0]) };
  if (isFree(tier) && !tier.wantsOwnProject) return { kind: 'onboard', tier, projectId: null };
  return configured === null ? { kind: 'find-project', tier } : { kind: 'onboard', tier, projectId: configured };
}

/** The project of a load or of an onboarding: a text, or an object with an id. */
export function projectOf(json: JsonObject): string | null {
  const project = json.cloudaicompanionProject;
  return isObject(project) ? textOf(project, 'id') : textOf(json, 'cloudaicompanionProject');
}

/** Google takes a project's id and not its number. */
export const isProjectNumber = (id: string): boolean => /^\d+$/.test(id);

const LEGACY = 'legacy-tier';

export const isFree = (tier: Tier): boolean => tier.id === 'free-tier';

function tierOf(json: JsonObject | null): Tier | null {
  const id = json === null ? null : textOf(json, 'id');
  if (json === null || id === null) return null;
  return { id, name: textOf(json, 'name'), wantsOwnProject: json.userDefinedCloudaicompanionProject === true };
}

function refusalOf(refusal: Refusal | undefined): Extract<NextStep, { kind: 'blocked' }>['standing'] {
  if (!refusal) {
    return { kind: 'blocked', why: 'ineligible', reason: 'the account may use no tier of Code Assist', link: null };
  }
  const why = refusal.code === 'VALIDATION_REQUIRED' ? 'validation' : 'ineligible';
  const reason = `${refusal.code}: ${redact(refusal.reason).slice(0, 300)}`;
  return { kind: 'blocked', why, reason, link: refusal.link };
}

/** Only what a browser can open may be shown as a link. */
export const linkOf = (url: string | null): string | null =>
  url !== null && /^https?:\/\//.test(url) && URL.canParse(url) ? new URL(url).href : null;
