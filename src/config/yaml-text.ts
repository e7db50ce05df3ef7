/**
 * Changes in a YAML text that leave every other character as it is. The parser says where things are, the text is
 * spliced, and the result is parsed again: when it does not mean what was intended, the `yaml` package writes the
 * document instead, which keeps comments and order and may change spacing.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  Document as YamlDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { isObject } from '../shared/json-shape.ts';

/** As the last step of a path: a new item at the end of a list. */
export const APPEND = Symbol('append');

/** A number is a place in a list. */
export type ValuePath = readonly (string | number)[];

export type EditPath = readonly (string | number | typeof APPEND)[];

/** What stands in the way of an edit; for a person. */
export class EditRefusal extends Error {}

/**
 * Adds a value: a field that is not there yet, or an item at the end of a list. Whatever of the path is missing is made.
 * `value` is plain data or nodes of `yaml`, where the way of quoting matters.
 */
export function insert(text: string, path: EditPath, value: unknown): string {
  const document = parse(text);
  const intended = insertInto(document.toJS({ maxAliasCount: 1000 }), path, new YamlDocument(value).toJS());
  const spliced = spliceInsert(text, document, path, value);
  return settle(text, spliced, intended, (copy) => {
    const last = path.at(-1);
    if (last === APPEND) copy.addIn(path.slice(0, -1), copy.createNode(value));
    else copy.setIn(path, copy.createNode(value));
  });
}

/** Gives a field or an item this value, whatever it has now; what is missing of the path is made. */
export function assign(text: string, path: ValuePath, value: unknown): string {
  const document = parse(text);
  const found = document.getIn(path, true);
  const parent = path.length > 1 ? document.getIn(path.slice(0, -1)) : document.contents;
  const last = path.at(-1);
  if (isNode(found) && !isNull(found)) {
    const intended = replaceIn(document.toJS({ maxAliasCount: 1000 }), path, new YamlDocument(value).toJS());
    return settle(text, spliceAssign(text, document, path, value), intended, (copy) =>
      copy.setIn(path, copy.createNode(value)),
    );
  }
  // The place behind the last item is a new one.
  const isNext = typeof last === 'number' && (!isSeq(parent) || parent.items.length === last);
  return insert(text, isNext ? [...path.slice(0, -1), APPEND] : path, value);
}

/** Takes a field or an item away; what is emptied by it stays as `{}` or `[]`. A path that leads nowhere changes nothing. */
export function remove(text: string, path: ValuePath): string {
  const document = parse(text);
  if (!document.hasIn(path)) return text;
  const last = path.at(-1);
  if (typeof last === 'number') return removeItem(text, path.slice(0, -1), last);
  const intended = withoutField(document.toJS({ maxAliasCount: 1000 }), path);
  return settle(text, spliceField(text, document, path), intended, (copy) => {
    copy.deleteIn(path);
    const around = path.slice(0, -1);
    const map: unknown = around.length === 0 ? copy.contents : copy.getIn(around, true);
    if (isMap(map)) map.flow ||= map.items.length === 0;
  });
}

/** Removes one item of a list; an emptied list stays as `[]`. */
export function removeItem(text: string, path: ValuePath, index: number): string {
  const document = parse(text);
  const intended = removeFrom(document.toJS({ maxAliasCount: 1000 }), path, index);
  return settle(text, spliceRemove(text, document, path, index), intended, (copy) => copy.deleteIn([...path, index]));
}

/** Another text in place of a scalar, quoted whatever it looks like. What stands around it stays. */
export function replaceScalar(text: string, path: readonly (string | number)[], value: string): string {
  const document = parse(text);
  const node: unknown = document.getIn(path, true);
  if (isAlias(node)) throw new EditRefusal(`${path.join('.')} is an alias (*${node.source})`);
  const range = isScalar(node) ? node.range : undefined;
  const intended = replaceIn(document.toJS({ maxAliasCount: 1000 }), path, value);
  const spliced = range ? splice(text, range[0], range[1], JSON.stringify(value)) : null;
  return settle(text, spliced, intended, (copy) => copy.setIn(path, value));
}

/** The text as plain data; null: it is no YAML, or no mapping. An empty one is an empty mapping. */
export function readYaml(text: string): { readonly tree: Record<string, unknown> } | null {
  const document = parse(text);
  if (document.errors.length > 0) return null;
  const tree: unknown = document.toJS({ maxAliasCount: 1000 }) ?? {};
  return isObject(tree) ? { tree } : null;
}

const parse = (text: string): Document.Parsed =>
  parseDocument(text, { keepSourceTokens: true, uniqueKeys: false, prettyErrors: false });

function settle(text: string, spliced: string | null, intended: unknown, rewrite: (copy: Document) => void): string {
  if (spliced !== null && means(spliced, intended)) return spliced;
  const copy = parse(text);
  try {
    rewrite(copy);
    const written = copy.toString({ lineWidth: 0 });
    const rewritten = text.includes('\r\n') ? written.replace(/\r?\n/g, '\r\n') : written;
    if (means(rewritten, intended)) return rewritten;
  } catch {
    // The refusal below says it.
  }
  throw new EditRefusal('the file is written in a way that cannot be edited without risk');
}

function means(text: string, intended: unknown): boolean {
  const document = parse(text);
  return document.errors.length === 0 && isDeepStrictEqual(document.toJS({ maxAliasCount: 1000 }), intended);
}

function spliceInsert(text: string, document: Document.Parsed, path: EditPath, value: unknown): string | null {
  let node: Node | null = document.contents;
  if (node === null || isNull(node)) {
    // Comments only: the fields go below them.
    return node === null || node.range?.[0] === node.range?.[1] ? appendLines(text, block(wrap(path, value), 0)) : null;
  }
  for (const [i, step] of path.entries()) {
    const rest = path.slice(i + 1);
    if (isAlias(node)) throw new EditRefusal(`${describePath(path.slice(0, i))} is an alias (*${node.source})`);
    if (step === APPEND) {
      if (!isSeq(node)) throw new EditRefusal(`${describePath(path.slice(0, i))} is not a list`);
      return addToSeq(text, node, value);
    }
    if (typeof step === 'number') {
      const item: unknown = isSeq(node) ? node.items[step] : undefined;
      if (!isNode(item)) throw new EditRefusal(`${describePath(path.slice(0, i))} has no place ${step}`);
      node = item;
      continue;
    }
    if (!isMap(node)) throw new EditRefusal(`${describePath(path.slice(0, i))} is not a mapping`);
    const pair: Pair | undefined = pairOf(node, step);
    if (!pair) return addToMap(text, node, step, wrap(rest, value));
    const next: unknown = pair.value;
    if (next === null || (isScalar(next) && isNull(next))) return fill(text, node, pair, wrap(rest, value));
    node = next as Node; // The value of a parsed pair is a node or null.
  }
  return null;
}

function addToMap(text: string, map: YAMLMap, name: string, value: unknown): string | null {
  const last = map.items.at(-1);
  if (map.flow)
    return addToFlow(
      text,
      map,
      last && endOfPair(last),
      inline({ [name]: value })
        .slice(1, -1)
        .trim(),
    );
  if (!last) return null;
  return insertLines(text, endOfPair(last), block({ [name]: value }, columnOf(map)), columnOf(map));
}

function addToSeq(text: string, seq: YAMLSeq, value: unknown): string | null {
  const last = seq.items.at(-1);
  const end = last === undefined ? undefined : endOf(last);
  if (seq.flow) return addToFlow(text, seq, end, inline(value));
  return end === undefined ? null : insertLines(text, end, block([value], columnOf(seq)), columnOf(seq));
}

function addToFlow(text: string, node: YAMLMap | YAMLSeq, end: number | undefined, addition: string): string | null {
  if (end !== undefined) return splice(text, end, end, `, ${addition}`);
  const range = node.range;
  if (!range || text.slice(range[0] + 1, range[1] - 1).trim() !== '') return null;
  const padding = isMap(node) ? ' ' : '';
  return splice(text, range[0] + 1, range[1] - 1, padding + addition + padding);
}

/** Gives a field that has no value one. */
function fill(text: string, map: YAMLMap, pair: Pair, value: unknown): string | null {
  const range = isScalar(pair.value) ? pair.value.range : undefined;
  if (!range) return null;
  if (map.flow) return splice(text, range[0], range[1], ` ${inline(value)}`);
  const emptied = range[0] === range[1] ? text : splice(text, range[0], range[1], '');
  if (typeof value === 'string')
    return splice(emptied, range[0], range[0], `${emptied[range[0] - 1] === ' ' ? '' : ' '}${value}`);
  return insertLines(emptied, range[0], block(value, columnOf(map) + 2), null);
}

/** What stands at a path, and the field that it is the value of, if it is one's. */
function find(document: Document.Parsed, path: ValuePath): { readonly node: unknown; readonly pair: Pair | undefined } {
  let node: unknown = document.contents;
  let pair: Pair | undefined;
  for (const [i, step] of path.entries()) {
    if (isAlias(node)) throw new EditRefusal(`${describePath(path.slice(0, i))} is an alias (*${node.source})`);
    pair = isMap(node) && typeof step === 'string' ? pairOf(node, step) : undefined;
    node = pair ? pair.value : isSeq(node) && typeof step === 'number' ? node.items[step] : undefined;
  }
  return { node, pair };
}

function spliceAssign(text: string, document: Document.Parsed, path: ValuePath, value: unknown): string | null {
  const { node, pair } = find(document, path);
  const start = startOf(node);
  const end = endOf(node);
  if (start === undefined || end === undefined) return null;
  const isBlock = (isMap(node) || isSeq(node)) && !node.flow;
  if (!isBlock) {
    const { node: around } = find(document, path.slice(0, -1));
    if (!isCollectionLike(value) || !isSeq(around) || around.flow) return splice(text, start, end, inline(value));
    const column = start - (text.lastIndexOf('\n', start) + 1);
    return splice(text, start, end, block(value, column).join(newlineOf(text)).trimStart());
  }
  if (isCollectionLike(value))
    return splice(text, start, end, block(value, columnOf(node)).join(newlineOf(text)).trimStart());
  const colon = colonOf(text, pair);
  return splice(text, colon === null ? start : colon + 1, end, `${colon === null ? '' : ' '}${inline(value)}`);
}

function spliceField(text: string, document: Document.Parsed, path: ValuePath): string | null {
  const { pair } = find(document, path);
  const { node: map, pair: around } = find(document, path.slice(0, -1));
  if (isAlias(map)) throw new EditRefusal(`${describePath(path.slice(0, -1))} is an alias (*${map.source})`);
  if (!isMap(map) || !pair) return null;
  const index = map.items.indexOf(pair);
  const start = startOf(pair.key);
  const end = endOfPair(pair);
  if (start === undefined || end === undefined) return null;
  if (map.flow) {
    if (map.items.length === 1 && map.range) return splice(text, map.range[0], map.range[1], '{}');
    const after = startOf(map.items[index + 1]?.key);
    if (after !== undefined) return splice(text, start, after, '');
    const before = map.items[index - 1];
    return splice(text, (before && endOfPair(before)) ?? start, end, '');
  }
  const from = text.lastIndexOf('\n', start) + 1;
  if (text.slice(from, start).trim() !== '') return null;
  const without = splice(text, from, nextLine(text, end), '');
  if (map.items.length > 1 || path.length === 1) return without;
  const colon = colonOf(text, around);
  return colon === null ? null : splice(without, colon + 1, colon + 1, ' {}');
}

/** Where the colon behind a field's name stands. */
function colonOf(text: string, pair: Pair | undefined): number | null {
  const name = pair && isScalar(pair.key) ? pair.key.range?.[1] : undefined;
  const colon = name === undefined ? -1 : text.indexOf(':', name);
  return colon < 0 ? null : colon;
}

function spliceRemove(text: string, document: Document.Parsed, path: ValuePath, index: number): string | null {
  const { node, pair } = find(document, path);
  if (isAlias(node)) throw new EditRefusal(`${describePath(path)} is an alias (*${node.source})`);
  if (!isSeq(node) || !pair) return null;
  const item = node.items[index];
  const start = startOf(item);
  const end = endOf(item);
  if (start === undefined || end === undefined) return null;
  if (node.flow) {
    const after = startOf(node.items[index + 1]);
    if (after !== undefined) return splice(text, start, after, '');
    const before = endOf(node.items[index - 1]);
    return splice(text, before ?? start, end, '');
  }
  const token = node.srcToken;
  if (token?.type !== 'block-seq') return null;
  const dash = token.items[index]?.start.find(({ type }) => type === 'seq-item-ind')?.offset;
  if (dash === undefined) return null;
  const from = text.lastIndexOf('\n', dash) + 1;
  if (text.slice(from, dash).trim() !== '') return null;
  const without = splice(text, from, nextLine(text, end), '');
  if (node.items.length > 1) return without;
  const colon = colonOf(text, pair);
  return colon === null ? null : splice(without, colon + 1, colon + 1, ' []');
}

const pairOf = (map: YAMLMap, name: string): Pair | undefined =>
  map.items.find(({ key }) => isScalar(key) && (key.source ?? key.value) === name);

const isCollectionLike = (value: unknown) =>
  isCollection(value) || (typeof value === 'object' && value !== null && !isScalar(value));

const isNull = (node: Node): boolean => isScalar(node) && node.value === null;

const startOf = (node: unknown): number | undefined => rangeOf(node)?.[0];

/** Of a block collection the end of its last entry: its own range goes on over the comments and blank lines below. */
function endOf(node: unknown): number | undefined {
  if (isMap(node) && !node.flow) {
    const last = node.items.at(-1);
    return last && endOfPair(last);
  }
  return isSeq(node) && !node.flow ? endOf(node.items.at(-1)) : rangeOf(node)?.[1];
}

function rangeOf(node: unknown): readonly [number, number, number] | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? (node.range ?? undefined) : undefined;
}

/** An empty value stands behind the colon, a missing one nowhere. */
const endOfPair = (pair: Pair): number | undefined => endOf(pair.value) ?? endOf(pair.key);

/** Column of a block collection's entries, from 0. */
function columnOf(node: YAMLMap | YAMLSeq): number {
  const token = node.srcToken;
  return token && 'indent' in token ? token.indent : 0;
}

/** Offset of the line after the one in which `offset` stands; of `offset` itself where a line ends there. */
function nextLine(text: string, offset: number): number {
  if (offset > 0 && text[offset - 1] === '\n') return offset;
  const newline = text.indexOf('\n', offset);
  return newline < 0 ? text.length : newline + 1;
}

/** `column`: of the new lines, below the comments that belong to the entry above; null: right below. */
function insertLines(
  text: string,
  after: number | undefined,
  lines: readonly string[],
  column: number | null,
): string | null {
  if (after === undefined) return null;
  const next = nextLine(text, after);
  const at = column === null ? next : skipDeeperComments(text, next, column);
  return at === text.length ? appendLines(text, lines) : splice(text, at, at, joined(text, lines));
}

/** Comments that stand further right than an entry are about the one above it: fields that are commented out. */
function skipDeeperComments(text: string, from: number, column: number): number {
  let end = from;
  for (let at = from; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const next = newline < 0 ? text.length : newline + 1;
    const line = text.slice(at, next);
    const indent = line.search(/\S/);
    if (indent >= 0) {
      if (line[indent] !== '#' || indent <= column) break;
      end = next;
    }
    at = next;
  }
  return end;
}

const appendLines = (text: string, lines: readonly string[]): string =>
  text + (text === '' || text.endsWith('\n') ? '' : newlineOf(text)) + joined(text, lines);

const joined = (text: string, lines: readonly string[]): string => lines.map((line) => line + newlineOf(text)).join('');

const newlineOf = (text: string): string => (text.includes('\r\n') ? '\r\n' : '\n');

const splice = (text: string, from: number, to: number, addition: string): string =>
  text.slice(0, from) + addition + text.slice(to);

function block(value: unknown, column: number): string[] {
  const written = new YamlDocument(value).toString({ lineWidth: 0, indentSeq: true });
  return written
    .trimEnd()
    .split('\n')
    .map((line) => ' '.repeat(column) + line);
}

const inline = (value: unknown): string =>
  new YamlDocument(value).toString({ lineWidth: 0, collectionStyle: 'flow' }).trim();

/** The value inside the collections that the rest of a path stands for. */
function wrap(path: EditPath, value: unknown): unknown {
  return path.reduceRight<unknown>((inner, step) => (step === APPEND ? [inner] : { [step]: inner }), value);
}

function insertInto(tree: unknown, path: EditPath, value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (step === APPEND) return [...(Array.isArray(tree) ? tree : []), insertInto(undefined, rest, value)];
  // A place that is not there is refused where the text is looked at.
  if (typeof step === 'number')
    return Array.isArray(tree) && step < tree.length ? tree.with(step, insertInto(tree[step], rest, value)) : tree;
  const fields = isObject(tree) ? tree : {};
  return { ...fields, [step]: insertInto(fields[step], rest, value) };
}

/** As `insertInto`, of a path that is there. */
function replaceIn(tree: unknown, path: ValuePath, value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (typeof step === 'number') return Array.isArray(tree) ? tree.with(step, replaceIn(tree[step], rest, value)) : tree;
  return isObject(tree) ? { ...tree, [step]: replaceIn(tree[step], rest, value) } : tree;
}

function withoutField(tree: unknown, path: ValuePath): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return tree;
  if (typeof step === 'number') return Array.isArray(tree) ? tree.with(step, withoutField(tree[step], rest)) : tree;
  if (!isObject(tree)) return tree;
  const { [step]: child, ...others } = tree;
  if (rest.length > 0) return { ...tree, [step]: withoutField(child, rest) };
  return others;
}

function removeFrom(tree: unknown, path: ValuePath, index: number): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return Array.isArray(tree) ? tree.toSpliced(index, 1) : tree;
  if (typeof step === 'number')
    return Array.isArray(tree) ? tree.with(step, removeFrom(tree[step], rest, index)) : tree;
  return isObject(tree) ? { ...tree, [step]: removeFrom(tree[step], rest, index) } : tree;
}

const describePath = (path: EditPath): string => (path.length === 0 ? 'the file' : path.map(String).join('.'));
