/**
 * YAML text → plain tree with the place of every field. Knows YAML and `${NAME}`, not the fields. Everything that is
 * wrong is returned, nothing is thrown: a config is written by people.
 */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument as parseYaml,
  type YAMLMap,
} from 'yaml';
import type { Env } from './environment.ts';
import { interpolate } from './interpolate.ts';
import type { Place, Problem } from './problems.ts';
import { formatPath, type Path } from './problems.ts';
import { isFields, isList, type Tree, type TreeFields, written } from './written.ts';

export type ParsedDocument = {
  /** Undefined for a file of comments only. */
  readonly tree: Tree;
  readonly problems: readonly Problem[];
  /** A syntax error: the tree is not to be trusted. */
  readonly isBroken: boolean;
  /** Values with a variable that is not set; their place in the tree is undefined. */
  readonly unset: readonly { readonly path: Path; readonly name: string; readonly place: Place }[];
  /** Is the value at this path, or anything below it, taken from the environment? */
  isFromEnvironment(path: Path): boolean;
  /** Does the value at this path hold a reference, resolved or not? */
  isReference(path: Path): boolean;
  /** Where the field, or the nearest one around it, stands. */
  place(path: Path, part: 'name' | 'value'): Place;
};

/** Deep enough for any config, shallow enough for the stack. */
const MAX_DEPTH = 64;
/** Nodes that aliases may add up to. A handful of lines can otherwise stand for billions. */
const MAX_ALIASED_NODES = 10_000;

const keyOf = (path: Path): string => JSON.stringify(path);

/** How the `yaml` package reads a config. Editing reads it without merges: there `<<` is a field like any other. */
function readYaml(text: string, lineCounter?: LineCounter): Document.Parsed {
  return parseYaml(text, {
    ...(lineCounter && { lineCounter }),
    // Duplicates are found below, with both places.
    uniqueKeys: false,
    prettyErrors: false,
    merge: true,
  });
}

export function parseDocument(text: string, env: Env): ParsedDocument {
  const lines = new LineCounter();
  const problems: Problem[] = [];
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const unset: { path: Path; name: string; place: Place }[] = [];
  const environmentPaths: Path[] = [];
  const referencePaths = new Set<string>();
  const places = new Map<string, { name: Place; value: Place }>();

  const finish = (tree: Tree, isBroken: boolean): ParsedDocument => ({
    tree,
    problems,
    isBroken,
    unset,
    isFromEnvironment: (path) => environmentPaths.some((other) => path.every((step, i) => other[i] === step)),
    isReference: (path) => referencePaths.has(keyOf(path)),
    place: (path, part) => {
      for (let length = path.length; length >= 0; length--) {
        const found = places.get(keyOf(path.slice(0, length)));
        // Of an enclosing field its own name is the better pointer, except for a missing field of a list's item.
        if (found) return length === path.length ? found[part] : found.name;
      }
      return { line: 1, column: 1 };
    },
  });

  let document: Document.Parsed;
  try {
    document = readYaml(text, lines);
  } catch (error) {
    // Thousands of nested brackets exhaust the parser's stack; nothing else is known to make it throw.
    const message = error instanceof RangeError ? 'nested too deeply' : `not readable as YAML: ${String(error)}`;
    problems.push({ path: '', place: { line: 1, column: 1 }, message });
    return finish(undefined, true);
  }
  const faults = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  if (faults.length > 0) {
    let isLost = false;
    for (const fault of faults) {
      // After one slip the parser stumbles over everything up to the next line that it understands.
      if (isLost && fault.code === 'UNEXPECTED_TOKEN') continue;
      isLost ||= fault.code === 'UNEXPECTED_TOKEN' || fault.code === 'MISSING_CHAR';
      problems.push(describeFault(fault.code, fault.message, fault.pos[0], text, placeAt));
    }
    return finish(undefined, true);
  }

  let aliasedNodes = 0;
  let isAliasLimitReported = false;
  const expanding = new Set<Node>();

  const convert = (node: unknown, path: Path, isAliased: boolean): Tree => {
    if (!isNode(node)) return undefined;
    const place = placeAt(node.range?.[0] ?? 0);
    if (isAliased && ++aliasedNodes > MAX_ALIASED_NODES) {
      if (!isAliasLimitReported)
        problems.push(problemAt(path, place, 'the aliases of this file stand for too many values'));
      isAliasLimitReported = true;
      return undefined;
    }
    if (path.length > MAX_DEPTH) {
      problems.push(problemAt(path, place, 'nested too deeply'));
      return undefined;
    }
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (!target || expanding.has(target)) {
        problems.push(problemAt(path, place, `the alias *${node.source} stands for ${target ? 'itself' : 'nothing'}`));
        return undefined;
      }
      expanding.add(target);
      const tree = convert(target, path, true);
      expanding.delete(target);
      return tree;
    }
    if (isMap(node)) return convertMap(node, path, isAliased);
    if (isSeq(node)) {
      return node.items.map((item, i) => {
        const at = [...path, i];
        const start = placeAt((isNode(item) ? item.range?.[0] : undefined) ?? node.range?.[0] ?? 0);
        if (!isAliased) places.set(keyOf(at), { name: start, value: start });
        return convert(item, at, isAliased);
      });
    }
    if (!isScalar(node)) return undefined;
    const source = node.source ?? String(node.value ?? '');
    const isQuoted = node.type !== 'PLAIN' || node.tag === 'tag:yaml.org,2002:str';
    if (!isQuoted && /^(|~|null|Null|NULL)$/.test(source)) return undefined;
    const result = interpolate(source, env);
    for (const mistake of result.mistakes) problems.push(problemAt(path, place, mistake));
    if (result.isChanged) referencePaths.add(keyOf(path));
    if (result.isFromEnvironment) environmentPaths.push(path);
    for (const name of result.unset) unset.push({ path, name, place });
    if (result.mistakes.length + result.unset.length > 0) return undefined;
    // `${NAME:-}` says: nothing, when it is not set.
    if (result.isChanged && result.text === '') return undefined;
    if (result.isFromEnvironment) return written(result.text, 'environment');
    return written(result.text, isQuoted && !result.isChanged ? 'text' : 'plain');
  };

  const convertMap = (map: YAMLMap<unknown, unknown>, path: Path, isAliased: boolean): TreeFields => {
    const fields: TreeFields = Object.create(null);
    const merged: TreeFields[] = [];
    const firstPlaces = new Map<string, Place>();
    for (const pair of map.items as Pair[]) {
      const place = placeAt((isNode(pair.key) ? pair.key.range?.[0] : undefined) ?? map.range?.[0] ?? 0);
      if (!isScalar(pair.key)) {
        problems.push(problemAt(path, place, 'expected the name of a field, got a list, a mapping or an alias'));
        continue;
      }
      const name = pair.key.source ?? String(pair.key.value ?? '');
      if (name === '<<' && pair.key.type === 'PLAIN') {
        merged.push(...mergeSources(pair.value, path, place, isAliased));
        continue;
      }
      const at = [...path, name];
      if (name === '__proto__') {
        problems.push(problemAt(at, place, 'this name cannot be used'));
        continue;
      }
      const first = firstPlaces.get(name);
      if (first) {
        problems.push(problemAt(at, place, `duplicate field; it is already given in line ${first.line}`));
        continue;
      }
      firstPlaces.set(name, place);
      if (!isAliased) {
        const valueStart = isNode(pair.value) ? pair.value.range?.[0] : undefined;
        places.set(keyOf(at), { name: place, value: valueStart === undefined ? place : placeAt(valueStart) });
      }
      // An empty value stays as a name without a value: `groq:` names a provider.
      fields[name] = convert(pair.value, at, isAliased);
    }
    for (const source of merged) {
      for (const [name, value] of Object.entries(source)) if (!firstPlaces.has(name)) fields[name] ??= value;
    }
    return fields;
  };

  const mergeSources = (node: unknown, path: Path, place: Place, isAliased: boolean): TreeFields[] => {
    const source = convert(node, path, isAliased);
    const sources = isList(source) ? source : [source];
    return sources.flatMap((tree) => {
      if (isFields(tree)) return [tree];
      problems.push(problemAt([...path, '<<'], place, 'expected an alias of a mapping, or a list of them'));
      return [];
    });
  };

  const rootStart = placeAt(document.contents?.range?.[0] ?? 0);
  places.set(keyOf([]), { name: rootStart, value: rootStart });
  return finish(convert(document.contents, [], false), false);
}

const problemAt = (path: Path, place: Place, message: string): Problem => ({ path: formatPath(path), place, message });

/** The parser's finding in words that say what to do. */
function describeFault(
  code: string,
  message: string,
  offset: number,
  text: string,
  placeAt: (offset: number) => Place,
): Problem {
  const reference = referenceBefore(text, offset);
  if (reference !== null && (code === 'MISSING_CHAR' || code === 'UNEXPECTED_TOKEN' || code === 'BAD_SCALAR_START')) {
    return {
      path: '',
      place: placeAt(reference),
      message: 'inside [ ] or { } a ${NAME} must be quoted, as in ["${NAME}"]',
    };
  }
  if (/call stack/i.test(message)) return { path: '', place: placeAt(0), message: 'nested too deeply' };
  switch (code) {
    case 'TAB_AS_INDENT':
      return { path: '', place: placeAt(offset), message: 'a tab cannot indent in YAML; use spaces' };
    case 'MULTIPLE_DOCS':
      return {
        path: '',
        place: placeAt(offset),
        message: 'a second document starts here ("---"); a config is one document',
      };
    case 'TAG_RESOLVE_FAILED':
      return { path: '', place: placeAt(offset), message: `${firstLine(message)}; tags are not used in a config` };
    default:
      return { path: '', place: placeAt(offset), message: firstLine(message) };
  }
}

const firstLine = (text: string): string => (text.split('\n', 1)[0] ?? text).trim();

/** Offset of an unquoted `${` whose brace is where, or just before where, the parser stumbled; null when there is none. */
function referenceBefore(text: string, offset: number): number | null {
  for (let brace = offset; brace >= Math.max(1, offset - 1); brace--) {
    if (text[brace] === '{' && text[brace - 1] === '$') return brace - 1;
  }
  return null;
}
