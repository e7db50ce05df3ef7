import type { ListedModel } from '../providers/provider.ts';
import { matchesAny } from '../shared/wildcard.ts';
import type { ProviderRuntime } from './gateway.ts';
import { targetNames } from './target-names.ts';

/** A model is visible unless a deny rule names it; `allow` alone names all there is, beside `deny` it names exceptions. */
export function isVisible(runtime: Pick<ProviderRuntime, 'id' | 'allow' | 'deny'>, model: string): boolean {
  const names = [model.trim(), ...targetNames(runtime.id, model)];
  if (matchesAny(runtime.allow, ...names)) return true;
  return runtime.deny.length > 0 ? !matchesAny(runtime.deny, ...names) : runtime.allow.length === 0;
}

/** What a client may ask this provider for: the names the user defined, then what the provider lists. */
export function visibleModels(runtime: ProviderRuntime, listed: readonly ListedModel[]): readonly ListedModel[] {
  const models = new Map<string, ListedModel>();
  const byId = new Map(listed.map((model) => [model.id, model]));
  for (const [name, id] of runtime.define) models.set(name, { ...byId.get(id), id: name });
  for (const model of listed) if (!models.has(model.id)) models.set(model.id, model);
  return [...models.values()].filter((model) => isVisible(runtime, model.id));
}
