/** A 403 of Google's Code Assist that speaks of the account itself. */
import { redact } from '../../observe/redact.ts';
import type { Standing } from '../accounts/account.ts';
import { type JsonObject, objectOf, objectsOf, textOf } from '../json-object.ts';
import { linkOf } from './load-answer.ts';

export type AccountRefusal = Omit<Extract<Standing, { kind: 'blocked' }>, 'since'>;

const DOMAINS = /^(staging-|autopush-)?cloudcode-pa\.googleapis\.com$/;

/** A ban, a wish for validation, or a client that is served no more; null where the body speaks of something else. */
export function accountRefusal(status: number, json: JsonObject | null): AccountRefusal | null {
  const error = json === null ? null : objectOf(json, 'error');
  if (status !== 403 || error === null) return null;
  const details = objectsOf(error, 'details');
  const infos = details.filter((one) => DOMAINS.test((textOf(one, 'domain') ?? '').replace(/[^\w.-]/g, '')));
  const metadata = (name: string) =>
    infos.map((one) => textOf(objectOf(one, 'metadata') ?? {}, name)).find((text) => text !== null) ?? null;
  const has = (reason: string) => infos.some((one) => textOf(one, 'reason') === reason);
  const reason = redact(textOf(error, 'message') ?? 'no reason was given').slice(0, 300);
  if (has('VALIDATION_REQUIRED')) {
    const help = details.flatMap((one) => objectsOf(one, 'links')).map((one) => textOf(one, 'url'))[0] ?? null;
    return { kind: 'blocked', why: 'validation', reason, link: linkOf(help ?? metadata('validation_link')) };
  }
  if (has('UNSUPPORTED_CLIENT')) return { kind: 'blocked', why: 'ineligible', reason, link: null };
  const appeal = linkOf(metadata('appeal_url'));
  return appeal === null ? null : { kind: 'blocked', why: 'banned', reason, link: appeal };
}

/** A network perimeter hides the project's tier; the person's own project is then taken at its word. */
export const isPerimeter = (json: JsonObject | null): boolean =>
  objectsOf((json && objectOf(json, 'error')) ?? {}, 'details').some(
    (one) => textOf(one, 'reason') === 'SECURITY_POLICY_VIOLATED',
  );
