import type { ListedModel } from '../providers/provider.ts';
import { matchesAny, type NamePattern } from '../shared/wildcard.ts';
import type { ProviderRuntime } from './gateway.ts';
import { targetNames } from './target-names.ts';

/** Which of a provider's rules decides whether a model is visible. `pattern` null: none of its `allow` fits. */
export type DecidingRule = { readonly kind: 'allow' | 'deny'; readonly pattern: string | null };

type Rules = Pick<ProviderRuntime, 'id' | 'allow' | 'deny'>;

/**
 * A model is visible unless a deny rule names it; `allow` alone names all there is, beside `deny` it names exceptions.
 * `rule` null: no rule has a say.
 */
export function visibilityOf(
  runtime: Rules,
  model: string,
): { readonly isVisible: boolean; readonly rule: DecidingRule | null } {
  const names = [model.trim(), ...targetNames(runtime.id, model)];
  const fitting = (patterns: readonly NamePattern[]) => patterns.find((pattern) => matchesAny([pattern], ...names));
  const allowed = fitting(runtime.allow);
  if (allowed) return { isVisible: true, rule: { kind: 'allow', pattern: allowed.source } };
  if (runtime.deny.length > 0) {
    const denied = fitting(runtime.deny);
    return denied
      ? { isVisible: false, rule: { kind: 'deny', pattern: denied.source } }
      : { isVisible: true, rule: null };
  }
  if (runtime.allow.length === 0) return { isVisible: true, rule: null };
  return { isVisible: false, rule: { kind: 'allow', pattern: null } };
}

export function isVisible(runtime: Rules, model: string): boolean {
  if (runtime.allow.length === 0 && runtime.deny.length === 0) return true;
  return visibilityOf(runtime, model).isVisible;
}

/** What a client may ask this provider for: the names the user defined, then what the provider lists. */
export function visibleModels(runtime: ProviderRuntime, listed: readonly ListedModel[]): readonly ListedModel[] {
  const models = new Map<string, ListedModel>();
  const byId = new Map(listed.map((model) => [model.id, model]));
  for (const [name, id] of runtime.define) models.set(name, { ...byId.get(id), id: name });
  for (const model of listed) if (!models.has(model.id)) models.set(model.id, model);
  return [...models.values()].filter((model) => isVisible(runtime, model.id));
}
