import { wrapInput } from '../custom-tools.ts';
import type { AssistantPart, ChatRequest, ForeignPart, ToolCallPart, ToolResultPart, Turn, UserPart } from '../ir.ts';
import { failureText } from '../failure-text.ts';
import { areTwoMessages, mergeNeighbours, wellFormedTurns } from '../well-formed-turns.ts';
import { cacheControl } from './cache-marks.ts';
import { withIds, withUsableIds } from './call-ids.ts';
import { contentOf, ownPart, PARAGRAPH, textsOf, type Writing } from './encode-content.ts';
import { returnedLists, type Thought } from './reasoning-fields.ts';
import { extraContent } from './thought-signature.ts';

export type MessageWriting = Writing & { readonly nameOf: (name: string) => string };

export function encodeMessages(
  { instructions, turns }: Pick<ChatRequest, 'instructions' | 'turns'>,
  writing: MessageWriting,
): readonly object[] {
  const wellFormed = wellFormedTurns(withIds(withParagraphs(turns)));
  for (const warning of wellFormed.warnings) writing.losses.warn(warning);
  const usable = withUsableIds(wellFormed.turns, writing.dialect);
  const system = contentOf(instructions, writing);
  return [
    ...(system.length > 0 ? [{ role: 'system', content: system }] : []),
    ...mergeNeighbours(withMediaAsked(usable, writing)).flatMap((turn) => messagesOf(turn, writing)),
  ];
}

/** Assistant messages that follow each other become one, as strict servers want it: each is a paragraph of it. */
function withParagraphs(turns: readonly Turn[]): readonly Turn[] {
  const spoken = turns.filter(({ parts }) => parts.length > 0);
  return spoken.map((turn, at) => {
    const before = spoken[at - 1];
    if (turn.role !== 'assistant' || !before || !areTwoMessages(before, turn)) return turn;
    return { role: turn.role, parts: [{ type: 'text', text: PARAGRAPH }, ...turn.parts] };
  });
}

/**
 * Results and answers are text. What else they hold is shown to the model in the next user turn, with a word on where it
 * came from; that turn stands behind all results, as nothing may come between a call and its result.
 */
function withMediaAsked(turns: readonly Turn[], { losses }: MessageWriting): readonly Turn[] {
  const out: Turn[] = [];
  let waiting: UserPart[] = [];
  const flush = () => {
    if (waiting.length > 0) out.push({ role: 'user', parts: waiting });
    waiting = [];
  };
  for (const turn of turns) {
    if (turn.role !== 'tool') flush();
    out.push(turn);
    if (turn.role === 'assistant') {
      const shown = turn.parts.filter((part) => part.type === 'image');
      if (shown.length > 0) waiting.push({ type: 'text', text: 'Images of the answer above:' }, ...shown.map(unsigned));
    }
    if (turn.role !== 'tool') continue;
    for (const part of turn.parts) {
      if (part.type !== 'tool-result') continue;
      const media = part.content.filter(({ type }) => type === 'image' || type === 'audio' || type === 'file');
      if (media.length === 0) continue;
      losses.warn('media of a tool result moved into a user message');
      waiting.push(
        { type: 'text', text: `Content of the result of ${part.name ?? 'the call'} (${part.callId}):` },
        ...media,
      );
    }
  }
  flush();
  return out;
}

function unsigned(part: Extract<AssistantPart, { type: 'image' }>): UserPart {
  return { type: 'image', source: part.source, ...(part.detail && { detail: part.detail }) };
}

function messagesOf(turn: Turn, writing: MessageWriting): readonly object[] {
  switch (turn.role) {
    case 'system':
    case 'user': {
      const content = contentOf(turn.parts, writing);
      return content.length > 0 ? [{ role: turn.role, content }] : [];
    }
    case 'assistant':
      return assistantMessage(turn.parts, writing);
    case 'tool':
      return turn.parts.flatMap((part) => toolMessage(part, writing));
  }
}

function assistantMessage(parts: readonly AssistantPart[], writing: MessageWriting): readonly object[] {
  const { losses, dialect } = writing;
  const calls = parts.filter((part) => part.type === 'tool-call');
  const thoughts = parts.filter(
    (part): part is Thought => part.type === 'reasoning' || part.type === 'redacted-reasoning',
  );
  const own = parts.filter((part) => part.type === 'foreign').flatMap((part) => ownPart(part, losses));
  const spoken = parts.find((part) => part.type === 'audio');
  const audio = spoken?.source.kind === 'file-id' && spoken.source.protocol === 'openai-chat' ? spoken.source.id : null;
  if (spoken && audio === null) losses.warn('audio of an earlier answer removed');
  const text = spokenText(parts);
  if (text === '' && calls.length === 0 && own.length === 0 && audio === null) return [];
  const content = own.length === 0 ? text : [...(text === '' ? [] : [{ type: 'text', text }]), ...own];
  const signed = parts.findLast((part) => part.type === 'text' && part.signature !== undefined);
  return [
    {
      role: 'assistant',
      // Not left out beside calls, and not null: there are servers that insist on the field, and on a text.
      content: marked(parts, content, writing),
      ...thoughtFields(thoughts, calls.length > 0, writing),
      ...(audio !== null && { audio: { id: audio } }),
      ...(calls.length > 0 && { tool_calls: calls.map((call) => toolCall(call, writing)) }),
      ...(signed?.type === 'text' && dialect.takesThoughtSignatures && extraContent(signed.signature)),
    },
  ];
}

/**
 * Blocks that follow each other are pieces of one text: vendors cut it where a citation begins. Behind a call, a thought or
 * another message something new is said.
 */
function spokenText(parts: readonly AssistantPart[]): string {
  let text = '';
  let isInText = true;
  for (const part of parts) {
    const isText = part.type === 'text' || part.type === 'refusal';
    if (isText && part.text !== '') text += text === '' || isInText ? part.text : PARAGRAPH + part.text;
    if (!isText || part.text !== '') isInText = isText;
  }
  return text;
}

function marked(parts: readonly AssistantPart[], content: string | readonly object[], { losses, dialect }: Writing) {
  const cache = parts.findLast((part) => part.type === 'text' && part.cache !== undefined);
  if (cache?.type !== 'text' || !cache.cache) return content;
  if (!dialect.takesCacheMarks) losses.warn('cache_control removed');
  else if (typeof content === 'string' && content !== '') {
    return [{ type: 'text', text: content, cache_control: cacheControl(cache.cache) }];
  }
  return content;
}

/**
 * In a tool loop DeepSeek, Kimi and Qwen want their thoughts back, as text; after it they would only cost tokens, or be
 * refused. OpenAI's own models refuse them always. Signed lists go back to the servers that issued them.
 */
function thoughtFields(
  thoughts: readonly Thought[],
  isToolLoop: boolean,
  { dialect: { isOpenAi }, losses }: MessageWriting,
): object {
  const isReadable = (thought: Thought) =>
    thought.signature?.protocol === 'openai-chat' || (thought.type === 'reasoning' && !isOpenAi);
  if (!thoughts.every(isReadable)) losses.warn('reasoning in the history removed');
  const texts = thoughts.flatMap((thought) => (thought.type === 'reasoning' && thought.text ? [thought.text] : []));
  return {
    ...(isToolLoop && texts.length > 0 && !isOpenAi && { reasoning_content: texts.join(PARAGRAPH) }),
    ...returnedLists(thoughts),
  };
}

function toolCall(call: ToolCallPart, { dialect, nameOf, losses }: MessageWriting): object {
  losses.foreign(call.foreign);
  const text = call.kind === 'custom' ? wrapInput(call.arguments) : call.arguments;
  return {
    id: call.id,
    type: 'function',
    function: { name: nameOf(call.name), arguments: text.trim() === '' ? '{}' : text },
    ...(dialect.takesThoughtSignatures && extraContent(call.signature)),
  };
}

function toolMessage(part: ToolResultPart | ForeignPart, writing: MessageWriting): readonly object[] {
  if (part.type === 'foreign') {
    writing.losses.warn(`${part.name} removed`);
    return [];
  }
  const { content } = part;
  writing.losses.foreign(part.foreign);
  for (const one of content) {
    if (one.type === 'foreign') writing.losses.warn(`${one.name} in a tool result removed`);
  }
  const text = textsOf(content).join(PARAGRAPH);
  const hasMedia = content.some(({ type }) => type === 'image' || type === 'audio' || type === 'file');
  const said = text === '' && hasMedia ? 'The result is shown in the next user message.' : text;
  const told = part.isError ? failureText(said) : said;
  return [{ role: 'tool', tool_call_id: part.callId, content: told, ...mark(part, writing) }];
}

function mark({ cache, content }: ToolResultPart, { dialect, losses }: Writing): object {
  const last = cache ?? content.flatMap((part) => ('cache' in part && part.cache ? [part.cache] : [])).at(-1);
  if (last && !dialect.takesCacheMarks) losses.warn('cache_control removed');
  return last && dialect.takesCacheMarks ? { cache_control: cacheControl(last) } : {};
}
