import { booleanOr, isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import type { JsonRecord, Tool, ToolChoice } from '../ir.ts';
import { withMark } from './cache-marks.ts';
import type { Losses } from './losses.ts';

/** The tools of a request and which of them may be called. */
export type ToolSet = { readonly tools: readonly Tool[]; readonly choice: ToolChoice | null };

export function decodeTools(body: JsonRecord, losses: Losses): ToolSet {
  const tools: Tool[] = [];
  if (body.tools !== undefined && body.tools !== null && !Array.isArray(body.tools)) {
    losses.refuse('tools must be an array', 'tools');
  }
  for (const [place, tool] of objectsIn(body.tools).entries()) {
    const decoded = decodeTool(tool, `tools[${place}]`, losses);
    if (decoded) tools.push(decoded);
  }
  // From before `tools`; an old client sends one of the two.
  for (const [place, tool] of objectsIn(body.functions).entries()) {
    const decoded = functionTool(tool, tool, `functions[${place}]`, losses);
    if (decoded) tools.push(decoded);
  }
  return chosen(body.tool_choice ?? body.function_call, tools);
}

function decodeTool(tool: JsonRecord, where: string, losses: Losses): Tool | null {
  if (tool.type === 'custom' || isObject(tool.custom)) {
    const custom = isObject(tool.custom) ? tool.custom : tool;
    const name = textOr(custom.name) ?? '';
    if (name === '') losses.refuse(`${where}.custom.name is missing`, `${where}.custom.name`);
    return { type: 'custom', name, description: textOr(custom.description), format: flatFormat(custom.format) };
  }
  if (isObject(tool.function)) return functionTool(tool.function, tool, `${where}.function`, losses);
  // Responses' flat form, which some clients send here too.
  if (tool.type === 'function') return functionTool(tool, tool, where, losses);
  const [only] = Object.keys(tool);
  return { type: 'foreign', protocol: 'openai-chat', name: textOr(tool.type) ?? only ?? 'tool', value: tool };
}

function functionTool(value: JsonRecord, holder: JsonRecord, where: string, losses: Losses): Tool | null {
  const name = textOr(value.name) ?? '';
  if (name === '') {
    losses.refuse(`${where}.name is missing`, `${where}.name`);
    return null;
  }
  return {
    type: 'function',
    name,
    description: textOr(value.description),
    parameters: isObject(value.parameters) ? value.parameters : null,
    isStrict: booleanOr(value.strict),
    ...withMark(value),
    ...withMark(holder),
  };
}

/** Chat puts a grammar into a field of its own, Responses beside the type. */
function flatFormat(format: unknown): JsonRecord | null {
  if (!isObject(format)) return null;
  const { grammar, ...rest } = format;
  return isObject(grammar) ? { ...rest, ...grammar } : format;
}

function chosen(choice: unknown, tools: readonly Tool[]): ToolSet {
  if (typeof choice === 'string') return { tools, choice: namedMode(choice) };
  if (!isObject(choice)) return { tools, choice: null };
  if (choice.type === 'allowed_tools') return allowed(choice, tools);
  const name = nameIn(choice);
  return { tools, choice: name === null ? namedMode(textOr(choice.type) ?? '') : { type: 'tool', name } };
}

function namedMode(mode: string): ToolChoice | null {
  switch (mode) {
    case 'auto':
    case 'none':
    case 'required':
      return { type: mode };
    // Mistral's and Anthropic's word.
    case 'any':
      return { type: 'required' };
    default:
      return null;
  }
}

function nameIn(choice: JsonRecord): string | null {
  for (const place of [choice.function, choice.custom, choice]) {
    const name = isObject(place) ? textOr(place.name) : null;
    if (name) return name;
  }
  return null;
}

/** Only some may be called: the others are as good as not there. */
function allowed(choice: JsonRecord, tools: readonly Tool[]): ToolSet {
  const list = isObject(choice.allowed_tools) ? choice.allowed_tools : choice;
  const names = new Set(objectsIn(list.tools).map((tool) => nameIn(tool) ?? textOr(tool.type)));
  return { tools: tools.filter(({ name }) => names.has(name)), choice: namedMode(textOr(list.mode) ?? 'auto') };
}
