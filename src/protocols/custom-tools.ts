import { isObject, parseJson } from '../shared/json-shape.ts';
import type { JsonRecord, Tool } from './ir.ts';

/**
 * Custom tools take free text instead of JSON. Only Responses has them; elsewhere they are functions with one text field,
 * and their calls are wrapped and unwrapped here.
 */

const FIELD = 'input';

const PARAMETERS: JsonRecord = {
  type: 'object',
  properties: { [FIELD]: { type: 'string', description: 'The whole input of the tool, as free text.' } },
  required: [FIELD],
  additionalProperties: false,
};

export function customAsFunction(tool: Extract<Tool, { type: 'custom' }>): Extract<Tool, { type: 'function' }> {
  return {
    type: 'function',
    name: tool.name,
    description: tool.description,
    parameters: PARAMETERS,
    isStrict: null,
  };
}

/** Free text as a function's arguments. */
export const wrapInput = (input: string): string => JSON.stringify({ [FIELD]: input });

/** A function's arguments as free text; as they are when the model did not keep to the schema. */
export function unwrapInput(argumentsText: string): string {
  const value = parseJson(argumentsText);
  if (typeof value === 'string') return value;
  const input = isObject(value) ? value[FIELD] : undefined;
  return typeof input === 'string' ? input : argumentsText;
}
