import { assertNever } from '../../shared/assert-never.ts';
import type { AssistantPart, JsonRecord, ReasoningPart, Signature, ToolCallPart, ToolResultPart, Turn } from '../ir.ts';
import { failureText } from '../failure-text.ts';
import { annotationOf } from './annotations.ts';
import { imageFormatOf } from './media-names.ts';
import { ownFields } from './foreign-fields.ts';
import { type OwnName, qualifiedName } from './namespaces.ts';
import { contentParts, type WriteRules } from './write-content.ts';

export type ItemRules = WriteRules & {
  /** The upstream's name for a tool of the client. */
  ownName(name: string): OwnName;
  /** Reasoning that only its id stands for can be looked up there. */
  readonly looksUpIds: boolean;
};

/** The conversation as input items. */
export function itemsOf(turns: readonly Turn[], rules: ItemRules): readonly JsonRecord[] {
  return turns.flatMap((turn): readonly JsonRecord[] => {
    switch (turn.role) {
      case 'user':
      case 'system':
        return messageItems(turn.role === 'user' ? 'user' : 'developer', turn.parts, rules);
      case 'assistant':
        return assistantItems(turn.parts, rules);
      case 'tool':
        return turn.parts.flatMap((part): readonly JsonRecord[] =>
          part.type === 'foreign' ? foreignItem(part, rules) : [resultItem(part, rules)],
        );
      default:
        return assertNever(turn);
    }
  });
}

/** A message; around items that stand in the same turn, several. */
function messageItems(
  role: 'user' | 'developer',
  parts: Extract<Turn, { role: 'user' | 'system' }>['parts'],
  rules: ItemRules,
): readonly JsonRecord[] {
  const items: JsonRecord[] = [];
  let content: JsonRecord[] = [];
  const flush = () => {
    if (content.length > 0) items.push({ type: 'message', role, content });
    content = [];
  };
  for (const part of parts) {
    if (part.type === 'foreign' && !isContent(part.value)) {
      flush();
      items.push(...foreignItem(part, rules));
    } else content.push(...contentParts([part], rules));
  }
  flush();
  return items;
}

/** Of what came home without being understood: does it belong inside a message, or beside it? */
const isContent = (value: JsonRecord) => typeof value.type === 'string' && value.type.startsWith('input_');

function foreignItem(
  part: { readonly protocol: string; readonly name: string; readonly value: JsonRecord },
  { warnings }: WriteRules,
): readonly JsonRecord[] {
  if (part.protocol === 'openai-responses') return [part.value];
  warnings.add(`${part.name} removed`);
  return [];
}

function assistantItems(parts: readonly AssistantPart[], rules: ItemRules): readonly JsonRecord[] {
  const items: JsonRecord[] = [];
  let message: { readonly signature: Signature | null; readonly content: JsonRecord[] } | null = null;
  let thoughts: string[] = [];
  const endMessage = () => {
    if (message && message.content.length > 0) items.push(messageItem(message.signature, message.content));
    message = null;
  };
  const endThoughts = () => {
    if (thoughts.length > 0) rules.warnings.add('unsigned reasoning removed');
    thoughts = [];
  };
  for (const part of parts) {
    if (part.type !== 'reasoning') endThoughts();
    if (part.type === 'text' || part.type === 'refusal') {
      const signature = part.type === 'text' ? ours(part.signature) : null;
      // Texts of one message have its id; a refusal stands with what it follows.
      if (message && part.type === 'text' && !isSame(message.signature, signature)) endMessage();
      message ??= { signature, content: [] };
      const content = spoken(part);
      if (content) message.content.push(content);
      continue;
    }
    endMessage();
    switch (part.type) {
      case 'reasoning':
        if (part.text !== '') thoughts.push(part.text);
        if (part.signature) {
          const item = reasoningItem(thoughts, part.signature, rules);
          if (item) items.push(item);
          else rules.warnings.add('reasoning of another provider removed');
          thoughts = [];
        }
        break;
      case 'redacted-reasoning': {
        const item = reasoningItem([], part.signature, rules);
        if (item) items.push(item);
        else rules.warnings.add('reasoning of another provider removed');
        break;
      }
      case 'tool-call':
        items.push(callItem(part, rules));
        break;
      case 'image': {
        const id = ours(part.signature)?.itemId;
        if (part.source.kind === 'data' && id) items.push(imageItem(id, part.source));
        else rules.warnings.add('image in an assistant message removed');
        break;
      }
      case 'audio':
        rules.warnings.add('audio in an assistant message removed');
        break;
      case 'foreign':
        items.push(...foreignItem(part, rules));
        break;
    }
  }
  endMessage();
  endThoughts();
  return items;
}

const ours = (signature: Signature | undefined): Signature | null =>
  signature?.protocol === 'openai-responses' ? signature : null;

const isSame = (one: Signature | null, other: Signature | null) =>
  one?.itemId === other?.itemId && one?.value === other?.value;

function spoken(part: Extract<AssistantPart, { type: 'text' | 'refusal' }>): JsonRecord | null {
  if (part.text === '') return null;
  if (part.type === 'refusal') return { type: 'refusal', refusal: part.text };
  const annotations = (part.citations ?? []).flatMap((citation) => annotationOf(citation, part.text.length) ?? []);
  return { type: 'output_text', text: part.text, annotations };
}

function messageItem(signature: Signature | null, content: readonly JsonRecord[]): JsonRecord {
  return {
    type: 'message',
    role: 'assistant',
    ...(signature?.itemId !== undefined && { id: signature.itemId, status: 'completed' }),
    ...(signature && signature.value !== '' && { phase: signature.value }),
    content,
  };
}

/** Null: nothing that its reader could use. The thoughts alone are worth nothing to a model: it trusts only its own form. */
function reasoningItem(
  thoughts: readonly string[],
  signature: NonNullable<ReasoningPart['signature']>,
  { looksUpIds }: ItemRules,
): JsonRecord | null {
  if (signature.protocol !== 'openai-responses') return null;
  if (signature.value === '' && !(looksUpIds && signature.itemId)) return null;
  return {
    type: 'reasoning',
    ...(signature.itemId !== undefined && { id: signature.itemId }),
    summary: thoughts.map((text) => ({ type: 'summary_text', text })),
    ...(signature.value !== '' && { encrypted_content: signature.value }),
  };
}

function callItem(part: ToolCallPart, rules: ItemRules): JsonRecord {
  const { name, namespace } = ownNameOf(part, rules);
  const itemId = rules.isHome ? ours(part.signature)?.itemId : undefined;
  return {
    ...ownFields(part.foreign, rules.warnings),
    type: part.kind === 'custom' ? 'custom_tool_call' : 'function_call',
    ...(itemId !== undefined && { id: itemId, status: 'completed' }),
    call_id: part.id,
    name,
    ...(namespace !== null && { namespace }),
    ...(part.kind === 'custom' ? { input: part.arguments } : { arguments: part.arguments || '{}' }),
  };
}

/** The call's own namespace, should its tool no longer be offered. */
function ownNameOf(part: ToolCallPart, rules: ItemRules): OwnName {
  const own = rules.ownName(part.name);
  const namespace = ours(part.signature)?.value || null;
  const prefix = qualifiedName(namespace, '');
  if (own.namespace !== null || namespace === null || !part.name.startsWith(prefix)) return own;
  return { name: part.name.slice(prefix.length), namespace };
}

function resultItem(part: ToolResultPart, rules: ItemRules): JsonRecord {
  const content = contentParts(part.isError ? failedContent(part.content) : part.content, rules);
  const [only] = content;
  const isText = content.length === 1 && only?.type === 'input_text' && only.prompt_cache_breakpoint === undefined;
  return {
    ...ownFields(part.foreign, rules.warnings),
    type: part.kind === 'custom' ? 'custom_tool_call_output' : 'function_call_output',
    call_id: part.callId,
    output: content.length === 0 ? '' : isText ? only.text : content,
  };
}

function failedContent(content: ToolResultPart['content']): ToolResultPart['content'] {
  const at = content.findIndex(({ type }) => type === 'text');
  const said = content[at];
  if (said?.type !== 'text') return [{ type: 'text', text: failureText('') }, ...content];
  return content.with(at, { ...said, text: failureText(said.text) });
}

function imageItem(id: string, source: { readonly mediaType: string; readonly data: string }): JsonRecord {
  const format = imageFormatOf(source.mediaType);
  return { type: 'image_generation_call', id, status: 'completed', result: source.data, output_format: format };
}
