import type {
  AudioPart,
  ChatEvent,
  Citation,
  FinishReason,
  ForeignPart,
  ImagePart,
  JsonRecord,
  Signature,
  TokenLogprob,
} from '../ir.ts';
import { wrapInput } from '../custom-tools.ts';
import { argumentsObject } from './call-arguments.ts';
import { writeFinish } from './finish.ts';
import { groundingOf } from './grounding.ts';
import { writeLogprobs } from './logprobs.ts';
import { malformedMessage } from './malformed-call.ts';
import { encodeMedia } from './media.ts';
import { isOwn } from './own.ts';
import { FROM_ANOTHER, writeSignature } from './signature.ts';

type ChoiceEvent = Exclude<ChatEvent, { type: 'start' | 'usage' }>;
type OpenCall = {
  readonly id: string;
  readonly name: string;
  readonly kind: 'function' | 'custom';
  readonly signature: Signature | null;
  arguments: string;
  isEnded: boolean;
};

/**
 * Writes one candidate for a Gemini client, part by part. Calls have no pieces there: each waits until its arguments are
 * whole, and for the calls before it. What belongs beside the parts is kept until the end.
 */
export class CandidateWriter {
  readonly index: number;
  readonly warnings = new Set<string>();
  readonly #showsThoughts: boolean;
  readonly #calls = new Map<number, OpenCall>();
  /** Of the calls of a step only the first is signed. */
  #calledOnce = false;
  readonly #citations: Citation[] = [];
  #kept: JsonRecord = {};
  #text = '';
  #logprobs: TokenLogprob[] = [];
  #logprobSum = 0;
  #tokens = 0;
  #finish: FinishReason | null = null;
  #malformed: string | null = null;

  constructor(index: number, showsThoughts: boolean) {
    this.index = index;
    this.#showsThoughts = showsThoughts;
  }

  /** The parts that can be written now. */
  push(event: ChoiceEvent): readonly JsonRecord[] {
    switch (event.type) {
      case 'text-delta':
        for (const logprob of event.logprobs ?? []) this.#tell(logprob);
        this.#text += event.text;
        return event.text === '' ? [] : [{ text: event.text }];
      case 'refusal-delta':
        this.#text += event.text;
        return event.text === '' ? [] : [{ text: event.text }];
      case 'text-signature':
        return isOwn(event.signature) ? [{ text: '', ...writeSignature(event.signature) }] : [];
      case 'reasoning-delta':
        return this.#showsThoughts && event.text !== '' ? [{ text: event.text, thought: true }] : [];
      case 'reasoning-signature':
        return isOwn(event.signature) ? [{ text: '', thought: true, ...writeSignature(event.signature) }] : [];
      case 'reasoning-break':
        return this.#showsThoughts ? [{ text: '\n\n', thought: true }] : [];
      case 'redacted-reasoning':
        this.warnings.add('redacted reasoning removed');
        return [];
      case 'tool-call-start': {
        const { id, name, kind, signature = null } = event;
        this.#calls.set(event.call, { id, name, kind, signature, arguments: '', isEnded: false });
        return [];
      }
      case 'tool-call-delta': {
        const call = this.#calls.get(event.call);
        if (call) call.arguments += event.text;
        return [];
      }
      case 'tool-call-end': {
        const call = this.#calls.get(event.call);
        if (call) call.isEnded = true;
        return this.#wholeCalls();
      }
      case 'media':
        return this.#media(event.part);
      case 'citation':
        this.#citations.push(event.citation);
        return [];
      case 'foreign':
        return this.#foreign(event.part);
      case 'finish':
        this.#finish ??= event.finish;
        return [];
    }
  }

  /** Of the words that were written since they were last asked for: fields beside `content`. */
  logprobs(): JsonRecord {
    if (this.#logprobs.length === 0) return {};
    const result = writeLogprobs(this.#logprobs);
    this.#logprobs = [];
    return { logprobsResult: result };
  }

  /** What the last chunk says of the candidate, beside `content`. */
  end(): JsonRecord {
    for (const call of this.#calls.values()) this.#unreadable(call);
    const grounding = this.#kept.groundingMetadata === undefined ? groundingOf(this.#citations, this.#text) : null;
    const finish = this.#finish ?? { unified: 'other', raw: null };
    // Of an answer that was cut, the length is the truth; otherwise it was the call that failed.
    const isMalformed = this.#malformed !== null && finish.unified !== 'length' && finish.unified !== 'content-filter';
    return {
      ...this.#kept,
      ...this.logprobs(),
      ...(this.#tokens > 0 && { avgLogprobs: this.#logprobSum / this.#tokens }),
      ...(grounding && { groundingMetadata: grounding }),
      finishReason: isMalformed ? 'MALFORMED_FUNCTION_CALL' : writeFinish(finish),
      ...(isMalformed && { finishMessage: this.#malformed }),
      index: this.index,
    };
  }

  #tell(logprob: TokenLogprob): void {
    this.#logprobs.push(logprob);
    this.#logprobSum += logprob.logprob;
    this.#tokens++;
  }

  #wholeCalls(): readonly JsonRecord[] {
    const parts: JsonRecord[] = [];
    for (const [number, call] of this.#calls) {
      if (!call.isEnded) break;
      this.#calls.delete(number);
      const args = argumentsObject(call.kind === 'custom' ? wrapInput(call.arguments) : call.arguments);
      if (args) {
        const { id, name, signature } = call;
        const signed = signature && isOwn(signature) ? writeSignature(signature) : this.#calledOnce ? {} : FROM_ANOTHER;
        this.#calledOnce = true;
        parts.push({ functionCall: { name, args, ...(id !== '' && { id }) }, ...signed });
      } else this.#unreadable(call);
    }
    return parts;
  }

  /** A call with arguments that nobody can read must not be made with others: Gemini has a word for it. */
  #unreadable({ name, arguments: text }: OpenCall): void {
    this.#malformed ??= malformedMessage(name, text);
    this.warnings.add(`unreadable arguments: call of ${name} removed`);
  }

  #media(part: ImagePart | AudioPart): readonly JsonRecord[] {
    const media = encodeMedia(part, (warning) => this.warnings.add(warning));
    return media ? [{ ...media, ...(part.type === 'image' && writeSignature(part.signature)) }] : [];
  }

  #foreign(part: ForeignPart): readonly JsonRecord[] {
    if (!isOwn(part)) {
      this.warnings.add(`${part.name} removed`);
      return [];
    }
    if (!BESIDE.has(part.name)) return [part.value];
    this.#kept = { ...this.#kept, ...part.value };
    return [];
  }
}

/** Fields of a candidate that travel as parts. */
const BESIDE: ReadonlySet<string> = new Set(['groundingMetadata', 'urlContextMetadata']);
