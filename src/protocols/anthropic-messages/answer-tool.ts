import { isObject, parseJson } from '../../shared/json-shape.ts';
import type { JsonRecord, OutputFormat } from '../ir.ts';
import { objectSchema } from './object-schema.ts';

/**
 * A tool that stands in for structured output where a model has none of its own: it is the only way out of the turn, and
 * its input is the answer.
 */
export type AnswerTool = { readonly name: string; readonly description: string; readonly schema: JsonRecord };

const NAME = 'json_answer';
/** Marks the tool whose input holds the answer in a field, for answers that are no object. */
const WRAPPED = 'json_answer_value';
const FIELD = 'value';

export function answerTool(format: OutputFormat, taken: ReadonlySet<string>): AnswerTool {
  const isWrapped = format.type === 'json-schema' && !isObjectSchema(format.schema);
  const about = format.type === 'json-schema' && format.description ? ` ${format.description}` : '';
  return {
    name: freeName(isWrapped ? WRAPPED : NAME, taken),
    description: `Gives the answer: its input is the whole answer, and nothing else is said.${about}`,
    schema: schemaOf(format, isWrapped),
  };
}

/** The answer that a finished call of the tool means, as text. */
export function answerText(tool: string, input: string): string {
  if (input.trim() === '') return '{}';
  if (!isWrappedAnswer(tool)) return input;
  const value = parseJson(input);
  return isObject(value) && value[FIELD] !== undefined ? JSON.stringify(value[FIELD]) : input;
}

/** Its input becomes the answer only when it is whole. */
export const isWrappedAnswer = (tool: string): boolean => tool.startsWith(WRAPPED);

function schemaOf(format: OutputFormat, isWrapped: boolean): JsonRecord {
  if (format.type === 'json') return { type: 'object', properties: {}, additionalProperties: true };
  if (!isWrapped) return objectSchema(format.schema);
  // References are counted from the root.
  const { $defs, definitions, ...schema } = format.schema;
  return {
    type: 'object',
    properties: { [FIELD]: schema },
    required: [FIELD],
    ...($defs !== undefined && { $defs }),
    ...(definitions !== undefined && { definitions }),
  };
}

const isObjectSchema = (schema: JsonRecord): boolean =>
  schema.type === 'object' || (schema.type === undefined && isObject(schema.properties));

function freeName(name: string, taken: ReadonlySet<string>): string {
  let free = name;
  for (let count = 2; taken.has(free); count++) free = `${name}_${count}`;
  return free;
}
