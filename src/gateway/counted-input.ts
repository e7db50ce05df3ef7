import type { CountedInput } from '../models/token-count.ts';
import type {
  AssistantPart,
  ChatRequest,
  ForeignPart,
  TextPart,
  Tool,
  ToolResultPart,
  UserPart,
} from '../protocols/ir.ts';

type Part = UserPart | AssistantPart | ToolResultPart | TextPart | ForeignPart;

/** A request as a token counter sees it. */
export function countedInput(request: ChatRequest): CountedInput {
  const tally = { texts: [] as string[], images: 0, files: 0, sounds: 0 };
  if (request.instructions.length > 0) tally.texts.push('system');
  for (const part of request.instructions) add(tally, part);
  for (const { role, parts } of request.turns) {
    // It stands between the messages, and is a token or two.
    tally.texts.push(role);
    for (const part of parts) add(tally, part);
  }
  return {
    ...tally,
    tools: request.tools.map(written),
    messages: request.turns.length + (request.instructions.length > 0 ? 1 : 0),
  };
}

function add(tally: { texts: string[]; images: number; files: number; sounds: number }, part: Part): void {
  switch (part.type) {
    case 'text':
    case 'reasoning':
    case 'refusal':
      tally.texts.push(part.text);
      return;
    case 'tool-call':
      tally.texts.push(part.name, part.arguments);
      return;
    case 'tool-result':
      for (const inner of part.content) add(tally, inner);
      return;
    case 'image':
      tally.images++;
      return;
    case 'audio':
      tally.sounds++;
      return;
    case 'file':
      tally.files++;
      return;
    case 'foreign':
      tally.texts.push(JSON.stringify(part.value));
      return;
    // Nobody but its vendor knows what is in it.
    case 'redacted-reasoning':
      return;
  }
}

/** Near to what a model is shown of a tool, in every protocol. */
function written(tool: Tool): string {
  switch (tool.type) {
    case 'function': {
      const { name, description, parameters } = tool;
      return JSON.stringify({ name, ...(description !== null && { description }), ...(parameters && { parameters }) });
    }
    case 'custom':
      return JSON.stringify({ name: tool.name, description: tool.description, format: tool.format });
    case 'foreign':
      return JSON.stringify(tool.value);
  }
}
