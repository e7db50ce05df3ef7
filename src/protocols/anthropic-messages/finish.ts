import type { FinishReason } from '../ir.ts';

const REASONS: ReadonlyMap<string, FinishReason['unified']> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  // The vendor's own tools paused the turn; the client goes on by sending it back.
  ['pause_turn', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool-calls'],
  ['refusal', 'content-filter'],
  ['sensitive', 'content-filter'],
]);

export function readFinish(stopReason: string, stopSequence: string | null): FinishReason {
  const unified = REASONS.get(stopReason) ?? 'other';
  return { unified, raw: stopReason, ...(stopSequence !== null && { stopSequence }) };
}

export type StopFields = { readonly stop_reason: string; readonly stop_sequence: string | null };

/** `tool_use` only where a call was announced: clients wait for one that never comes. */
export function writeFinish(finish: FinishReason | null, hasCall: boolean): StopFields {
  const stopSequence = finish?.stopSequence ?? null;
  if (finish?.unified === 'length') {
    const raw = finish.raw === 'model_context_window_exceeded' ? finish.raw : 'max_tokens';
    return { stop_reason: raw, stop_sequence: null };
  }
  if (finish?.unified === 'content-filter') return { stop_reason: 'refusal', stop_sequence: null };
  if (hasCall) return { stop_reason: 'tool_use', stop_sequence: null };
  if (stopSequence !== null) return { stop_reason: 'stop_sequence', stop_sequence: stopSequence };
  return { stop_reason: finish?.raw === 'pause_turn' ? 'pause_turn' : 'end_turn', stop_sequence: null };
}
