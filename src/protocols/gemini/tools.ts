import { isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import { customAsFunction } from '../custom-tools.ts';
import type { JsonRecord, Tool, ToolChoice } from '../ir.ts';
import { isOwn } from './own.ts';
import { fromGeminiSchema } from './schema-from-gemini.ts';
import { toGeminiParameters } from './schema-to-gemini.ts';
import { field, rest } from './wire-field.ts';

/** Tools and the choice among them, both ways. */

export function decodeTools(value: unknown, warn: (warning: string) => void): readonly Tool[] {
  return objectsIn(value).flatMap((entry): readonly Tool[] => [
    ...objectsIn(field(entry, 'functionDeclarations')).map((declaration) => decodeFunction(declaration, warn)),
    ...Object.entries(rest(entry, ['functionDeclarations'])).map(
      ([name, own]): Tool => ({ type: 'foreign', protocol: 'gemini', name, value: { [name]: own } }),
    ),
  ]);
}

function decodeFunction(declaration: JsonRecord, warn: (warning: string) => void): Tool {
  const asJsonSchema = field(declaration, 'parametersJsonSchema');
  const asGemini = declaration.parameters;
  const lost = rest(declaration, ['name', 'description', 'parameters', 'parametersJsonSchema']);
  for (const name of Object.keys(lost)) warn(`${name} of a tool removed`);
  return {
    type: 'function',
    name: textOr(declaration.name) ?? '',
    description: textOr(declaration.description),
    parameters: isObject(asJsonSchema) ? asJsonSchema : isObject(asGemini) ? fromGeminiSchema(asGemini) : null,
    isStrict: null,
  };
}

/**
 * All functions in one entry: several are answered with malformed calls. Of the two fields for parameters `parameters` is
 * written: every host of the format takes it, while `parametersJsonSchema` is newer, has to be cleaned all the same, and
 * makes some hosts answer with malformed calls.
 */
export function encodeTools(
  tools: readonly Tool[],
  names: ReadonlyMap<string, string>,
  warn: (warning: string) => void,
): readonly JsonRecord[] {
  const functions: JsonRecord[] = [];
  const own: JsonRecord[] = [];
  for (const tool of tools) {
    if (tool.type !== 'foreign') functions.push(encodeFunction(tool, names, warn));
    else {
      const entry = isOwn(tool) ? tool.value : googleTool(tool.value);
      if (entry) own.push(entry);
      else warn(`tool ${tool.name} removed`);
    }
  }
  return [...(functions.length > 0 ? [{ functionDeclarations: functions }] : []), ...own];
}

function encodeFunction(
  tool: Exclude<Tool, { type: 'foreign' }>,
  names: ReadonlyMap<string, string>,
  warn: (warning: string) => void,
): JsonRecord {
  const { name, description, parameters, ...declared } = tool.type === 'custom' ? customAsFunction(tool) : tool;
  if (tool.type === 'custom' && tool.format !== null) warn(`format of tool ${name} removed`);
  if (declared.isStrict) warn('strict mode of tools removed');
  if (declared.cache) warn('cache marks removed');
  const cleaned = parameters && toGeminiParameters(parameters);
  for (const warning of cleaned?.warnings ?? []) warn(`${warning} (tool ${name})`);
  return {
    name: names.get(name) ?? name,
    ...(description && { description }),
    ...(cleaned && { parameters: cleaned.schema }),
  };
}

/** Google's own tools as clients of other formats ask for them: `{"google_search": {}}` among the tools. */
function googleTool(value: JsonRecord): JsonRecord | null {
  for (const name of ['googleSearch', 'codeExecution', 'urlContext', 'googleMaps']) {
    const asked = field(value, name);
    if (isObject(asked)) return { [name]: asked };
  }
  return null;
}

/** Null where the choice says more than the neutral form can: then the config is kept as it is. */
export function decodeToolChoice(config: unknown): ToolChoice | null {
  if (!isObject(config)) return null;
  const allowed = field(config, 'allowedFunctionNames');
  const names = Array.isArray(allowed) ? allowed.filter((name) => typeof name === 'string') : [];
  switch (typeof config.mode === 'string' ? config.mode.toUpperCase() : '') {
    case 'AUTO':
    case 'VALIDATED':
      return { type: 'auto' };
    case 'NONE':
      return { type: 'none' };
    case 'ANY':
      return names.length === 1 && names[0] ? { type: 'tool', name: names[0] } : { type: 'required' };
    default:
      return null;
  }
}

/** Does the neutral form say all that this config says? */
export function isPlainChoice(config: JsonRecord): boolean {
  const allowed = field(config, 'allowedFunctionNames');
  const isFew = !Array.isArray(allowed) || allowed.length === 0 || (allowed.length === 1 && config.mode === 'ANY');
  return (
    isFew && config.mode !== 'VALIDATED' && Object.keys(rest(config, ['mode', 'allowedFunctionNames'])).length === 0
  );
}

export function encodeToolChoice(choice: ToolChoice, names: ReadonlyMap<string, string>): JsonRecord {
  switch (choice.type) {
    case 'auto':
      return { mode: 'AUTO' };
    case 'none':
      return { mode: 'NONE' };
    case 'required':
      return { mode: 'ANY' };
    case 'tool':
      return { mode: 'ANY', allowedFunctionNames: [names.get(choice.name) ?? choice.name] };
  }
}
