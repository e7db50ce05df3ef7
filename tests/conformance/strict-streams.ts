import type { ProtocolId } from '../../src/protocols/codec.ts';
import { isObject, objectsIn, parseJson } from '../../src/shared/json-shape.ts';

/**
 * What the strictest client of each protocol needs of a stream. Written from the protocols' documents and from what real
 * clients were seen to break on, and knowing nothing of how the encoders work. Each gives the faults it finds; none is good.
 */

type Json = { readonly [key: string]: unknown };
type Frame = { readonly event: string | null; readonly data: string; readonly json: Json };

export function faultsOf(protocol: ProtocolId, stream: string): readonly string[] {
  const faults: string[] = [];
  const must = (isSo: boolean, fault: string) => void (isSo || faults.push(fault));
  must(stream.endsWith('\n\n'), 'the last frame has no end');
  const frames = framesIn(stream, must);
  switch (protocol) {
    case 'openai-chat':
      chat(frames, must);
      break;
    case 'anthropic-messages':
      messages(frames, must);
      break;
    case 'openai-responses':
      responses(frames, must);
      break;
    case 'gemini':
      gemini(frames, must);
      break;
  }
  return faults;
}

type Must = (isSo: boolean, fault: string) => void;

function framesIn(stream: string, must: Must): readonly Frame[] {
  return stream
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => {
      const lines = block.split('\n');
      const event = lines.find((line) => line.startsWith('event: '))?.slice(7) ?? null;
      const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6));
      must(data.length === 1 && lines.length === (event === null ? 1 : 2), `odd frame: ${block}`);
      const json = parseJson(data[0] ?? '');
      must(isObject(json) || data[0] === '[DONE]', `no JSON object: ${block}`);
      return { event, data: data[0] ?? '', json: isObject(json) ? json : {} };
    });
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

// --- chat ----------------------------------------------------------------------------------------------------------

function chat(frames: readonly Frame[], must: Must): void {
  must(frames.at(-1)?.data === '[DONE]', 'no [DONE] at the end');
  must(frames.filter(({ data }) => data === '[DONE]').length === 1, 'more than one [DONE]');
  must(
    frames.every(({ event }) => event === null),
    'an event name on a chat stream',
  );
  const chunks = frames.filter(({ data }) => data !== '[DONE]').map(({ json }) => json);
  must(new Set(chunks.map(({ id }) => id)).size === 1 && isText(chunks[0]?.id), 'not one id');
  must(new Set(chunks.map(({ model }) => model)).size === 1 && isText(chunks[0]?.model), 'not one model');
  const roles = new Set<number>();
  const finished = new Map<number, string>();
  const calls = new Map<number, number>();
  let isUsageSeen = false;
  for (const chunk of chunks) {
    must(chunk.object === 'chat.completion.chunk', 'not a chunk');
    must(Number.isInteger(chunk.created), 'no created');
    must(Array.isArray(chunk.choices), 'no choices');
    must(!isUsageSeen, 'a chunk after the usage');
    const choices = objectsIn(chunk.choices);
    if (isObject(chunk.usage)) {
      isUsageSeen = true;
      must(choices.length === 0, 'usage beside choices');
      const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = chunk.usage;
      must(
        [input, output, total].every((count) => Number.isInteger(count)),
        'usage without counts',
      );
    } else must(choices.length > 0, 'a chunk without choices and usage');
    for (const choice of choices) {
      const index = Number(choice.index);
      const delta = isObject(choice.delta) ? choice.delta : {};
      must(isObject(choice.delta), 'no delta');
      must('finish_reason' in choice, 'finish_reason is left out');
      must(!finished.has(index), `choice ${index} goes on after its finish`);
      if (!roles.has(index)) must(delta.role === 'assistant', `choice ${index} begins without a role`);
      roles.add(index);
      for (const call of objectsIn(delta.tool_calls)) {
        const known = calls.get(index) ?? 0;
        const place = Number(call.index);
        must(Number.isInteger(call.index) && place <= known, `call ${place} begins out of turn`);
        const inner = isObject(call.function) ? call.function : isObject(call.custom) ? call.custom : {};
        if (place === known) {
          calls.set(index, known + 1);
          must(
            isText(call.id) && isText(inner.name) && isText(call.type),
            `call ${place} begins without id, type or name`,
          );
        } else must(inner.name === undefined, `call ${place} is named twice`);
        must(typeof (inner.arguments ?? inner.input) === 'string', `call ${place} without arguments`);
      }
      if (choice.finish_reason !== null) {
        finished.set(index, text(choice.finish_reason));
        const known = ['stop', 'length', 'tool_calls', 'content_filter'];
        must(known.includes(text(choice.finish_reason)), `finish_reason ${String(choice.finish_reason)}`);
      }
    }
  }
  must(finished.size === roles.size && roles.size > 0, 'a choice never finishes');
  for (const [index, reason] of finished) {
    must(reason !== 'tool_calls' || (calls.get(index) ?? 0) > 0, 'tool_calls without a call');
  }
}

// --- messages ------------------------------------------------------------------------------------------------------

const DELTAS: Readonly<Record<string, readonly string[]>> = {
  text: ['text_delta', 'citations_delta'],
  thinking: ['thinking_delta', 'signature_delta'],
  tool_use: ['input_json_delta'],
  server_tool_use: ['input_json_delta'],
};

function messages(frames: readonly Frame[], must: Must): void {
  must(
    frames.every(({ event, json }) => event === json.type),
    'an event without its name',
  );
  const types = frames.map(({ json }) => text(json.type)).filter((type) => type !== 'ping');
  must(types[0] === 'message_start', 'does not begin with message_start');
  must(types.slice(-2).join() === 'message_delta,message_stop', 'does not end with message_delta and message_stop');
  for (const once of ['message_start', 'message_delta', 'message_stop']) {
    must(types.filter((type) => type === once).length === 1, `not one ${once}`);
  }
  let open: { index: number; type: string; json: string } | null = null;
  let next = 0;
  let tools = 0;
  for (const { json } of frames) {
    switch (json.type) {
      case 'message_start': {
        const message = isObject(json.message) ? json.message : {};
        must(
          isText(message.id) && isText(message.model) && message.type === 'message',
          'message without id, model or type',
        );
        must(message.role === 'assistant' && Array.isArray(message.content), 'message without role or content');
        must(Array.isArray(message.content) && message.content.length === 0, 'message that begins with content');
        must(message.stop_reason === null && message.stop_sequence === null, 'message that has stopped');
        must(isObject(message.usage) && Number.isInteger(message.usage.input_tokens), 'message_start without usage');
        must(
          isObject(message.usage) && Number.isInteger(message.usage.output_tokens),
          'message_start without output usage',
        );
        break;
      }
      case 'content_block_start': {
        const block = isObject(json.content_block) ? json.content_block : {};
        must(open === null, 'a block begins inside another');
        must(json.index === next, `block ${String(json.index)} instead of ${next}`);
        open = { index: next++, type: text(block.type), json: '' };
        if (block.type === 'text') must(block.text === '', 'a text block that begins with text');
        if (block.type === 'thinking') must(block.thinking === '', 'a thinking block that begins with text');
        if (block.type === 'redacted_thinking') must(isText(block.data), 'redacted thinking without data');
        if (block.type === 'tool_use') {
          tools++;
          must(/^[a-zA-Z0-9_-]+$/.test(text(block.id)) && isText(block.name), 'a call without a good id and a name');
          must(isObject(block.input) && Object.keys(block.input).length === 0, 'a call that begins with input');
        }
        break;
      }
      case 'content_block_delta': {
        const delta = isObject(json.delta) ? json.delta : {};
        must(open !== null && json.index === open.index, 'a delta outside of its block');
        const allowed = DELTAS[open?.type ?? ''] ?? [];
        must(allowed.includes(text(delta.type)), `${String(delta.type)} in a block of ${open?.type}`);
        if (open && delta.type === 'input_json_delta') open.json += text(delta.partial_json);
        break;
      }
      case 'content_block_stop':
        must(open !== null && json.index === open.index, 'a stop outside of its block');
        if (open?.type === 'tool_use')
          must(open.json === '' || isObject(parseJson(open.json)), 'a call’s input is no object');
        open = null;
        break;
      case 'message_delta': {
        must(open === null, 'message_delta inside a block');
        const delta = isObject(json.delta) ? json.delta : {};
        const known = ['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'pause_turn', 'refusal'];
        must(known.includes(text(delta.stop_reason)), `stop_reason ${String(delta.stop_reason)}`);
        must('stop_sequence' in delta, 'no stop_sequence');
        must(delta.stop_reason !== 'tool_use' || tools > 0, 'tool_use without a call');
        must(isObject(json.usage) && Number.isInteger(json.usage.output_tokens), 'message_delta without usage');
        break;
      }
    }
  }
}

// --- responses -----------------------------------------------------------------------------------------------------

function responses(frames: readonly Frame[], must: Must): void {
  must(
    frames.every(({ event, json }) => event === json.type),
    'an event without its name',
  );
  must(
    frames.every(({ json }, at) => json.sequence_number === at),
    'sequence numbers that do not count',
  );
  const types = frames.map(({ json }) => text(json.type));
  must(types[0] === 'response.created' && types[1] === 'response.in_progress', 'does not begin with created');
  must(/^response\.(completed|incomplete)$/.test(types.at(-1) ?? ''), `ends with ${types.at(-1)}`);
  const ids = new Set(frames.flatMap(({ json }) => (isObject(json.response) ? [json.response.id] : [])));
  must(ids.size === 1 && isText([...ids][0]), 'not one response id');
  type Item = { readonly id: string; readonly type: string; parts: Map<string, string>; isDone: boolean };
  const items: Item[] = [];
  const done: Json[] = [];
  const itemOf = (json: Json): Item | undefined => {
    const item = items[Number(json.output_index)];
    must(item !== undefined && !item.isDone, `${String(json.type)} outside of an item`);
    must(json.item_id === undefined || json.item_id === item?.id, `${String(json.type)} of another item`);
    return item;
  };
  for (const { json } of frames) {
    const type = text(json.type);
    const place = `${text(json.type).replace(/\.(delta|done|added)$/, '')}:${Number(json.content_index ?? json.summary_index ?? -1)}`;
    if (type === 'response.output_item.added') {
      const item = isObject(json.item) ? json.item : {};
      must(json.output_index === items.length, `item ${String(json.output_index)} instead of ${items.length}`);
      must(isText(item.id) && isText(item.type), 'an item without id or type');
      must(!items.some(({ id }) => id === item.id), 'two items of one id');
      if (item.type === 'message')
        must(Array.isArray(item.content) && item.content.length === 0, 'a message that begins with content');
      if (item.type === 'function_call')
        must(isText(item.call_id) && isText(item.name) && item.arguments === '', 'an odd beginning of a call');
      items.push({ id: text(item.id), type: text(item.type), parts: new Map(), isDone: false });
    } else if (type === 'response.output_item.done') {
      const item = itemOf(json);
      const whole = isObject(json.item) ? json.item : {};
      if (item) item.isDone = true;
      must(whole.id === item?.id && whole.type === item?.type, 'an item that ends as another');
      done[Number(json.output_index)] = whole;
      if (whole.type === 'message') {
        objectsIn(whole.content).forEach((part, at) => {
          const name = part.type === 'refusal' ? 'refusal' : 'output_text';
          must(
            text(part.text ?? part.refusal) === (item?.parts.get(`response.${name}:${at}`) ?? ''),
            'a text that is not its deltas',
          );
        });
      }
      if (whole.type === 'function_call') {
        const said = item?.parts.get('response.function_call_arguments:-1') ?? '';
        must(
          text(whole.arguments) === said || (said === '' && whole.arguments === '{}'),
          'arguments that are not their deltas',
        );
      }
    } else if (type === 'response.content_part.added' || type === 'response.reasoning_summary_part.added') {
      const item = itemOf(json);
      const name = type.includes('summary') ? 'summary' : 'part';
      const count = [...(item?.parts.keys() ?? [])].filter((key) => key.startsWith(`${name}#`)).length;
      must(Number(json.content_index ?? json.summary_index) === count, 'a part out of turn');
      item?.parts.set(`${name}#${count}`, '');
    } else if (type.endsWith('.delta')) {
      const item = itemOf(json);
      must(isText(json.delta), `${type} with nothing`);
      if (/output_text|refusal/.test(type))
        must(item?.parts.has(`part#${Number(json.content_index)}`) ?? false, 'a delta without its part');
      if (/summary_text/.test(type))
        must(item?.parts.has(`summary#${Number(json.summary_index)}`) ?? false, 'a delta without its part');
      item?.parts.set(place, (item.parts.get(place) ?? '') + text(json.delta));
    } else if (
      /\.(output_text|refusal|reasoning_summary_text|function_call_arguments|custom_tool_call_input)\.done$/.test(type)
    ) {
      const item = itemOf(json);
      const said = text(json.text ?? json.refusal ?? json.arguments ?? json.input);
      const deltas = item?.parts.get(place) ?? '';
      must(said === deltas || (deltas === '' && said === '{}'), `${type} is not its deltas`);
    }
  }
  must(
    items.every(({ isDone }) => isDone),
    'an item that never ends',
  );
  const final = frames.at(-1)?.json.response;
  const output = isObject(final) ? objectsIn(final.output) : [];
  must(JSON.stringify(output) === JSON.stringify(done), 'the last event has another output than its items');
  must(isObject(final) && (final.usage === null || isObject(final.usage)), 'the last event says nothing of usage');
}

// --- gemini --------------------------------------------------------------------------------------------------------

function gemini(frames: readonly Frame[], must: Must): void {
  must(frames.length > 0, 'nothing');
  must(
    frames.every(({ event }) => event === null),
    'an event name on a Gemini stream',
  );
  must(
    frames.every(({ data }) => data !== '[DONE]'),
    'a [DONE]',
  );
  const finished = new Set<number>();
  for (const { json } of frames) {
    must(Array.isArray(json.candidates) || isObject(json.promptFeedback), 'a chunk without candidates');
    must(isText(json.responseId) && isText(json.modelVersion), 'a chunk without id and model');
    for (const candidate of objectsIn(json.candidates)) {
      const index = Number(candidate.index ?? 0);
      must(!finished.has(index), 'a candidate goes on after its finish');
      const content = isObject(candidate.content) ? candidate.content : null;
      if (content) must(content.role === 'model' && Array.isArray(content.parts), 'content without role and parts');
      for (const part of objectsIn(content?.parts)) {
        must(Object.keys(part).length > 0, 'an empty part');
        if (isObject(part.functionCall)) {
          must(isText(part.functionCall.name) && isObject(part.functionCall.args), 'a call without name or args');
        }
      }
      if (candidate.finishReason !== undefined) {
        must(/^[A-Z_]+$/.test(text(candidate.finishReason)), `finishReason ${String(candidate.finishReason)}`);
        finished.add(index);
      } else must((content && objectsIn(content.parts).length > 0) ?? false, 'a chunk that says nothing');
    }
  }
  must(finished.size > 0, 'no finishReason');
}
