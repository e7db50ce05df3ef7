import { isObject, objectsIn } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';

/**
 * A tool's schema as the vendor takes it: at the root an object, and no choice between schemas there. Deeper down
 * everything is allowed.
 */
export function objectSchema(schema: JsonRecord | null): JsonRecord {
  if (schema === null) return { type: 'object', properties: {} };
  const { anyOf, oneOf, allOf, ...rest } = schema;
  const all = objectsIn(allOf);
  const any = [...objectsIn(anyOf), ...objectsIn(oneOf)];
  const branches = [...all, ...any];
  const merged: JsonRecord = branches.length === 0 ? rest : { ...rest, ...joined(rest, all, any) };
  return { ...merged, type: 'object', properties: isObject(merged.properties) ? merged.properties : {} };
}

/** Every property that one of the branches has; required is what holds whichever branch is taken. */
function joined(root: JsonRecord, all: readonly JsonRecord[], any: readonly JsonRecord[]): JsonRecord {
  const properties = Object.assign(
    {},
    ...[...any, ...all, root].map((one) => (isObject(one.properties) ? one.properties : {})),
  );
  const always = [root, ...all].flatMap(requiredOf);
  const [first, ...others] = any.map(requiredOf);
  const common = (first ?? []).filter((name) => others.every((names) => names.includes(name)));
  const required = [...new Set([...always, ...common])];
  return { properties, ...(required.length > 0 && { required }) };
}

const requiredOf = ({ required }: JsonRecord): readonly string[] =>
  Array.isArray(required) ? required.filter((name) => typeof name === 'string') : [];
