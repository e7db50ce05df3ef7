import type { FinishReason } from '../ir.ts';

/** Why an answer ended, in all the words that chat servers use. */
const UNIFIED: ReadonlyMap<string, FinishReason['unified']> = new Map([
  ['stop', 'stop'],
  ['eos', 'stop'],
  ['stop_sequence', 'stop'],
  ['end_turn', 'stop'],
  ['complete', 'stop'],
  ['length', 'length'],
  ['model_length', 'length'],
  ['max_tokens', 'length'],
  ['max_output_tokens', 'length'],
  ['tool_calls', 'tool-calls'],
  ['tool_use', 'tool-calls'],
  ['tool_call', 'tool-calls'],
  ['function_call', 'tool-calls'],
  ['content_filter', 'content-filter'],
  ['safety', 'content-filter'],
  ['recitation', 'content-filter'],
  ['blocklist', 'content-filter'],
  ['prohibited_content', 'content-filter'],
  ['sensitive', 'content-filter'],
  ['refusal', 'content-filter'],
] as const);

/**
 * An answer with calls wants their results, whatever its server says, unless it was cut short. One that says it calls
 * tools and calls none has stopped: an agent would wait for ever.
 */
export function finishOf(raw: string | null, hasCalls: boolean): FinishReason {
  const said = raw === null ? 'stop' : (UNIFIED.get(raw.toLowerCase()) ?? 'other');
  if (hasCalls && (said === 'stop' || said === 'other')) return { unified: 'tool-calls', raw };
  return { unified: said === 'tool-calls' && !hasCalls ? 'stop' : said, raw };
}

/** OpenAI's word; clients know no others. */
export function finishWord({ unified }: FinishReason, hasCalls: boolean, isLegacy: boolean): string {
  const calls = isLegacy ? 'function_call' : 'tool_calls';
  switch (unified) {
    case 'length':
      return 'length';
    case 'content-filter':
      return 'content_filter';
    case 'tool-calls':
    case 'stop':
    case 'other':
      return hasCalls ? calls : 'stop';
  }
}
