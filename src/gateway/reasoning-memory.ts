import type {
  AssistantPart,
  ChatEvent,
  ChatReply,
  ChatRequest,
  ReasoningPart,
  RedactedReasoningPart,
  Signature,
  ToolCallPart,
  Turn,
} from '../protocols/ir.ts';
import type { AnswerWitness } from './translation.ts';

/**
 * What models thought before they called a tool, by the call's id. Many vendors want it back with the result, and many
 * clients drop it: DeepSeek, Kimi and Qwen refuse a tool loop without its reasoning, Gemini one without its signature.
 */

type Thought = ReasoningPart | RedactedReasoningPart;

type Memory = {
  /** Only whoever issued it can read it again. */
  readonly provider: string;
  readonly thoughts: readonly Thought[];
  /** Of the call itself. */
  readonly signature: Signature | null;
  readonly bytes: number;
  readonly until: number;
};

const MAX_BYTES = 32 * 1024 * 1024;
const MAX_CALLS = 20_000;
/** Thoughts about one call; what is longer is not worth its memory. */
const MAX_THOUGHT_BYTES = 1024 * 1024;
const TTL_MS = 24 * 3_600_000;

export class ReasoningMemory {
  /** In the order of last use. */
  readonly #calls = new Map<string, Memory>();
  #bytes = 0;

  get size(): number {
    return this.#calls.size;
  }

  /** Watches one answer of a provider. Call ids are scoped by the client: nobody gets another one's thoughts. */
  witness(provider: string, client: string, now: () => number): AnswerWitness {
    const keep = (thoughts: readonly Thought[], call: Pick<ToolCallPart, 'id' | 'signature'>) =>
      this.#keep(keyOf(client, call.id), provider, thoughts, call.signature ?? null, now());
    return {
      reply: (reply: ChatReply) => {
        for (const { parts } of reply.choices) keepParts(parts, keep);
      },
      event: eventKeeper(keep),
    };
  }

  /** The request with what its assistant turns have lost, as far as this provider issued it. */
  restore(request: ChatRequest, provider: string, client: string, now: number): ChatRequest {
    if (this.#calls.size === 0) return request;
    let isChanged = false;
    const turns = request.turns.map((turn): Turn => {
      if (turn.role !== 'assistant') return turn;
      const parts = this.#restored(turn.parts, provider, client, now);
      if (parts === turn.parts) return turn;
      isChanged = true;
      return { role: 'assistant', parts };
    });
    return isChanged ? { ...request, turns } : request;
  }

  #restored(parts: readonly AssistantPart[], provider: string, client: string, now: number): readonly AssistantPart[] {
    let lost: readonly Thought[] = [];
    let isChanged = false;
    const thoughts = parts.filter(isThought);
    const restored = parts.map((part): AssistantPart => {
      if (part.type !== 'tool-call') return part;
      const memory = this.#recall(keyOf(client, part.id), provider, now);
      if (!memory) return part;
      if (lost.length === 0 && isLost(memory.thoughts, thoughts)) lost = memory.thoughts;
      // Some clients put marks of their own there.
      if (!memory.signature || part.signature?.protocol === memory.signature.protocol) return part;
      isChanged = true;
      return { ...part, signature: memory.signature };
    });
    if (lost.length > 0) return [...lost, ...restored.filter((part) => !isThought(part))];
    return isChanged ? restored : parts;
  }

  #recall(key: string, provider: string, now: number): Memory | null {
    const memory = this.#calls.get(key);
    if (!memory || memory.provider !== provider) return null;
    this.#calls.delete(key);
    if (memory.until <= now) {
      this.#bytes -= memory.bytes;
      return null;
    }
    this.#calls.set(key, { ...memory, until: now + TTL_MS });
    return memory;
  }

  #keep(key: string, provider: string, thoughts: readonly Thought[], signature: Signature | null, now: number): void {
    if (thoughts.length === 0 && !signature) return;
    const bytes = key.length + sizeOf(thoughts) + (signature?.value.length ?? 0);
    if (bytes > MAX_THOUGHT_BYTES) return;
    const before = this.#calls.get(key);
    if (before) {
      this.#calls.delete(key);
      this.#bytes -= before.bytes;
    }
    this.#calls.set(key, { provider, thoughts, signature, bytes, until: now + TTL_MS });
    this.#bytes += bytes;
    for (const [oldest, memory] of this.#calls) {
      if (this.#bytes <= MAX_BYTES && this.#calls.size <= MAX_CALLS) return;
      this.#calls.delete(oldest);
      this.#bytes -= memory.bytes;
    }
  }
}

const isThought = (part: AssistantPart): part is Thought =>
  part.type === 'reasoning' || part.type === 'redacted-reasoning';

/** Nothing of it came back, or it came back without what its issuer knows it by. */
function isLost(issued: readonly Thought[], returned: readonly Thought[]): boolean {
  if (issued.length === 0) return false;
  const signed = issued.find(({ signature }) => signature)?.signature;
  return !returned.some(({ signature }) => !signed || signature?.protocol === signed.protocol);
}

const keyOf = (client: string, callId: string) => `${client}\0${callId}`;

const sizeOf = (thoughts: readonly Thought[]) =>
  thoughts.reduce(
    (sum, thought) =>
      sum + (thought.type === 'reasoning' ? thought.text.length : 0) + (thought.signature?.value.length ?? 0),
    0,
  );

type Keep = (thoughts: readonly Thought[], call: Pick<ToolCallPart, 'id' | 'signature'>) => void;

/** All that was thought before a call of this turn belongs to it: parallel calls share it. */
function keepParts(parts: readonly AssistantPart[], keep: Keep): void {
  const thoughts: Thought[] = [];
  for (const part of parts) {
    if (part.type === 'reasoning' || part.type === 'redacted-reasoning') thoughts.push(part);
    else if (part.type === 'tool-call') keep([...thoughts], part);
  }
}

function eventKeeper(keep: Keep): (event: ChatEvent) => void {
  const thoughts = new Map<number, Thought[]>();
  const open = new Map<number, { text: string; bytes: number }>();
  const of = (choice: number) => {
    const known = thoughts.get(choice) ?? [];
    thoughts.set(choice, known);
    return known;
  };
  const close = (choice: number, signature: Signature | null) => {
    const text = open.get(choice)?.text ?? '';
    open.delete(choice);
    if (text !== '' || signature) of(choice).push({ type: 'reasoning', text, signature });
  };
  return (event) => {
    switch (event.type) {
      case 'reasoning-delta': {
        const growing = open.get(event.choice) ?? { text: '', bytes: 0 };
        if (growing.text.length < MAX_THOUGHT_BYTES) growing.text += event.text;
        open.set(event.choice, growing);
        return;
      }
      case 'reasoning-signature':
        return close(event.choice, event.signature);
      case 'reasoning-break':
        return close(event.choice, null);
      case 'redacted-reasoning':
        of(event.choice).push({ type: 'redacted-reasoning', signature: event.signature });
        return;
      case 'tool-call-start':
        if (open.has(event.choice)) close(event.choice, null);
        keep([...of(event.choice)], event);
        return;
      default:
        return;
    }
  };
}
