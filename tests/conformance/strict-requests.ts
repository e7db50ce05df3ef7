import type { ProtocolId } from '../../src/protocols/codec.ts';
import { isObject, objectsIn, parseJson } from '../../src/shared/json-shape.ts';

/** What the strictest server of each protocol refuses. Each gives the faults it finds; none is good. */

type Json = { readonly [key: string]: unknown };
type Must = (isSo: boolean, fault: string) => void;

export function requestFaultsOf(protocol: ProtocolId, body: Json): readonly string[] {
  const faults: string[] = [];
  const must: Must = (isSo, fault) => void (isSo || faults.push(fault));
  rules[protocol](body, must);
  return faults;
}

const PLAIN_NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const rules: Readonly<Record<ProtocolId, (body: Json, must: Must) => void>> = {
  'openai-chat': (body, must) => {
    must(isText(body.model) && objectsIn(body.messages).length > 0, 'no model or messages');
    const messages = objectsIn(body.messages);
    let open: string[] = [];
    for (const message of messages) {
      if (message.role === 'tool') {
        must(open.includes(text(message.tool_call_id)), 'a result without its call right before');
        open = open.filter((id) => id !== message.tool_call_id);
        must(typeof message.content === 'string', 'a result that is no text');
        continue;
      }
      must(open.length === 0, 'a call without a result');
      open = [];
      must(['system', 'user', 'assistant'].includes(text(message.role)), `role ${String(message.role)}`);
      const isEmpty = message.content === '' || (Array.isArray(message.content) && message.content.length === 0);
      const calls = objectsIn(message.tool_calls);
      must(!isEmpty || calls.length > 0, `an empty ${String(message.role)} message`);
      for (const part of objectsIn(message.content)) must(part.type !== 'text' || isText(part.text), 'an empty text');
      if ('tool_calls' in message) must(calls.length > 0, 'an empty list of calls');
      for (const call of calls) {
        const called = isObject(call.function) ? call.function : {};
        must(
          isText(call.id) && text(call.id).length <= 64 && !open.includes(text(call.id)),
          'a call without an id of its own',
        );
        must(PLAIN_NAME.test(text(called.name)), `a call of ${String(called.name)}`);
        must(typeof called.arguments === 'string', 'arguments that are no text');
        open.push(text(call.id));
      }
    }
    must(open.length === 0, 'a call without a result at the end');
    if ('tools' in body) must(objectsIn(body.tools).length > 0, 'an empty list of tools');
    else must(!('tool_choice' in body) && !('parallel_tool_calls' in body), 'a choice among no tools');
    const names = objectsIn(body.tools).flatMap((tool) => (isObject(tool.function) ? [text(tool.function.name)] : []));
    must(
      names.every((name) => PLAIN_NAME.test(name)),
      `tools ${names.join()}`,
    );
    must(new Set(names).size === names.length, 'two tools of one name');
    must(!(Array.isArray(body.stop) && body.stop.length > 4), 'more than four stops');
  },

  'anthropic-messages': (body, must) => {
    must(isText(body.model) && Number(body.max_tokens) >= 1, 'no model or max_tokens');
    const messages = objectsIn(body.messages);
    must(messages[0]?.role === 'user', 'does not begin with the user');
    let open: string[] = [];
    const used = new Set<string>();
    let marks = objectsIn(body.tools).filter((tool) => tool.cache_control).length;
    marks += objectsIn(body.system).filter((block) => block.cache_control).length;
    for (const block of objectsIn(body.system)) must(isText(block.text), 'an empty text in system');
    for (const [at, message] of messages.entries()) {
      must(['user', 'assistant'].includes(text(message.role)), `role ${String(message.role)}`);
      must(message.role !== messages[at - 1]?.role, 'two messages of one role in a row');
      const blocks =
        typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : objectsIn(message.content);
      must(blocks.length > 0, 'an empty message');
      const results = blocks.filter(({ type }) => type === 'tool_result');
      if (message.role === 'user') {
        const answered = results.map((block) => text((block as Json).tool_use_id));
        must(answered.join() === open.join(), 'results that are not those of the calls before');
        must(
          blocks.slice(0, results.length).every(({ type }) => type === 'tool_result'),
          'a result behind something else',
        );
      } else must(results.length === 0, 'a result of the assistant');
      open = [];
      for (const block of blocks as readonly Json[]) {
        if (block.cache_control) marks++;
        if (block.type === 'text') must(text(block.text).trim() !== '', 'an empty text');
        if (block.type === 'thinking') must(isText(block.signature), 'thinking without a signature');
        if (block.type !== 'tool_use') continue;
        must(
          /^[a-zA-Z0-9_-]+$/.test(text(block.id)) && !used.has(text(block.id)),
          `a call with the id ${String(block.id)}`,
        );
        must(/^[a-zA-Z0-9_-]{1,128}$/.test(text(block.name)), `a call of ${String(block.name)}`);
        must(isObject(block.input), 'an input that is no object');
        used.add(text(block.id));
        open.push(text(block.id));
      }
      const last = blocks.at(-1) as Json | undefined;
      if (at === messages.length - 1 && message.role === 'assistant' && last?.type === 'text') {
        must(text(last.text) === text(last.text).trimEnd(), 'white space at the end of the last answer');
      }
    }
    must(open.length === 0, 'a call without a result at the end');
    must(marks <= 4, `${marks} cache marks`);
    const temperature = body.temperature;
    must(
      temperature === undefined || (Number(temperature) >= 0 && Number(temperature) <= 1),
      `temperature ${String(temperature)}`,
    );
    const thinking = isObject(body.thinking) ? body.thinking : {};
    const choice = isObject(body.tool_choice) ? body.tool_choice : {};
    if (thinking.type === 'enabled') {
      const budget = Number(thinking.budget_tokens);
      must(budget >= 1024 && budget < Number(body.max_tokens), `budget ${budget} of ${String(body.max_tokens)}`);
    }
    if (thinking.type === 'enabled' || thinking.type === 'adaptive') {
      must(choice.type !== 'any' && choice.type !== 'tool', 'thinking with a forced tool');
    }
    const tools = objectsIn(body.tools).filter(({ type }) => type === undefined || type === 'custom');
    for (const tool of tools) {
      must(/^[a-zA-Z0-9_-]{1,128}$/.test(text(tool.name)), `tool ${String(tool.name)}`);
      must(isObject(tool.input_schema) && tool.input_schema.type === 'object', 'a schema that is no object');
    }
    must(new Set(tools.map(({ name }) => name)).size === tools.length, 'two tools of one name');
  },

  'openai-responses': (body, must) => {
    must(isText(body.model) && objectsIn(body.input).length > 0, 'no model or input');
    const calls = new Set<string>();
    const answered = new Set<string>();
    for (const item of objectsIn(body.input)) {
      switch (item.type ?? (isText(item.role) ? 'message' : undefined)) {
        case 'message': {
          const wanted = item.role === 'assistant' ? /^(output_text|refusal)$/ : /^input_/;
          must(isText(item.content) || objectsIn(item.content).length > 0, 'an empty message');
          for (const part of objectsIn(item.content)) {
            must(wanted.test(text(part.type)), `${String(part.type)} of ${String(item.role)}`);
          }
          break;
        }
        case 'function_call':
        case 'custom_tool_call':
          must(isText(item.call_id) && text(item.call_id).length <= 64, 'a call without a good id');
          must(!calls.has(text(item.call_id)), 'two calls of one id');
          must(PLAIN_NAME.test(text(item.name)), `a call of ${String(item.name)}`);
          calls.add(text(item.call_id));
          break;
        case 'function_call_output':
        case 'custom_tool_call_output':
          must(calls.has(text(item.call_id)), 'a result without a call before it');
          must(!answered.has(text(item.call_id)), 'two results of one call');
          answered.add(text(item.call_id));
          break;
        case 'reasoning':
          must(Array.isArray(item.summary), 'reasoning without a summary');
          break;
        default:
          must(false, `an item of type ${String(item.type)}`);
      }
    }
    must(
      [...calls].every((id) => answered.has(id)),
      'a call without a result',
    );
    for (const tool of objectsIn(body.tools)) {
      if (tool.type !== 'function') continue;
      must(PLAIN_NAME.test(text(tool.name)) && isObject(tool.parameters), `tool ${String(tool.name)}`);
    }
    must(body.max_output_tokens === undefined || Number(body.max_output_tokens) >= 16, 'max_output_tokens under 16');
  },

  gemini: (body, must) => {
    const contents = objectsIn(body.contents);
    must(contents[0]?.role === 'user', 'does not begin with the user');
    let open: string[] = [];
    for (const [at, content] of contents.entries()) {
      must(['user', 'model'].includes(text(content.role)), `role ${String(content.role)}`);
      must(content.role !== contents[at - 1]?.role, 'two contents of one role in a row');
      const parts = objectsIn(content.parts);
      must(parts.length > 0, 'a content without parts');
      const answers = parts.flatMap((part) => (isObject(part.functionResponse) ? [part.functionResponse] : []));
      if (content.role === 'user') {
        must(
          answers.map(({ name }) => name).join() === open.join(),
          'responses that are not those of the calls before',
        );
        must(
          answers.every(({ response }) => isObject(response)),
          'a response that is no object',
        );
      } else must(answers.length === 0, 'a response of the model');
      open = [];
      for (const part of parts) {
        const kinds = ['text', 'inlineData', 'fileData', 'functionCall', 'functionResponse'].filter(
          (kind) => kind in part,
        );
        must(kinds.length === 1, `a part with ${kinds.join() || 'nothing'}`);
        if (!isObject(part.functionCall)) continue;
        must(
          /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/.test(text(part.functionCall.name)),
          `a call of ${String(part.functionCall.name)}`,
        );
        must(isObject(part.functionCall.args), 'args that are no object');
        open.push(text(part.functionCall.name));
      }
    }
    must(open.length === 0, 'a call without a response at the end');
    const config = isObject(body.generationConfig) ? body.generationConfig : {};
    const thinking = isObject(config.thinkingConfig) ? config.thinkingConfig : {};
    must(!('thinkingLevel' in thinking && 'thinkingBudget' in thinking), 'a level beside a budget');
    must(!('responseSchema' in config && 'responseJsonSchema' in config), 'two schemas');
    must(!(Array.isArray(config.stopSequences) && config.stopSequences.length > 5), 'more than five stops');
    const declared = objectsIn(body.tools).flatMap((tool) => objectsIn(tool.functionDeclarations));
    must(objectsIn(body.tools).filter((tool) => 'functionDeclarations' in tool).length <= 1, 'two lists of functions');
    for (const { name, parameters } of declared) {
      must(/^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/.test(text(name)), `function ${String(name)}`);
      if (parameters !== undefined) schema(parameters, must, 0);
    }
    must(new Set(declared.map(({ name }) => name)).size === declared.length, 'two functions of one name');
    must(parseJson(JSON.stringify(body)) !== undefined, 'no JSON');
  },
};

const SCHEMA_WORDS: ReadonlySet<string> = new Set([
  ...['type', 'format', 'title', 'description', 'nullable', 'enum', 'items', 'properties', 'required', 'minimum'],
  ...['maximum', 'anyOf', 'propertyOrdering', 'minItems', 'maxItems', 'minLength', 'maxLength', 'pattern'],
  ...['minProperties', 'maxProperties', 'default', 'example'],
]);

/** Google's own list: https://ai.google.dev/api/caching#Schema. */
function schema(value: unknown, must: Must, depth: number): void {
  must(isObject(value) && depth < 40, 'a schema that is none');
  if (!isObject(value)) return;
  for (const word of Object.keys(value)) must(SCHEMA_WORDS.has(word), `the word ${word} in a schema`);
  must(
    /^(STRING|NUMBER|INTEGER|BOOLEAN|ARRAY|OBJECT)$/.test(text(value.type)) || Array.isArray(value.anyOf),
    `type ${String(value.type)}`,
  );
  if (value.enum !== undefined) {
    must(
      value.type === 'STRING' && Array.isArray(value.enum) && value.enum.every(isText),
      'an enum of something else than texts',
    );
  }
  if (value.type === 'ARRAY') schema(value.items, must, depth + 1);
  if (value.anyOf !== undefined) for (const one of objectsIn(value.anyOf)) schema(one, must, depth + 1);
  if (!isObject(value.properties)) return must(value.required === undefined, 'required without properties');
  const names = Object.keys(value.properties);
  must(names.length > 0, 'no properties');
  must(
    Array.isArray(value.required) ? value.required.every((name) => names.includes(text(name))) : true,
    'an unknown property is required',
  );
  for (const property of Object.values(value.properties)) schema(property, must, depth + 1);
}
