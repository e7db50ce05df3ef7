import { unwrapInput } from '../custom-tools.ts';
import type { ReplyContext, Warned } from '../codec.ts';
import type { AssistantPart, ChatReply, Choice, JsonRecord, ToolCallPart } from '../ir.ts';
import {
  annotation,
  CallDialect,
  FURTHER_CALLS,
  imageEntry,
  logprobsBody,
  UNREACHABLE_IMAGE,
  usageBody,
} from './answer-pieces.ts';
import { finishWord } from './finish.ts';
import { Losses } from './losses.ts';
import { type Thought, ThoughtLists } from './reasoning-fields.ts';
import { extraContent } from './thought-signature.ts';

/** A `chat.completion`. */
export function encodeReply(reply: ChatReply, context: ReplyContext): Warned<JsonRecord> {
  const losses = new Losses();
  const dialect = new CallDialect(context.request);
  const showsThoughts = context.request.reasoning?.isShown !== false;
  const value: JsonRecord = {
    id: reply.id ?? `chatcmpl-${context.seed}`,
    object: 'chat.completion',
    created: reply.created ?? context.now,
    model: reply.model ?? context.model,
    choices: reply.choices.map(({ parts, finish }, index) => ({
      index,
      message: message({ parts, finish }, { dialect, showsThoughts, losses, seed: `${context.seed}${index}` }),
      logprobs: logprobsOf(parts),
      finish_reason: finishWord(finish, parts.some(isCall), dialect.isLegacy),
    })),
    ...(reply.usage && { usage: usageBody(reply.usage) }),
  };
  return { value, warnings: losses.warnings };
}

type Writing = {
  readonly dialect: CallDialect;
  readonly showsThoughts: boolean;
  readonly losses: Losses;
  readonly seed: string;
};

const isCall = (part: AssistantPart): part is ToolCallPart => part.type === 'tool-call';

function message({ parts }: Choice, writing: Writing): object {
  const texts = parts.filter((part) => part.type === 'text');
  const text = texts.map((part) => part.text).join('');
  const refusal = parts.flatMap((part) => (part.type === 'refusal' ? [part.text] : [])).join('');
  const annotations = annotationsOf(texts);
  const drawn = parts.filter((part) => part.type === 'image');
  const images = drawn.flatMap((part, index) => imageEntry(part, index) ?? []);
  if (images.length < drawn.length) writing.losses.warn(UNREACHABLE_IMAGE);
  const audio = parts.find((part) => part.type === 'audio');
  const signed = texts.findLast(({ signature }) => signature !== undefined);
  for (const part of parts) if (part.type === 'foreign') writing.losses.warn(`${part.name} removed`);
  return {
    role: 'assistant',
    content: text === '' && (parts.some(isCall) || refusal !== '' || parts.length === 0) ? null : text,
    refusal: refusal === '' ? null : refusal,
    ...(writing.showsThoughts && thoughtFields(parts)),
    ...callFields(parts.filter(isCall), writing),
    ...(annotations.length > 0 && { annotations }),
    ...(images.length > 0 && { images }),
    ...(audio?.source.kind === 'data' && { audio: sound(audio.source.data, text, writing.seed) }),
    ...extraContent(signed?.signature),
  };
}

function logprobsOf(parts: readonly AssistantPart[]): object | null {
  const logprobs = parts.flatMap((part) => (part.type === 'text' && part.logprobs) || []);
  return logprobs.length > 0 ? logprobsBody(logprobs) : null;
}

function annotationsOf(texts: readonly Extract<AssistantPart, { type: 'text' }>[]): readonly object[] {
  let start = 0;
  return texts.flatMap(({ text, citations }) => {
    const end = start + text.length;
    const written = (citations ?? []).map((citation) => annotation(citation, { start, end }));
    start = end;
    return written;
  });
}

function thoughtFields(parts: readonly AssistantPart[]): object {
  const thoughts = parts.filter(
    (part): part is Thought => part.type === 'reasoning' || part.type === 'redacted-reasoning',
  );
  const text = thoughts
    .flatMap((part) => (part.type === 'reasoning' && part.text !== '' ? [part.text] : []))
    .join('\n\n');
  const lists = new ThoughtLists();
  const all = thoughts.map((thought) => lists.push(thought));
  const details = all.flatMap(({ reasoning_details }) => reasoning_details ?? []);
  const blocks = all.flatMap(({ thinking_blocks }) => thinking_blocks ?? []);
  return {
    ...(text !== '' && { reasoning_content: text }),
    ...(details.length > 0 && { reasoning_details: details }),
    ...(blocks.length > 0 && { thinking_blocks: blocks }),
  };
}

function callFields(calls: readonly ToolCallPart[], { dialect, losses, seed }: Writing): object {
  const [first, second] = calls;
  if (!first) return {};
  if (dialect.isLegacy) {
    if (second) losses.warn(FURTHER_CALLS);
    return { function_call: { name: first.name, arguments: first.arguments || '{}' } };
  }
  return {
    tool_calls: calls.map((call, index) => ({
      id: call.id === '' ? `call_${seed}${index}` : call.id,
      ...body(call, dialect),
      ...extraContent(call.signature),
    })),
  };
}

function body(call: ToolCallPart, dialect: CallDialect): object {
  const { name, kind } = call;
  if (!dialect.isCustom(call)) return { type: 'function', function: { name, arguments: call.arguments || '{}' } };
  const input = kind === 'custom' ? call.arguments : unwrapInput(call.arguments);
  return { type: 'custom', custom: { name, input } };
}

const sound = (data: string, transcript: string, seed: string) => ({
  id: `audio_${seed}`,
  data,
  expires_at: 0,
  transcript,
});
