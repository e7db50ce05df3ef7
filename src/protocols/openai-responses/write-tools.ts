import { assertNever } from '../../shared/assert-never.ts';
import type { ChatRequest, JsonRecord, Tool, ToolChoice } from '../ir.ts';
import { ownFields } from './foreign-fields.ts';
import type { OwnName } from './namespaces.ts';

type Names = (name: string) => OwnName;

export function toolsJson(tools: readonly Tool[], ownName: Names, warnings: Set<string>): readonly JsonRecord[] {
  return tools.flatMap((tool): readonly JsonRecord[] => {
    switch (tool.type) {
      case 'function':
        return [
          {
            ...ownFields(tool.foreign, warnings),
            type: 'function',
            name: ownName(tool.name).name,
            ...(tool.description !== null && { description: tool.description }),
            parameters: tool.parameters ?? { type: 'object', properties: {} },
            // Left out it is true here, unlike everywhere else, and the vendor changes the schema to fit.
            strict: tool.isStrict ?? false,
          },
        ];
      case 'custom':
        return [
          {
            type: 'custom',
            name: ownName(tool.name).name,
            ...(tool.description !== null && { description: tool.description }),
            ...(tool.format && { format: tool.format }),
          },
        ];
      case 'foreign':
        if (tool.protocol === 'openai-responses') return [tool.value];
        warnings.add(`tool ${tool.name} removed`);
        return [];
      default:
        return assertNever(tool);
    }
  });
}

export function toolChoiceJson(choice: ToolChoice, { tools }: ChatRequest, ownName: Names): JsonRecord | string {
  if (choice.type !== 'tool') return choice.type;
  const isCustom = tools.some((tool) => tool.type === 'custom' && tool.name === choice.name);
  return { type: isCustom ? 'custom' : 'function', name: ownName(choice.name).name };
}
