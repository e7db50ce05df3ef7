import { isObject, objectsIn, parseJson } from '../../shared/json-shape.ts';
import type { JsonRecord } from '../ir.ts';
import { frame, type WireEvent } from './frame.ts';

/** A whole message as the stream that would have said the same. */
export function streamOf(reply: Uint8Array): string {
  const message = parseJson(new TextDecoder().decode(reply));
  return isObject(message) ? [...messageEvents(message)].map(frame).join('') : endFrame();
}

export const endFrame = (): string => frame({ type: 'message_stop' });

/** Fields that nobody here knows are kept. */
export function* messageEvents(message: JsonRecord): Generator<WireEvent> {
  const { content, stop_reason: stopReason, stop_sequence: stopSequence, stop_details: details, ...rest } = message;
  const usage = isObject(message.usage) ? message.usage : { input_tokens: 0, output_tokens: 0 };
  const start = { ...rest, content: [], stop_reason: null, stop_sequence: null, usage };
  yield { type: 'message_start', message: start };
  for (const [index, block] of objectsIn(content).entries()) {
    const { opened, deltas } = apart(block);
    yield { type: 'content_block_start', index, content_block: opened };
    for (const delta of deltas) yield { type: 'content_block_delta', index, delta };
    yield { type: 'content_block_stop', index };
  }
  const delta = {
    stop_reason: stopReason ?? 'end_turn',
    stop_sequence: stopSequence ?? null,
    ...(details !== undefined && { stop_details: details }),
  };
  yield { type: 'message_delta', delta, usage };
  yield { type: 'message_stop' };
}

/** A block as it opens, and what then fills it. Blocks that nobody here knows come whole. */
function apart(block: JsonRecord): { readonly opened: JsonRecord; readonly deltas: readonly JsonRecord[] } {
  switch (block.type) {
    case 'text': {
      const citations = Array.isArray(block.citations) ? block.citations : [];
      const opened = { ...block, text: '', ...(citations.length > 0 && { citations: [] }) };
      const cited = citations.map((citation) => ({ type: 'citations_delta', citation }));
      return { opened, deltas: [{ type: 'text_delta', text: block.text ?? '' }, ...cited] };
    }
    case 'thinking': {
      const { thinking, signature } = block;
      const deltas = [
        ...(thinking ? [{ type: 'thinking_delta', thinking }] : []),
        ...(signature ? [{ type: 'signature_delta', signature }] : []),
      ];
      return { opened: { ...block, thinking: '', signature: '' }, deltas };
    }
    case 'tool_use':
    case 'server_tool_use': {
      const input = JSON.stringify(block.input ?? {});
      return { opened: { ...block, input: {} }, deltas: [{ type: 'input_json_delta', partial_json: input }] };
    }
    default:
      return { opened: block, deltas: [] };
  }
}
