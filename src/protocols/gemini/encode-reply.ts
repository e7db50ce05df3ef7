import type { ReplyContext, StreamEncoder, Warned } from '../codec.ts';
import type { ChatEvent, ChatReply, JsonRecord, Usage } from '../ir.ts';
import { replyEvents } from '../reply-events.ts';
import { CandidateWriter } from './candidate-writer.ts';
import { joinedText } from './joined-text.ts';
import { writeUsage } from './usage.ts';

/** What every chunk says of its answer, and the last one alone: shared by streams and whole replies. */
class AnswerWriter {
  readonly #context: ReplyContext;
  readonly #candidates = new Map<number, CandidateWriter>();
  #id: string;
  #model: string;
  #usage: Usage | null = null;

  constructor(context: ReplyContext) {
    this.#context = context;
    this.#id = `resp_${context.seed}`;
    this.#model = context.model;
  }

  /** The parts that can be written now, and of which candidate they are. */
  push(event: ChatEvent): { readonly index: number; readonly parts: readonly JsonRecord[] } | null {
    switch (event.type) {
      case 'start':
        this.#id = event.id ?? this.#id;
        this.#model = event.model ?? this.#model;
        return null;
      case 'usage':
        this.#usage = event.usage;
        return null;
      default:
        return { index: event.choice, parts: this.#candidate(event.choice).push(event) };
    }
  }

  /** The fields of every chunk. */
  head(): JsonRecord {
    return { modelVersion: this.#model, responseId: this.#id };
  }

  logprobs(index: number): JsonRecord {
    return this.#candidate(index).logprobs();
  }

  usage(): JsonRecord {
    return this.#usage ? { usageMetadata: writeUsage(this.#usage) } : {};
  }

  ends(): readonly { readonly index: number; readonly fields: JsonRecord }[] {
    if (this.#candidates.size === 0) this.#candidate(0);
    const ordered = [...this.#candidates.values()].sort((one, other) => one.index - other.index);
    return ordered.map((candidate) => ({ index: candidate.index, fields: candidate.end() }));
  }

  warnings(): readonly string[] {
    return [...new Set([...this.#candidates.values()].flatMap(({ warnings }) => [...warnings]))];
  }

  #candidate(index: number): CandidateWriter {
    const known = this.#candidates.get(index);
    if (known) return known;
    // Thoughts are marked as such; only a client that said no is spared them.
    const fresh = new CandidateWriter(index, this.#context.request.reasoning?.isShown !== false);
    this.#candidates.set(index, fresh);
    return fresh;
  }
}

export function streamEncoder(context: ReplyContext): StreamEncoder {
  const writer = new AnswerWriter(context);
  const frame = (fields: JsonRecord) => `data: ${JSON.stringify(fields)}\n\n`;
  return {
    push(event) {
      const said = writer.push(event);
      if (!said || said.parts.length === 0) return '';
      const { index, parts } = said;
      const content = { parts, role: 'model' };
      return frame({ candidates: [{ content, ...writer.logprobs(index), index }], ...writer.head() });
    },
    end() {
      const content = { parts: [{ text: '' }], role: 'model' };
      const candidates = writer.ends().map(({ fields }) => ({ content, ...fields }));
      return frame({ candidates, ...writer.usage(), ...writer.head() });
    },
    get warnings() {
      return writer.warnings();
    },
  };
}

export function encodeReply(reply: ChatReply, context: ReplyContext): Warned<JsonRecord> {
  const writer = new AnswerWriter(context);
  const parts = new Map<number, JsonRecord[]>();
  for (const event of replyEvents(reply)) {
    const said = writer.push(event);
    if (!said) continue;
    const list = parts.get(said.index) ?? [];
    parts.set(said.index, list);
    for (const part of said.parts) append(list, part);
  }
  const candidates = writer.ends().map(({ index, fields }) => ({
    content: { parts: parts.get(index) ?? [], role: 'model' },
    ...fields,
  }));
  return { value: { candidates, ...writer.usage(), ...writer.head() }, warnings: writer.warnings() };
}

/** In a whole reply a signature stands with what it signs. */
function append(parts: JsonRecord[], part: JsonRecord): void {
  const last = parts.at(-1);
  const joined = last && joinedText(last, part);
  if (joined) parts[parts.length - 1] = joined;
  else parts.push(part);
}
