import cl100kPath from 'gpt-tokenizer/data/cl100k_base.tiktoken' with { type: 'file' };
import o200kPath from 'gpt-tokenizer/data/o200k_base.tiktoken' with { type: 'file' };
import { GptEncoding } from 'gpt-tokenizer/GptEncoding';

/**
 * The tokenizers that are at hand. Their tables are read as files: as modules, which is how the package offers them,
 * they would take three times the room in the binary. Loading one takes a quarter of a second; only the worker does it.
 */

const TABLES = { o200k_base: o200kPath, cl100k_base: cl100kPath } as const;
export type EncodingName = keyof typeof TABLES;

/** What the worker is asked, and what it answers. */
export type CountJob = { readonly id: number; readonly encoding: EncodingName; readonly texts: readonly string[] };
/** Null: it could not be counted. */
export type CountReply = { readonly id: number; readonly tokens: number | null };

export type CountText = (text: string) => number;

const loaded = new Map<EncodingName, Promise<CountText>>();

export function textCounter(encoding: EncodingName): Promise<CountText> {
  const known = loaded.get(encoding);
  if (known) return known;
  const made = load(encoding);
  loaded.set(encoding, made);
  return made;
}

async function load(encoding: EncodingName): Promise<CountText> {
  const ranks = ranksOf(await Bun.file(TABLES[encoding]).text());
  const api = GptEncoding.getEncodingApi(encoding, () => ranks);
  return (text) => piecesOf(text).reduce((sum, piece) => sum + api.countTokens(piece, AS_TEXT), 0);
}

/** What looks like a control token is text that somebody wrote. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

/** Lines of `base64 rank`. A token is text, or bytes where it is a piece of a letter. */
function ranksOf(table: string): (string | number[])[] {
  const ranks: (string | number[])[] = [];
  for (const line of table.split('\n')) {
    const space = line.indexOf(' ');
    if (space < 0) continue;
    const bytes = Buffer.from(line.slice(0, space), 'base64');
    const text = bytes.toString('utf8');
    const isText = !text.includes('\ufffd') || Buffer.from(text).equals(bytes);
    ranks[Number(line.slice(space + 1))] = isText ? text : [...bytes];
  }
  return ranks;
}

/** The time for a run without a break grows with its square; cut into pieces, it costs a token too many at each cut. */
const LONG_RUN = /\S{1000}|\s{1000}/g;

export function piecesOf(text: string): readonly string[] {
  const pieces: string[] = [];
  let start = 0;
  for (const match of text.matchAll(LONG_RUN)) {
    const end = match.index + match[0].length;
    pieces.push(text.slice(start, end));
    start = end;
  }
  pieces.push(text.slice(start));
  return pieces;
}
