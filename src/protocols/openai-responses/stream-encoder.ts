import { assertNever } from '../../shared/assert-never.ts';
import type { ReplyContext, StreamEncoder, StreamProgress } from '../codec.ts';
import { InputUnwrapper } from '../custom-tools.ts';
import type { ChatEvent, Citation, FinishReason, JsonRecord, Signature, Usage } from '../ir.ts';
import { annotationOf } from './annotations.ts';
import { echoOf, wantsEncryptedReasoning } from './echo.ts';
import { EventSequence } from './event-sequence.ts';
import { statusOf } from './finish.ts';
import { CallItem, type Closed, type ItemStatus, MessageItem, ReasoningItem, wholeItem } from './growing-items.ts';
import { imageFormatOf } from './media-names.ts';
import { type OwnName, ownNames } from './namespaces.ts';
import { writeLogprobs } from '../openai-logprobs.ts';
import { usageJson } from './usage.ts';
import { UNSIGNED_PREFIX } from './unsigned.ts';

type OpenCall = { readonly item: CallItem; readonly unwrapper: InputUnwrapper | null };

export function streamEncoder(context: ReplyContext): ResponseEncoder {
  return new ResponseEncoder(context);
}

/**
 * Events as the stream of one response. Items are numbered as they first appear; the last event repeats them all. It
 * waits for the end, because usage usually comes behind the reason why an answer ended.
 */
class ResponseEncoder implements StreamEncoder {
  readonly #context: ReplyContext;
  readonly #events = new EventSequence();
  readonly #echo: JsonRecord;
  readonly #ownNames: ReadonlyMap<string, OwnName>;
  readonly #customTools: ReadonlySet<string>;
  readonly #keepsReasoning: boolean;
  readonly #warnings = new Set<string>();
  /** By `output_index`; undefined while an item is open. */
  readonly #output: (JsonRecord | undefined)[] = [];
  readonly #calls = new Map<number, OpenCall>();
  #message: MessageItem | null = null;
  /** Log probabilities that came without words: they go with those that follow. */
  #owed: JsonRecord[] = [];
  #reasoning: ReasoningItem | null = null;
  #head: JsonRecord | null = null;
  #finish: FinishReason | null = null;
  #usage: Usage | null = null;
  #final: JsonRecord | null = null;

  constructor(context: ReplyContext) {
    const { request } = context;
    this.#context = context;
    this.#echo = echoOf(request, context.continues ?? null);
    this.#ownNames = ownNames(this.#echo.tools);
    this.#customTools = new Set(request.tools.flatMap((tool) => (tool.type === 'custom' ? tool.name : [])));
    this.#keepsReasoning = wantsEncryptedReasoning(request);
  }

  get progress(): StreamProgress {
    return {
      announced: this.#head && this.#response('in_progress'),
      nextSequence: this.#events.next,
      final: this.#final,
    };
  }

  /** What of the answer this protocol could not say. */
  get warnings(): readonly string[] {
    return [...this.#warnings];
  }

  push(event: ChatEvent): string {
    switch (event.type) {
      case 'start':
        return this.#begin(event);
      case 'usage':
        this.#usage = event.usage;
        return '';
      default:
        if (event.choice > 0) {
          this.#warnings.add('further choices removed');
          return '';
        }
        if (this.#finish) return '';
        return this.#begin(null) + this.#say(event);
    }
  }

  end(): string {
    const { status, reason } = statusOf(this.#finish ?? { unified: 'stop', raw: null });
    const frames = this.#begin(null) + this.#closeAll(status);
    this.#final = {
      ...this.#response(status),
      incomplete_details: reason === null ? null : { reason },
      output: this.#output.flatMap((item) => item ?? []),
      usage: this.#usage && usageJson(this.#usage),
    };
    return frames + this.#events.frame(`response.${status}`, { response: this.#final });
  }

  #begin(start: Extract<ChatEvent, { type: 'start' }> | null): string {
    if (this.#head) return '';
    const { seed, model, now } = this.#context;
    // Responses are asked for again by this id: one that another protocol made would not be known as such.
    const id = start?.id?.startsWith('resp_') ? start.id : `resp_${seed}`;
    this.#head = { id, object: 'response', created_at: start?.created ?? now, model: start?.model ?? model };
    const response = this.#response('in_progress');
    return (
      this.#events.frame('response.created', { response }) + this.#events.frame('response.in_progress', { response })
    );
  }

  #response(status: string): JsonRecord {
    const rest = { status, error: null, incomplete_details: null, output: [], usage: null };
    return { ...this.#head, ...rest, ...this.#echo };
  }

  #say(event: Exclude<ChatEvent, { type: 'start' | 'usage' }>): string {
    switch (event.type) {
      case 'text-delta':
        return this.#sayText(event);
      case 'refusal-delta':
        return event.text === '' ? '' : this.#inMessage((message) => message.refusal(event.text));
      case 'citation':
        return this.#cite(event.citation);
      // Only its own vendor could read it, and text has no place for it here.
      case 'text-signature':
        return '';
      case 'reasoning-delta':
        return event.text === '' ? '' : this.#inReasoning((reasoning) => reasoning.say(event.text));
      case 'reasoning-break':
        return this.#reasoning?.closePart() ?? '';
      case 'reasoning-signature':
        return this.#sign(event.signature);
      case 'redacted-reasoning':
        return this.#closeSpeech('completed') + this.#sign(event.signature);
      case 'tool-call-start':
        return this.#openCall(event);
      case 'tool-call-delta': {
        const call = this.#calls.get(event.call);
        return call ? call.item.say(call.unwrapper ? call.unwrapper.push(event.text) : event.text) : '';
      }
      case 'tool-call-end':
        return this.#closeCall(event.call, 'completed');
      case 'media':
        return this.#show(event.part);
      case 'foreign': {
        if (event.part.protocol === 'openai-responses') return this.#addWhole(event.part.value, event.part.name);
        this.#warnings.add(`${event.part.name} removed`);
        return '';
      }
      case 'finish':
        this.#finish = event.finish;
        return '';
      default:
        return assertNever(event);
    }
  }

  #sayText({ text, logprobs }: Extract<ChatEvent, { type: 'text-delta' }>): string {
    for (const one of logprobs ? writeLogprobs(logprobs, utf8) : []) this.#owed.push(one);
    if (text === '') return '';
    const owed = this.#takeOwed();
    return this.#inMessage((message) => message.text(text, owed));
  }

  #takeOwed(): readonly JsonRecord[] {
    const owed = this.#owed;
    this.#owed = [];
    return owed;
  }

  #place(prefix: string): { events: EventSequence; outputIndex: number; id: string } {
    const outputIndex = this.#output.push(undefined) - 1;
    return { events: this.#events, outputIndex, id: `${prefix}_${this.#context.seed}_${outputIndex}` };
  }

  #inMessage(say: (message: MessageItem) => string): string {
    if (this.#message) return say(this.#message);
    const closed = this.#closeSpeech('completed');
    const message = new MessageItem(this.#place('msg'));
    this.#message = message;
    return closed + message.open() + say(message);
  }

  #inReasoning(say: (reasoning: ReasoningItem) => string): string {
    if (this.#reasoning) return say(this.#reasoning);
    const closed = this.#closeSpeech('completed');
    const reasoning = new ReasoningItem(this.#place(UNSIGNED_PREFIX));
    this.#reasoning = reasoning;
    return closed + reasoning.open() + say(reasoning);
  }

  /** Ends the open reasoning. What its vendor signed goes with it where the client can bring it back to that vendor. */
  #sign(signature: Signature): string {
    const isOurs = signature.protocol === 'openai-responses' && signature.value !== '';
    const encrypted = isOurs && this.#keepsReasoning ? signature.value : null;
    if (!this.#reasoning && encrypted === null) return '';
    const opened = this.#inReasoning(() => '');
    return opened + this.#closeReasoning(encrypted);
  }

  #cite(citation: Citation): string {
    const textLength = this.#message?.textLength ?? null;
    const annotation = textLength === null ? null : annotationOf(citation, textLength);
    if (this.#message && annotation) return this.#message.annotate(annotation);
    this.#warnings.add('citation without a place removed');
    return '';
  }

  #openCall(event: Extract<ChatEvent, { type: 'tool-call-start' }>): string {
    const closed = this.#closeSpeech('completed') + this.#closeCall(event.call, 'completed');
    const own = this.#ownNames.get(event.name) ?? { name: event.name, namespace: null };
    const isStandIn = event.kind === 'function' && this.#customTools.has(event.name);
    const isCustom = event.kind === 'custom' || isStandIn;
    const place = this.#place(isCustom ? 'ctc' : 'fc');
    const callId = event.id || `call_${this.#context.seed}_${place.outputIndex}`;
    const item = new CallItem(place, { isCustom, callId, ...own });
    this.#calls.set(event.call, { item, unwrapper: isStandIn ? new InputUnwrapper() : null });
    return closed + item.open();
  }

  #closeCall(call: number, status: ItemStatus): string {
    const open = this.#calls.get(call);
    if (!open) return '';
    this.#calls.delete(call);
    const { item, unwrapper } = open;
    // Clients parse the arguments.
    const rest = unwrapper ? item.say(unwrapper.end()) : item.isEmpty && !item.isCustom ? item.say('{}') : '';
    return rest + this.#keep(open.item.outputIndex, open.item.close(status));
  }

  #show(part: Extract<ChatEvent, { type: 'media' }>['part']): string {
    if (part.type === 'audio') {
      this.#warnings.add('audio removed');
      return '';
    }
    const { source } = part;
    switch (source.kind) {
      case 'data': {
        const format = imageFormatOf(source.mediaType);
        const item = { type: 'image_generation_call', status: 'completed', result: source.data, output_format: format };
        const own = part.signature?.protocol === 'openai-responses' ? part.signature.itemId : undefined;
        return this.#addWhole({ ...item, id: own }, 'ig');
      }
      case 'url':
        // An image item holds the image itself; a link to it is text.
        return this.#inMessage((message) => message.text(`![image](${source.url})`));
      case 'file-id':
        this.#warnings.add('image kept by its provider removed');
        return '';
      default:
        return assertNever(source);
    }
  }

  #addWhole(item: JsonRecord, prefix: string): string {
    const closed = this.#closeSpeech('completed');
    const { outputIndex, id } = this.#place(prefix);
    const whole = { ...item, id: typeof item.id === 'string' && item.id !== '' ? item.id : id };
    this.#output[outputIndex] = whole;
    return closed + wholeItem(this.#events, outputIndex, whole);
  }

  #keep(outputIndex: number, { item, frames }: Closed): string {
    this.#output[outputIndex] = item;
    return frames;
  }

  #closeReasoning(encrypted: string | null): string {
    const reasoning = this.#reasoning;
    this.#reasoning = null;
    return reasoning ? this.#keep(reasoning.outputIndex, reasoning.close(encrypted)) : '';
  }

  /** Text and thoughts end when something else begins. Calls may go on beside it. */
  #closeSpeech(status: ItemStatus): string {
    const message = this.#message;
    this.#message = null;
    const owed = this.#takeOwed();
    message?.likely(owed);
    const frames = message ? this.#keep(message.outputIndex, message.close(status)) : '';
    return frames + this.#closeReasoning(null);
  }

  #closeAll(status: ItemStatus): string {
    const calls = [...this.#calls.keys()].map((call) => this.#closeCall(call, status)).join('');
    return this.#closeSpeech(status) + calls;
  }
}

/** Bytes must be said here. */
const utf8 = (token: string): readonly number[] => [...Buffer.from(token)];
