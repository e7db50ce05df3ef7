import type { AssistantPart, ChatEvent, ChatReply, Choice, FinishReason, TextPart, ToolCallPart, Usage } from './ir.ts';

type Growing = { parts: AssistantPart[]; calls: Map<number, number>; finish: FinishReason | null; isClosed: boolean };

/** Puts a stream's events together into the whole reply they make. */
export class ReplyBuilder {
  readonly #choices = new Map<number, Growing>();
  #start: Extract<ChatEvent, { type: 'start' }> | null = null;
  #usage: Usage | null = null;

  push(event: ChatEvent): void {
    switch (event.type) {
      case 'start':
        this.#start ??= event;
        return;
      case 'usage':
        this.#usage = event.usage;
        return;
      default:
        this.#add(this.#choice(event.choice), event);
    }
  }

  reply(): ChatReply {
    const last = Math.max(0, ...this.#choices.keys());
    const choices = Array.from({ length: last + 1 }, (_, index): Choice => {
      const { parts, finish } = this.#choice(index);
      return { parts, finish: finish ?? { unified: 'other', raw: null } };
    });
    return {
      id: this.#start?.id ?? null,
      model: this.#start?.model ?? null,
      created: this.#start?.created ?? null,
      choices,
      usage: this.#usage,
    };
  }

  #choice(index: number): Growing {
    const known = this.#choices.get(index);
    if (known) return known;
    const fresh: Growing = { parts: [], calls: new Map(), finish: null, isClosed: false };
    this.#choices.set(index, fresh);
    return fresh;
  }

  #add(choice: Growing, event: Exclude<ChatEvent, { type: 'start' | 'usage' }>): void {
    const { parts } = choice;
    const at = parts.length - 1;
    const last = parts[at];
    const isOpen = !choice.isClosed;
    choice.isClosed = false;
    switch (event.type) {
      case 'text-delta':
        if (last?.type === 'text' && isOpen) parts[at] = said(last, event);
        else parts.push(said({ type: 'text', text: '' }, event));
        return;
      case 'text-signature':
        if (last?.type === 'text') parts[at] = { ...last, signature: event.signature };
        else parts.push({ type: 'text', text: '', signature: event.signature });
        choice.isClosed = true;
        return;
      case 'citation':
        if (last?.type === 'text') parts[at] = { ...last, citations: [...(last.citations ?? []), event.citation] };
        return;
      case 'reasoning-delta':
        if (last?.type === 'reasoning' && isOpen) parts[at] = { ...last, text: last.text + event.text };
        else parts.push({ type: 'reasoning', text: event.text, signature: null });
        return;
      case 'reasoning-signature':
        if (last?.type === 'reasoning' && isOpen) parts[at] = { ...last, signature: event.signature };
        else parts.push({ type: 'reasoning', text: '', signature: event.signature });
        choice.isClosed = true;
        return;
      case 'reasoning-break':
        choice.isClosed = true;
        return;
      case 'redacted-reasoning':
        parts.push({ type: 'redacted-reasoning', signature: event.signature });
        return;
      case 'tool-call-start': {
        const { id, name, kind, signature } = event;
        choice.calls.set(event.call, parts.length);
        parts.push({ type: 'tool-call', id, name, arguments: '', kind, ...(signature && { signature }) });
        return;
      }
      case 'tool-call-delta': {
        const place = choice.calls.get(event.call) ?? -1;
        const call = parts[place];
        if (call?.type === 'tool-call') parts[place] = grown(call, event.text);
        return;
      }
      case 'tool-call-end':
        return;
      case 'refusal-delta':
        if (last?.type === 'refusal') parts[at] = { ...last, text: last.text + event.text };
        else parts.push({ type: 'refusal', text: event.text });
        return;
      case 'media':
      case 'foreign':
        parts.push(event.part);
        return;
      case 'finish':
        choice.finish ??= event.finish;
        return;
    }
  }
}

function said(part: TextPart, { text, logprobs }: Extract<ChatEvent, { type: 'text-delta' }>): TextPart {
  const longer = { ...part, text: part.text + text };
  return logprobs ? { ...longer, logprobs: [...(part.logprobs ?? []), ...logprobs] } : longer;
}

const grown = (call: ToolCallPart, text: string): ToolCallPart => ({ ...call, arguments: call.arguments + text });
