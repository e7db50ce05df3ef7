import { objectsIn, textOr } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';

/**
 * Namespaces hold tools of their own. Elsewhere there is no such thing: a tool is then called by a qualified name, and on
 * the way home its calls get their namespace back.
 */

export type OwnName = { readonly name: string; readonly namespace: string | null };

/** `crm` and `find` → `crm__find`; a namespace that ends like a prefix already is one. */
export function qualifiedName(namespace: string | null, name: string): string {
  if (namespace === null || namespace === '') return name;
  return namespace.endsWith('__') ? namespace + name : `${namespace}__${name}`;
}

/** The name of a tool or a call as the neutral form has it. */
export const neutralName = (item: JsonRecord): string => qualifiedName(textOr(item.namespace), textOr(item.name) ?? '');

/** Qualified name → the tool's own, for the tools in namespaces. */
export function ownNames(tools: unknown): ReadonlyMap<string, OwnName> {
  const own = new Map<string, OwnName>();
  for (const tool of objectsIn(tools)) {
    if (tool.type !== 'namespace') continue;
    const namespace = textOr(tool.name);
    for (const inner of objectsIn(tool.tools)) {
      const name = textOr(inner.name);
      if (name !== null) own.set(qualifiedName(namespace, name), { name, namespace });
    }
  }
  return own;
}
