import type { EncodeContext } from '../codec.ts';
import { customAsFunction } from '../custom-tools.ts';
import type { ChatRequest, JsonRecord, Tool, Turn } from '../ir.ts';
import { type AnswerTool, answerTool } from './answer-tool.ts';
import { type Block, writeCacheMark } from './cache-marks.ts';
import { isClaudeSince } from './claude-version.ts';
import { objectSchema } from './object-schema.ts';
import { ownFields } from './own-fields.ts';
import { strictSchema } from './strict-schema.ts';

export type WrittenTools = {
  readonly tools: readonly Block[];
  readonly choice: JsonRecord | null;
  /** The model must call: the vendor does not think before a call that is forced. */
  readonly isForced: boolean;
  /** The model's own structured output. */
  readonly format: JsonRecord | null;
  readonly answerTool: string | null;
};

type Warn = (warning: string) => void;

/** Models that hold themselves to a schema; a list of models knows better than a name. */
const hasStructuredOutput = (context: EncodeContext): boolean =>
  context.hasStructuredOutput ?? isClaudeSince(context.model, 4, 5);

export function writeTools(
  request: ChatRequest,
  turns: readonly Turn[],
  names: ReadonlyMap<string, string>,
  context: EncodeContext,
  warn: Warn,
): WrittenTools {
  const isStructured = hasStructuredOutput(context);
  const tools = request.tools.flatMap((tool) => toolBlocks(tool, names, isStructured, warn));
  const { output, toolChoice } = request;
  const schema = output?.type === 'json-schema' && isStructured ? strictSchema(output.schema) : null;
  const format = schema && { type: 'json_schema', schema };
  if (output && !format) {
    if (toolChoice?.type !== 'tool') {
      return withAnswer(tools, answerTool(output, new Set(names.values())), request);
    }
    warn('structured output removed: a tool call is forced');
  }
  if (tools.length === 0) return { ...withoutTools(turns, names), format, answerTool: null };
  const choice = choiceOf(request, names);
  const isForced = choice?.type === 'any' || choice?.type === 'tool';
  return { tools, choice, isForced, format, answerTool: null };
}

/** With tools of the client's own the model may call one of them first; it must call something. */
function withAnswer(
  tools: readonly Block[],
  answer: AnswerTool,
  { toolChoice, allowsParallelCalls }: ChatRequest,
): WrittenTools {
  const { name, description, schema } = answer;
  const isAlone = tools.length === 0 || toolChoice?.type === 'none';
  const isSingle = isAlone || allowsParallelCalls === false;
  return {
    tools: [...tools, { name, description, input_schema: schema }],
    choice: {
      ...(isAlone ? { type: 'tool', name } : { type: 'any' }),
      ...(isSingle && { disable_parallel_tool_use: true }),
    },
    isForced: true,
    format: null,
    answerTool: name,
  };
}

/** A history with calls is refused unless tools are told. */
function withoutTools(turns: readonly Turn[], names: ReadonlyMap<string, string>) {
  const called = turns.flatMap((turn) =>
    turn.role === 'assistant' ? turn.parts.flatMap((part) => (part.type === 'tool-call' ? [part.name] : [])) : [],
  );
  const tools = [...new Set(called)].map(
    (name): Block => ({ name: names.get(name) ?? name, input_schema: objectSchema(null) }),
  );
  return { tools, choice: tools.length > 0 ? { type: 'none' } : null, isForced: false };
}

function toolBlocks(tool: Tool, names: ReadonlyMap<string, string>, isStructured: boolean, warn: Warn): Block[] {
  switch (tool.type) {
    case 'foreign':
      if (tool.protocol === 'anthropic-messages') return [{ ...tool.value }];
      warn(`tool ${tool.name} removed`);
      return [];
    case 'custom':
      if (tool.format && tool.format.type !== 'text') warn(`grammar of ${tool.name} removed`);
      return toolBlocks(customAsFunction(tool), names, isStructured, warn);
    case 'function': {
      const strict = tool.isStrict && isStructured ? strictSchema(objectSchema(tool.parameters)) : null;
      if (tool.isStrict && !strict) warn(`strict of ${tool.name} removed`);
      return [
        {
          name: names.get(tool.name) ?? tool.name,
          ...(tool.description !== null && tool.description !== '' && { description: tool.description }),
          input_schema: strict ?? objectSchema(tool.parameters),
          ...(strict && { strict: true }),
          ...writeCacheMark(tool.cache),
          ...ownFields(tool.foreign),
        },
      ];
    }
  }
}

function choiceOf(
  { toolChoice, allowsParallelCalls }: ChatRequest,
  names: ReadonlyMap<string, string>,
): JsonRecord | null {
  const parallel = allowsParallelCalls === null ? {} : { disable_parallel_tool_use: !allowsParallelCalls };
  switch (toolChoice?.type) {
    case 'none':
      return { type: 'none' };
    case 'required':
      return { type: 'any', ...parallel };
    case 'tool':
      return { type: 'tool', name: names.get(toolChoice.name) ?? toolChoice.name, ...parallel };
    case 'auto':
      return { type: 'auto', ...parallel };
    case undefined:
      return allowsParallelCalls === null ? null : { type: 'auto', ...parallel };
  }
}
