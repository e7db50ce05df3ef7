import { unwrapInput } from '../custom-tools.ts';
import type { ReplyContext, StreamEncoder } from '../codec.ts';
import type { ChatEvent, FinishReason, Usage } from '../ir.ts';
import {
  annotation,
  CallDialect,
  FURTHER_CALLS,
  imageEntry,
  logprobsBody,
  UNREACHABLE_IMAGE,
  usageBody,
} from './answer-pieces.ts';
import { finishWord } from './finish.ts';
import { Losses } from './losses.ts';
import { ThoughtLists, type Thought } from './reasoning-fields.ts';
import { extraContent } from './thought-signature.ts';

type ChoiceEvent = Extract<ChatEvent, { choice: number }>;

/** Writes `chat.completion.chunk`s: the role first, then what is said, a finish reason for each choice, the usage if it was asked for. */
export function streamEncoder(context: ReplyContext): StreamEncoder {
  const { request, seed } = context;
  const choices = new Map<number, ChoiceEncoder>();
  const dialect = new CallDialect(request);
  const losses = new Losses();
  const head = { id: `chatcmpl-${seed}`, model: context.model, created: context.now };
  let usage: Usage | null = null;

  const frame = (fields: object) => {
    const { id, model, created } = head;
    return `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created, model, ...fields })}\n\n`;
  };
  const written = (index: number, delta: object, finish: string | null, logprobs: object | null = null) =>
    frame({
      choices: [{ index, delta, logprobs, finish_reason: finish }],
      // As OpenAI does where the last chunk will have it.
      ...(request.wantsUsage && { usage: null }),
    });
  const choiceAt = (index: number): ChoiceEncoder => {
    const known = choices.get(index);
    if (known) return known;
    const fresh = new ChoiceEncoder(`${seed}${index}`, dialect, request.reasoning?.isShown !== false, losses);
    choices.set(index, fresh);
    return fresh;
  };
  const open = (index: number): string => {
    if (choices.has(index)) return '';
    choiceAt(index);
    return written(index, { role: 'assistant', content: '', refusal: null }, null);
  };
  const close = (index: number, reason: FinishReason): string => {
    const choice = choiceAt(index);
    const rest = choice.rest().map((delta) => written(index, delta, null));
    return rest.join('') + written(index, {}, choice.finish(reason));
  };

  return {
    push(event: ChatEvent): string {
      switch (event.type) {
        case 'start':
          if (choices.size > 0) return '';
          head.id = event.id ?? head.id;
          head.model = event.model ?? head.model;
          head.created = event.created ?? head.created;
          return open(0);
        case 'usage':
          usage = event.usage;
          return '';
        case 'finish': {
          const opened = open(event.choice);
          return choiceAt(event.choice).isFinished ? '' : opened + close(event.choice, event.finish);
        }
        default: {
          const opened = open(event.choice);
          const choice = choiceAt(event.choice);
          if (choice.isFinished) return opened;
          const deltas = choice.deltas(event);
          const logprobs = event.type === 'text-delta' && event.logprobs ? logprobsBody(event.logprobs) : null;
          // The words are the last delta: what they put an end to stands before them.
          const last = deltas.length - 1;
          return (
            opened +
            deltas.map((delta, at) => written(event.choice, delta, null, at === last ? logprobs : null)).join('')
          );
        }
      }
    },
    end(): string {
      let out = open(0);
      for (const [index, choice] of choices) {
        if (!choice.isFinished) out += close(index, { unified: 'stop', raw: null });
      }
      if (request.wantsUsage && usage) out += frame({ choices: [], usage: usageBody(usage) });
      return `${out}data: [DONE]\n\n`;
    },
    get warnings() {
      return losses.warnings;
    },
  };
}

type OpenCall = { readonly index: number; readonly isCustom: boolean; readonly isWrapped: boolean; text: string };

/** The deltas of one choice. */
class ChoiceEncoder {
  readonly #seed: string;
  readonly #dialect: CallDialect;
  readonly #showsThoughts: boolean;
  readonly #losses: Losses;
  readonly #calls = new Map<number, OpenCall>();
  readonly #lists = new ThoughtLists();
  #thought = '';
  #isThinking = false;
  #owesBreak = false;
  /** Characters of text so far, and where the piece that is open began. */
  #length = 0;
  #start = 0;
  #isInText = false;
  #images = 0;
  #callCount = 0;
  isFinished = false;

  constructor(seed: string, dialect: CallDialect, showsThoughts: boolean, losses: Losses) {
    this.#seed = seed;
    this.#dialect = dialect;
    this.#showsThoughts = showsThoughts;
    this.#losses = losses;
  }

  deltas(event: Exclude<ChoiceEvent, { type: 'finish' }>): readonly object[] {
    const isThought = event.type === 'reasoning-delta' || event.type === 'reasoning-signature';
    const closed = this.#isThinking && !isThought ? this.#closeThought() : [];
    if (event.type === 'text-delta' && !this.#isInText) this.#start = this.#length;
    this.#isInText = event.type === 'text-delta' || event.type === 'citation';
    return [...closed, ...this.#delta(event)];
  }

  /** What is still owed before the finish. */
  rest(): readonly object[] {
    const calls = [...this.#calls.keys()].flatMap((call) => this.#endCall(call));
    return this.#isThinking ? [...this.#closeThought(), ...calls] : calls;
  }

  finish(reason: FinishReason): string {
    this.isFinished = true;
    return finishWord(reason, this.#callCount > 0, this.#dialect.isLegacy);
  }

  #delta(event: Exclude<ChoiceEvent, { type: 'finish' }>): readonly object[] {
    switch (event.type) {
      case 'text-delta':
        if (event.text === '' && !event.logprobs) return [];
        this.#length += event.text.length;
        return [{ content: event.text }];
      case 'text-signature':
        return filled(extraContent(event.signature));
      case 'citation':
        return [{ annotations: [annotation(event.citation, { start: this.#start, end: this.#length })] }];
      case 'reasoning-delta':
        return this.#think(event.text);
      case 'reasoning-signature': {
        const thought: Thought = { type: 'reasoning', text: this.#thought, signature: event.signature };
        return this.#write(thought);
      }
      case 'redacted-reasoning':
        return this.#write({ type: 'redacted-reasoning', signature: event.signature });
      case 'reasoning-break':
        this.#owesBreak = true;
        return [];
      case 'tool-call-start':
        return this.#startCall(event);
      case 'tool-call-delta':
        return this.#growCall(event.call, event.text);
      case 'tool-call-end':
        return this.#endCall(event.call);
      case 'refusal-delta':
        return event.text === '' ? [] : [{ refusal: event.text }];
      case 'media': {
        if (event.part.type === 'audio') return audioDelta(event.part.source, `audio_${this.#seed}`);
        const image = imageEntry(event.part, this.#images);
        if (!image) {
          this.#losses.warn(UNREACHABLE_IMAGE);
          return [];
        }
        this.#images++;
        return [{ images: [image] }];
      }
      case 'foreign':
        this.#losses.warn(`${event.part.name} removed`);
        return [];
    }
  }

  #think(text: string): readonly object[] {
    if (text === '') return [];
    const isNew = this.#owesBreak && !this.#isThinking;
    this.#owesBreak = false;
    this.#isThinking = true;
    this.#thought += text;
    return this.#showsThoughts ? [{ reasoning_content: isNew ? `\n\n${text}` : text }] : [];
  }

  /** Thoughts that ended without a signature. */
  #closeThought(): readonly object[] {
    return this.#write({ type: 'reasoning', text: this.#thought, signature: null });
  }

  #write(thought: Thought): readonly object[] {
    this.#thought = '';
    this.#isThinking = false;
    const lists = this.#lists.push(thought);
    return this.#showsThoughts ? filled(lists) : [];
  }

  #startCall(event: Extract<ChatEvent, { type: 'tool-call-start' }>): readonly object[] {
    const index = this.#callCount++;
    const isCustom = this.#dialect.isCustom(event);
    this.#calls.set(event.call, { index, isCustom, isWrapped: isCustom && event.kind === 'function', text: '' });
    const { name } = event;
    if (this.#dialect.isLegacy) {
      if (index > 0) this.#losses.warn(FURTHER_CALLS);
      return index === 0 ? [{ function_call: { name, arguments: '' } }] : [];
    }
    const id = event.id === '' ? `call_${this.#seed}${index}` : event.id;
    const body = isCustom
      ? { type: 'custom', custom: { name, input: '' } }
      : { type: 'function', function: { name, arguments: '' } };
    return [{ tool_calls: [{ index, id, ...body, ...extraContent(event.signature) }] }];
  }

  #growCall(key: number, text: string): readonly object[] {
    const call = this.#calls.get(key);
    if (!call || text === '') return [];
    call.text += text;
    // Free text inside JSON can be told only when it is whole.
    return call.isWrapped ? [] : this.#callText(call, text);
  }

  #callText(call: OpenCall, text: string): readonly object[] {
    if (this.#dialect.isLegacy) return call.index === 0 ? [{ function_call: { arguments: text } }] : [];
    const body = call.isCustom ? { custom: { input: text } } : { function: { arguments: text } };
    return [{ tool_calls: [{ index: call.index, ...body }] }];
  }

  #endCall(key: number): readonly object[] {
    const call = this.#calls.get(key);
    if (!call) return [];
    this.#calls.delete(key);
    if (call.isWrapped) return this.#callText(call, unwrapInput(call.text));
    // Clients parse the arguments.
    return call.text === '' && !call.isCustom ? this.#callText(call, '{}') : [];
  }
}

const filled = (delta: object): readonly object[] => (Object.keys(delta).length > 0 ? [delta] : []);

type Source = Extract<Extract<ChatEvent, { type: 'media' }>['part'], { type: 'audio' }>['source'];

const audioDelta = (source: Source, id: string): readonly object[] =>
  source.kind === 'data' ? [{ audio: { id, data: source.data } }] : [];
