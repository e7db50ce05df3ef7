import { isObject, objectsIn, parseJson, textOr } from '../../shared/json-shape.ts';
import type { DecodeContext } from '../codec.ts';
import type { ChatEvent, JsonRecord, Signature } from '../ir.ts';
import { argumentsText } from './decode-messages.ts';
import { thoughtSignature } from './thought-signature.ts';

type Piece = {
  readonly index: number | null;
  readonly id: string;
  readonly name: string;
  readonly text: string;
  readonly kind: 'function' | 'custom';
  readonly signature: Signature | null;
};

type Call = {
  /** The index that its server gave it last; null: none. */
  readonly index: number | null;
  id: string;
  name: string;
  /** All arguments so far. */
  text: string;
  kind: 'function' | 'custom';
  signature: Signature | null;
  /** Its place among the started calls; null until its name is known. */
  place: number | null;
  isEnded: boolean;
};

/**
 * Puts the pieces of a choice's tool calls together. Servers differ: the id comes with the first piece, with every piece
 * or never; the name once or every time; the index is missing, or 0 for all of several parallel calls; a call comes whole,
 * with its arguments as an object.
 */
export class ToolCallPieces {
  readonly #calls: Call[] = [];
  readonly #choice: number;
  readonly #context: DecodeContext;
  #started = 0;

  constructor(choice: number, context: DecodeContext) {
    this.#choice = choice;
    this.#context = context;
  }

  get hasCalls(): boolean {
    return this.#calls.length > 0;
  }

  /** `tool_calls` of one delta, or of a whole message. */
  *push(list: unknown): Generator<ChatEvent> {
    const seen = new Set<Call>();
    for (const entry of objectsIn(list)) {
      const piece = readPiece(entry);
      const call = this.#find(piece, seen) ?? this.#add(piece);
      seen.add(call);
      yield* this.#grow(call, piece);
    }
  }

  /** The one call of before tools: pieces without index and id. */
  *pushLegacy(value: JsonRecord): Generator<ChatEvent> {
    yield* this.push([{ index: -1, function: value }]);
  }

  *end(): Generator<ChatEvent> {
    for (const call of this.#calls) {
      if (call.place === null) yield* this.#start(call);
      yield* this.#finish(call);
    }
  }

  #find(piece: Piece, seen: ReadonlySet<Call>): Call | undefined {
    const known = piece.id === '' ? undefined : this.#calls.findLast(({ id }) => id === piece.id);
    if (piece.index !== null) {
      const atIndex = this.#calls.findLast(({ index }) => index === piece.index);
      if (atIndex) return isAnother(atIndex, piece) ? known : atIndex;
      return known?.index === null ? known : undefined;
    }
    if (known) return seen.has(known) ? undefined : known;
    const last = this.#calls.at(-1);
    // Two entries of one list are two calls.
    if (piece.id !== '' || !last || seen.has(last) || isAnother(last, piece)) return undefined;
    return last;
  }

  #add({ index, id, kind }: Piece): Call {
    const call: Call = { index, id, name: '', text: '', kind, signature: null, place: null, isEnded: false };
    this.#calls.push(call);
    return call;
  }

  *#grow(call: Call, piece: Piece): Generator<ChatEvent> {
    if (call.isEnded) return;
    call.signature ??= piece.signature;
    if (call.id === '') call.id = piece.id;
    if (call.name === '') call.name = piece.name;
    call.text += piece.text;
    if (call.place !== null) yield* this.#delta(call.place, piece.text);
    else if (call.name !== '') yield* this.#start(call);
  }

  *#start(call: Call): Generator<ChatEvent> {
    // A new call is the sign that those before it are whole; one that is not may still grow beside it.
    for (const other of this.#calls) {
      if (other !== call && other.place !== null && isWhole(other)) yield* this.#finish(other);
    }
    const place = this.#started++;
    call.place = place;
    if (call.id === '') call.id = `call_${this.#context.seed}${this.#choice}${place}`;
    const name = call.name === '' ? `tool_${place}` : call.name;
    yield {
      type: 'tool-call-start',
      choice: this.#choice,
      call: place,
      id: call.id,
      name: this.#context.toolNames.get(name) ?? name,
      kind: call.kind,
      ...(call.signature && { signature: call.signature }),
    };
    yield* this.#delta(place, call.text);
  }

  *#delta(call: number, text: string): Generator<ChatEvent> {
    if (text !== '') yield { type: 'tool-call-delta', choice: this.#choice, call, text };
  }

  *#finish(call: Call): Generator<ChatEvent> {
    if (call.isEnded || call.place === null) return;
    call.isEnded = true;
    yield { type: 'tool-call-end', choice: this.#choice, call: call.place };
  }
}

function readPiece(entry: JsonRecord): Piece {
  const custom = isObject(entry.custom) ? entry.custom : null;
  const named = custom ?? (isObject(entry.function) ? entry.function : entry);
  return {
    index: typeof entry.index === 'number' ? entry.index : null,
    id: textOr(entry.id) ?? '',
    name: textOr(named.name) ?? '',
    text: argumentsText(custom ? custom.input : named.arguments),
    kind: custom ? 'custom' : 'function',
    signature: thoughtSignature(entry),
  };
}

/** Does a piece begin another call than the one it would fall to by its place? */
function isAnother(call: Call, { id, name, text }: Piece): boolean {
  if (name === '') return false;
  if (id !== '' && call.id !== '') return id !== call.id;
  if (call.text === '') return false;
  return name !== call.name || (text !== '' && isWhole(call));
}

const isWhole = ({ text, kind }: Call): boolean => kind === 'function' && text !== '' && parseJson(text) !== undefined;
