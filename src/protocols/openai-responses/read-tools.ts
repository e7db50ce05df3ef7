import { booleanOr, isObject, objectsIn, textOr } from '../../shared/json-shape.ts';
import type { JsonRecord, Tool, ToolChoice } from '../ir.ts';
import { foreignBesides } from './foreign-fields.ts';
import { neutralName, qualifiedName } from './namespaces.ts';

/** The tools of a request, namespaces flattened, and the choice among them. */
export function readTools(
  body: JsonRecord,
  warnings: Set<string>,
): { readonly tools: readonly Tool[]; readonly toolChoice: ToolChoice | null } {
  const tools = objectsIn(body.tools).flatMap((tool) => readTool(tool, null));
  const choice = body.tool_choice;
  if (!isObject(choice)) return { tools, toolChoice: choiceByWord(choice) };
  const type = textOr(choice.type) ?? '';
  switch (type) {
    case 'function':
    case 'custom':
      return { tools, toolChoice: { type: 'tool', name: neutralName(choice) } };
    case 'allowed_tools': {
      // Elsewhere nothing can be forbidden; what is not offered cannot be called either.
      const allowed = objectsIn(choice.tools);
      return { tools: tools.filter((tool) => isAmong(tool, allowed)), toolChoice: choiceByWord(choice.mode) };
    }
    default:
      // A vendor's own tool is forced: without it there is nothing to force.
      if (type !== '') warnings.add(`tool_choice ${type} removed`);
      return { tools, toolChoice: null };
  }
}

function choiceByWord(value: unknown): ToolChoice | null {
  return value === 'auto' || value === 'none' || value === 'required' ? { type: value } : null;
}

function isAmong(tool: Tool, allowed: readonly JsonRecord[]): boolean {
  return allowed.some((one) => {
    if (one.type === 'namespace') return tool.name.startsWith(qualifiedName(textOr(one.name), ''));
    if (tool.type === 'foreign') return one.type === tool.name;
    return neutralName(one) === tool.name;
  });
}

const FUNCTION_FIELDS: ReadonlySet<string> = new Set(['type', 'name', 'description', 'parameters', 'strict']);

function readTool(tool: JsonRecord, namespace: string | null): readonly Tool[] {
  const name = qualifiedName(namespace, textOr(tool.name) ?? '');
  const description = textOr(tool.description);
  switch (tool.type) {
    case 'function': {
      // Chat's nested form is a common mistake that servers forgive.
      if (isObject(tool.function)) return readTool({ ...tool.function, type: 'function' }, namespace);
      const parameters = isObject(tool.parameters) ? tool.parameters : null;
      const isStrict = booleanOr(tool.strict);
      return [{ type: 'function', name, description, parameters, isStrict, ...foreignBesides(tool, FUNCTION_FIELDS) }];
    }
    case 'custom':
      return [{ type: 'custom', name, description, format: isObject(tool.format) ? tool.format : null }];
    case 'namespace':
      return objectsIn(tool.tools).flatMap((inner) => readTool(inner, textOr(tool.name)));
    default:
      return [{ type: 'foreign', protocol: 'openai-responses', name: textOr(tool.type) ?? 'tool', value: tool }];
  }
}
