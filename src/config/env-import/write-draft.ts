/** A draft as YAML: a new file, or what a file lacks put into it with everything else as it was. */
import { Pair, Scalar, Document as YamlDocument, YAMLMap, YAMLSeq } from 'yaml';
import { schemaLine } from '../reference.ts';
import { fieldNamesAt } from '../shape.ts';
import { Secret } from '../../shared/secret.ts';
import { isFields, isList, type Tree } from '../written.ts';
import { APPEND, type EditPath, insert } from '../yaml-text.ts';
import { type DraftFields, type DraftValue, isMapping } from './draft.ts';
import type { Value } from './outcome.ts';

/** A new config. `origin`: what it was made of, for its first lines. */
export function newConfig(draft: DraftFields, origin: string): string {
  const head = `${schemaLine('rotator.schema.json')}\n# Made by: rotator import ${origin.replace(/[^\x20-\x7e]/g, '?')}\n`;
  const sections = inOrder(draft, []).map(([name, value]) =>
    new YamlDocument(mappingNode([[name, nodeOf(value, [name])]])).toString({ lineWidth: 0, indentSeq: true }),
  );
  return [head, ...sections].join('\n');
}

/** `existing`: what `text` holds. Throws `EditRefusal` for a file that cannot be edited. */
export function mergedConfig(text: string, existing: Tree, draft: DraftFields): string {
  return insertions(existing, draft, []).reduce((out, { path, value }) => insert(out, path, value), text);
}

type Insertion = { readonly path: EditPath; readonly value: unknown };

/** As much at once as is missing: a whole provider stays in one piece. */
function insertions(existing: Tree, draft: DraftValue, path: readonly string[]): readonly Insertion[] {
  if (existing === undefined && path.length > 0) return [{ path, value: nodeOf(draft, path) }];
  if (draft instanceof Map) {
    return inOrder(draft, path).flatMap(([name, value]) =>
      insertions(isFields(existing) ? existing[name] : undefined, value, [...path, name]),
    );
  }
  if (draft.kind !== 'list' || !isList(existing)) return [];
  return draft.items.map(({ value }) => ({ path: [...path, APPEND], value: valueNode(value) }));
}

function nodeOf(draft: DraftValue, path: readonly string[]): unknown {
  if (draft instanceof Map) {
    return mappingNode(inOrder(draft, path).map(([name, value]) => [name, nodeOf(value, [...path, name])]));
  }
  return draft.kind === 'leaf'
    ? valueNode(draft.value)
    : sequenceNode(draft.items.map(({ value }) => valueNode(value)));
}

/** Fields in the order in which the reference has them; names of the user's own stay as they came. */
function inOrder(fields: DraftFields, path: readonly string[]): readonly (readonly [string, DraftValue])[] {
  const known = fieldNamesAt(path);
  const rank = (name: string) => (known.includes(name) ? known.indexOf(name) : known.length);
  return [...fields].sort(([a], [b]) => rank(a) - rank(b));
}

function valueNode(value: Value): unknown {
  if (value instanceof Secret) {
    const node = new Scalar(escapeReferences(value.reveal()));
    node.type = 'QUOTE_DOUBLE';
    return node;
  }
  if (typeof value === 'string') return new Scalar(escapeReferences(value));
  if (Array.isArray(value)) return sequenceNode(value.map(valueNode));
  if (isMapping(value)) return mappingNode(Object.entries(value).map(([name, item]) => [name, valueNode(item)]));
  return new Scalar(value);
}

/** Made by hand, so that a name such as `__proto__` or `1` keeps its place. */
function mappingNode(entries: readonly (readonly [string, unknown])[]): YAMLMap {
  const node = new YAMLMap();
  for (const [name, value] of entries) node.items.push(new Pair(new Scalar(name), value));
  return node;
}

function sequenceNode(items: readonly unknown[]): YAMLSeq {
  const node = new YAMLSeq();
  node.items.push(...items);
  return node;
}

const escapeReferences = (text: string): string => text.replaceAll('${', () => '$${');
