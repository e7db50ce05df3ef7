import type { AssistantPart, ChatEvent, ChatReply, Choice } from './ir.ts';

/** A whole reply as the events of a stream that would have said the same. */
export function* replyEvents(reply: ChatReply): Generator<ChatEvent> {
  yield { type: 'start', id: reply.id, model: reply.model, created: reply.created };
  for (const [choice, { parts, finish }] of reply.choices.entries()) {
    yield* partEvents(choice, parts);
    yield { type: 'finish', choice, finish };
  }
  if (reply.usage) yield { type: 'usage', usage: reply.usage };
}

function* partEvents(choice: number, parts: Choice['parts']): Generator<ChatEvent> {
  let call = 0;
  let previous: AssistantPart['type'] | null = null;
  for (const part of parts) {
    switch (part.type) {
      case 'text':
        yield { type: 'text-delta', choice, text: part.text, ...(part.logprobs && { logprobs: part.logprobs }) };
        if (part.signature) yield { type: 'text-signature', choice, signature: part.signature };
        for (const citation of part.citations ?? []) yield { type: 'citation', choice, citation };
        break;
      case 'reasoning':
        if (previous === 'reasoning') yield { type: 'reasoning-break', choice };
        if (part.text !== '') yield { type: 'reasoning-delta', choice, text: part.text };
        if (part.signature) yield { type: 'reasoning-signature', choice, signature: part.signature };
        break;
      case 'redacted-reasoning':
        yield { type: 'redacted-reasoning', choice, signature: part.signature };
        break;
      case 'tool-call': {
        const { id, name, kind, signature } = part;
        yield { type: 'tool-call-start', choice, call, id, name, kind, ...(signature && { signature }) };
        if (part.arguments !== '') yield { type: 'tool-call-delta', choice, call, text: part.arguments };
        yield { type: 'tool-call-end', choice, call };
        call++;
        break;
      }
      case 'refusal':
        yield { type: 'refusal-delta', choice, text: part.text };
        break;
      case 'image':
      case 'audio':
        yield { type: 'media', choice, part };
        break;
      case 'foreign':
        yield { type: 'foreign', choice, part };
        break;
    }
    previous = part.type;
  }
}
