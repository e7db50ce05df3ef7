/**
 * Changes in a YAML text that leave every other character as it is. The parser says where things are, the text is
 * spliced, and the result is parsed again: when it does not mean what was intended, the `yaml` package writes the
 * document instead, which keeps comments and order and may change spacing.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  Document as YamlDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

/** As the last step of a path: a new item at the end of a list. */
export const APPEND = Symbol('append');

export type EditPath = readonly (string | typeof APPEND)[];

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

/** Removes one item of a list; an emptied list stays as `[]`. */
export function removeItem(text: string, path: readonly string[], index: number): string {
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

function spliceRemove(text: string, document: Document.Parsed, path: readonly string[], index: number): string | null {
  let node: unknown = document.contents;
  let pair: Pair | undefined;
  for (const step of path) {
    if (!isMap(node)) return null;
    pair = pairOf(node, step);
    node = pair?.value;
  }
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
  const name = isScalar(pair.key) ? pair.key.range?.[1] : undefined;
  const colon = name === undefined ? -1 : text.indexOf(':', name);
  return colon < 0 ? null : splice(without, colon + 1, colon + 1, ' []');
}

const pairOf = (map: YAMLMap, name: string): Pair | undefined =>
  map.items.find(({ key }) => isScalar(key) && (key.source ?? key.value) === name);

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
  const fields = isRecord(tree) ? tree : {};
  return { ...fields, [step]: insertInto(fields[step], rest, value) };
}

function removeFrom(tree: unknown, path: readonly string[], index: number): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return Array.isArray(tree) ? tree.toSpliced(index, 1) : tree;
  return isRecord(tree) ? { ...tree, [step]: removeFrom(tree[step], rest, index) } : tree;
}

function replaceIn(tree: unknown, path: readonly (string | number)[], value: string): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(tree)) return tree.map((item, i) => (i === step ? replaceIn(item, rest, value) : item));
  return isRecord(tree) ? { ...tree, [step]: replaceIn(tree[step], rest, value) } : tree;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const describePath = (path: EditPath): string => (path.length === 0 ? 'the file' : path.map(String).join('.'));
