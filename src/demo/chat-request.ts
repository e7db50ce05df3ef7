// Reads an OpenAI chat request as far as the demo answers to it. Unknown fields are ignored, as a vendor would.
import { isObject } from '../shared/json-shape.ts';
import { badRequest, type DemoProblem } from './demo-problem.ts';

export type DemoMessage = { readonly role: string; readonly text: string; readonly images: number };

export type DemoTool = { readonly name: string; readonly parameters: unknown };

export type ChatRequest = {
  readonly model: string;
  readonly messages: readonly DemoMessage[];
  readonly tools: readonly DemoTool[];
  /** `auto`: when the prompt asks for it. A name: that tool. */
  readonly toolChoice: 'auto' | 'none' | 'required' | { readonly name: string };
  readonly isStream: boolean;
  readonly wantsUsage: boolean;
  /** Tokens, reasoning included; null: no limit. */
  readonly maxTokens: number | null;
  readonly stop: readonly string[];
  readonly choices: number;
  /** `schema` is the JSON Schema that was sent. */
  readonly format:
    | { readonly kind: 'text' }
    | { readonly kind: 'json' }
    | { readonly kind: 'schema'; readonly schema: unknown };
  readonly temperature: number | null;
};

const MAX_CHOICES = 8;

export function parseChatRequest(body: unknown): ChatRequest | DemoProblem {
  if (!isObject(body)) return badRequest('The body of your request is not a JSON object.');
  const { model, messages } = body;
  if (typeof model !== 'string' || model === '') return badRequest('you must provide a model parameter', 'model');
  if (!Array.isArray(messages)) return badRequest("Missing required parameter: 'messages'.", 'messages');
  if (messages.length === 0) {
    return badRequest("Invalid 'messages': empty array. Expected an array with minimum length 1.", 'messages');
  }
  const parsed: DemoMessage[] = [];
  for (const [index, message] of messages.entries()) {
    const role = isObject(message) ? message.role : undefined;
    if (!isObject(message) || typeof role !== 'string') {
      return badRequest(`Missing required parameter: 'messages[${index}].role'.`, `messages[${index}].role`);
    }
    parsed.push({ role, ...readContent(message.content) });
  }
  const limit = body.max_completion_tokens ?? body.max_tokens ?? null;
  if (limit !== null && (!isWhole(limit) || limit < 1)) {
    return badRequest("Invalid 'max_tokens': expected a whole number above 0.", 'max_tokens');
  }
  const choices = body.n ?? 1;
  if (!isWhole(choices) || choices < 1 || choices > MAX_CHOICES) {
    return badRequest(`Invalid 'n': expected a whole number from 1 to ${MAX_CHOICES}.`, 'n');
  }
  return {
    model,
    messages: parsed,
    tools: readTools(body.tools),
    toolChoice: readToolChoice(body.tool_choice),
    isStream: body.stream === true,
    wantsUsage: isObject(body.stream_options) && body.stream_options.include_usage === true,
    maxTokens: limit,
    stop: [body.stop].flat().filter((text): text is string => typeof text === 'string' && text !== ''),
    choices,
    format: readFormat(body.response_format),
    temperature: typeof body.temperature === 'number' ? body.temperature : null,
  };
}

function readContent(content: unknown): { text: string; images: number } {
  if (typeof content === 'string') return { text: content, images: 0 };
  const parts = Array.isArray(content) ? content.filter(isObject) : [];
  return {
    text: parts
      .map((part) => part.text)
      .filter((text) => typeof text === 'string')
      .join('\n'),
    images: parts.filter((part) => part.type === 'image_url').length,
  };
}

function readTools(tools: unknown): DemoTool[] {
  if (!Array.isArray(tools)) return [];
  return tools.flatMap((tool) => {
    const declared = isObject(tool) ? tool.function : undefined;
    if (!isObject(declared) || typeof declared.name !== 'string') return [];
    return [{ name: declared.name, parameters: declared.parameters }];
  });
}

function readToolChoice(choice: unknown): ChatRequest['toolChoice'] {
  if (choice === 'none' || choice === 'required') return choice;
  const chosen = isObject(choice) ? choice.function : undefined;
  return isObject(chosen) && typeof chosen.name === 'string' ? { name: chosen.name } : 'auto';
}

function readFormat(format: unknown): ChatRequest['format'] {
  if (!isObject(format)) return { kind: 'text' };
  if (format.type === 'json_object') return { kind: 'json' };
  if (format.type !== 'json_schema') return { kind: 'text' };
  return { kind: 'schema', schema: isObject(format.json_schema) ? format.json_schema.schema : undefined };
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value);
}
