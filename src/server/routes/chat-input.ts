import type { CountedInput } from '../../models/token-count.ts';

/** What is to be counted of a chat request. Loose: what cannot be read is no reason not to count the rest. */
export function chatInput(messages: readonly unknown[], tools: readonly unknown[]): CountedInput {
  const found = { texts: [] as string[], images: 0, files: 0, sounds: 0 };
  for (const message of messages) readMessage(fieldsOf(message), found);
  return { ...found, messages: messages.length, tools: tools.map((tool) => JSON.stringify(tool) ?? '') };
}

type Found = { readonly texts: string[]; images: number; files: number; sounds: number };
type Fields = Readonly<Record<string, unknown>>;

function readMessage(message: Fields, found: Found): void {
  for (const name of ['role', 'name', 'reasoning_content', 'refusal']) addText(message[name], found);
  readContent(message.content, found);
  for (const call of listOf(message.tool_calls)) {
    // Of a custom tool, what stands in place of the arguments.
    const { function: called, custom } = fieldsOf(call);
    const { name, arguments: written, input } = fieldsOf(called ?? custom);
    for (const text of [name, written, input]) addText(text, found);
  }
}

function readContent(content: unknown, found: Found): void {
  addText(content, found);
  for (const part of listOf(content)) {
    const fields = fieldsOf(part);
    switch (fields.type) {
      case 'image_url':
      case 'input_image':
      case 'image':
        found.images++;
        break;
      case 'input_audio':
        found.sounds++;
        break;
      case 'file':
      case 'input_file':
      case 'document':
        found.files++;
        break;
      default:
        addText(fields.text ?? fields.refusal, found);
        // A tool's result may hold parts of its own.
        readContent(fields.content, found);
    }
  }
}

function addText(value: unknown, { texts }: Found): void {
  if (typeof value === 'string' && value !== '') texts.push(value);
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? { ...value } : {});
