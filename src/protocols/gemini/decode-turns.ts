import { isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import type { AssistantPart, ForeignPart, JsonRecord, TextPart, ToolResultPart, Turn, UserPart } from '../ir.ts';
import { isThought } from './candidates.ts';
import { decodeMedia } from './media.ts';
import { readSignature } from './signature.ts';
import { field } from './wire-field.ts';

/** A client's `contents` as turns. Results stand among a user's parts there, and often neither they nor calls have ids. */
export function decodeTurns(contents: readonly unknown[], warn: (warning: string) => void): readonly Turn[] {
  const ids = new CallIds(contents);
  return contents.flatMap((content): readonly Turn[] => {
    if (typeof content === 'string') return [{ role: 'user', parts: [{ type: 'text', text: content }] }];
    if (!isObject(content)) {
      warn('unreadable content removed');
      return [];
    }
    const parts = partsOf(content);
    return content.role === 'model'
      ? [{ role: 'assistant', parts: parts.flatMap((part) => assistantPart(part, ids, warn)) }]
      : userTurns(parts, ids, warn);
  });
}

/** The instructions: a content, a text, or a list of parts. */
export function decodeInstructions(value: unknown): readonly (TextPart | ForeignPart)[] {
  const parts = typeof value === 'string' ? [{ text: value }] : isObject(value) ? partsOf(value) : objectsIn(value);
  return parts.flatMap((part): readonly (TextPart | ForeignPart)[] => {
    if (typeof part.text !== 'string') return [foreign(part)];
    return part.text === '' ? [] : [{ type: 'text', text: part.text }];
  });
}

function partsOf(content: JsonRecord): readonly JsonRecord[] {
  if (typeof content.parts === 'string') return [{ text: content.parts }];
  if (isObject(content.parts)) return [content.parts];
  return objectsIn(content.parts);
}

/** Results become turns of their own, in the place where they stood. */
function userTurns(parts: readonly JsonRecord[], ids: CallIds, warn: (warning: string) => void): readonly Turn[] {
  const turns: Turn[] = [];
  let user: UserPart[] = [];
  let results: ToolResultPart[] = [];
  const closeUser = () => {
    if (user.length > 0) turns.push({ role: 'user', parts: user });
    user = [];
  };
  const closeResults = () => {
    if (results.length > 0) turns.push({ role: 'tool', parts: results });
    results = [];
  };
  for (const part of parts) {
    const response = field(part, 'functionResponse');
    if (isObject(response)) {
      closeUser();
      results.push(toolResult(response, ids, warn));
      continue;
    }
    closeResults();
    user.push(...userPart(part, warn));
  }
  closeUser();
  closeResults();
  return turns;
}

function userPart(part: JsonRecord, warn: (warning: string) => void): readonly UserPart[] {
  if (typeof part.text === 'string') return part.text === '' ? [] : [{ type: 'text', text: part.text }];
  return mediaOrForeign(part, warn);
}

function mediaOrForeign(part: JsonRecord, warn: (warning: string) => void) {
  const media = decodeMedia(part);
  // A clip of a video is another thing than the video: it goes home whole, or not at all.
  if (media && field(part, 'videoMetadata') === undefined) {
    if (field(part, 'mediaResolution') !== undefined) warn('mediaResolution of a part removed');
    return [media];
  }
  if (!media && (field(part, 'inlineData') !== undefined || field(part, 'fileData') !== undefined)) {
    warn('unreadable media removed');
    return [];
  }
  return Object.keys(part).length === 0 ? [] : [foreign(part)];
}

function assistantPart(part: JsonRecord, ids: CallIds, warn: (warning: string) => void): readonly AssistantPart[] {
  const signature = readSignature(part);
  const signed = signature ? { signature } : {};
  const call = field(part, 'functionCall');
  if (isObject(call)) {
    const { id, name } = ids.call(call);
    return [{ type: 'tool-call', id, name, arguments: argumentsText(call.args), kind: 'function', ...signed }];
  }
  if (typeof part.text === 'string') {
    if (isThought(part))
      return part.text === '' && !signature ? [] : [{ type: 'reasoning', text: part.text, signature }];
    return part.text === '' && !signature ? [] : [{ type: 'text', text: part.text, ...signed }];
  }
  return mediaOrForeign(part, warn).flatMap((one): readonly AssistantPart[] => {
    if (one.type === 'image') return [{ ...one, ...signed }];
    return one.type === 'file' ? [foreign(part)] : [one];
  });
}

/** The arguments of a call as JSON text. */
export const argumentsText = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value ?? {});

/** What a part without a neutral form is called: its one field that is no remark about another. */
export function foreign(part: JsonRecord): ForeignPart {
  const name = Object.keys(part).find((key) => !/^(thought|video|part|media|speech)/.test(key)) ?? 'part';
  return { type: 'foreign', protocol: 'gemini', name, value: part };
}

function toolResult(response: JsonRecord, ids: CallIds, warn: (warning: string) => void): ToolResultPart {
  const value = response.response;
  const wrapper = isObject(value) ? wrapperIn(value, response.name) : null;
  const said = isObject(value) && wrapper ? value[wrapper] : value;
  const text = typeof said === 'string' ? said : JSON.stringify(said ?? {});
  const media = objectsIn(response.parts).flatMap((part) => {
    const decoded = decodeMedia(part);
    if (!decoded) warn('unreadable media removed');
    return decoded ?? [];
  });
  return {
    type: 'tool-result',
    callId: ids.answered(response),
    name: textOr(response.name) || null,
    content: [{ type: 'text', text }, ...media],
    isError: wrapper === 'error',
    kind: 'function',
  };
}

/** `output` and `error` are Google's words for the two, `result` is everybody's, `content` beside the name the AI SDK's. */
function wrapperIn(value: JsonRecord, name: unknown): string | null {
  const keys = Object.keys(value);
  if (keys.length === 2 && keys.includes('content') && value.name === name) return 'content';
  return keys.length === 1 ? (keys.find((key) => ['output', 'result', 'error'].includes(key)) ?? null) : null;
}

/** Gives calls without ids their own, the same ones each time, and finds the call that a result without an id answers. */
class CallIds {
  readonly #taken = new Set<string>();
  readonly #open: { readonly id: string; readonly name: string }[] = [];
  #count = 0;

  constructor(contents: readonly unknown[]) {
    for (const content of objectsIn(contents)) {
      for (const part of partsOf(content)) {
        const call = field(part, 'functionCall');
        if (isObject(call) && typeof call.id === 'string') this.#taken.add(call.id);
      }
    }
  }

  call(call: JsonRecord): { readonly id: string; readonly name: string } {
    const made = { id: textOr(call.id) || this.#next(), name: textOr(call.name) ?? '' };
    this.#open.push(made);
    return made;
  }

  /** The id of the answered call; empty when there is none. */
  answered(response: JsonRecord): string {
    const given = textOr(response.id);
    const isIt = given
      ? ({ id }: { readonly id: string }) => id === given
      : ({ name }: { readonly name: string }) => name === response.name;
    const place = this.#open.findIndex(isIt);
    const [found] = place < 0 ? [] : this.#open.splice(place, 1);
    return found?.id ?? given ?? '';
  }

  #next(): string {
    let id: string;
    do id = `call_${++this.#count}`;
    while (this.#taken.has(id));
    return id;
  }
}
