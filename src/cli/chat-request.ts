import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { CliError, ExitCode } from '../shared/cli-error.ts';

export type ChatQuestion = {
  readonly model: string;
  readonly system: string | undefined;
  /** Prompt and piped text, already joined. */
  readonly prompt: string;
  readonly attachments: readonly Attachment[];
  readonly temperature: number | undefined;
  readonly maxTokens: number | undefined;
  /** Further body fields, from `-o KEY=VALUE`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly isStream: boolean;
  readonly wantsUsage: boolean;
};

export type Attachment =
  | { readonly kind: 'image'; readonly url: string }
  | { readonly kind: 'text'; readonly name: string; readonly text: string };

/** The words of the command line, a blank line, what was piped in. Empty when there is neither. */
export function joinPrompt(words: readonly string[], piped: string): string {
  return [words.join(' '), piped.trimEnd()].filter((part) => part.trim() !== '').join('\n\n');
}

/** An OpenAI chat body. Explicit `-o` fields win over everything, for they are the most specific. */
export function chatBody(question: ChatQuestion): Record<string, unknown> {
  const texts = question.attachments.filter((attachment) => attachment.kind === 'text');
  const images = question.attachments.filter((attachment) => attachment.kind === 'image');
  const text = [question.prompt, ...texts.map((file) => `${file.name}:\n\n${file.text}`)]
    .filter((part) => part !== '')
    .join('\n\n');
  // Plain text stays a plain string: not every server takes a list of parts.
  const content =
    images.length === 0
      ? text
      : [
          ...(text === '' ? [] : [{ type: 'text', text }]),
          ...images.map(({ url }) => ({ type: 'image_url', image_url: { url } })),
        ];
  return {
    model: question.model,
    messages: [
      ...(question.system === undefined ? [] : [{ role: 'system', content: question.system }]),
      { role: 'user', content },
    ],
    ...(question.isStream ? { stream: true } : {}),
    ...(question.isStream && question.wantsUsage ? { stream_options: { include_usage: true } } : {}),
    ...(question.temperature === undefined ? {} : { temperature: question.temperature }),
    ...(question.maxTokens === undefined ? {} : { max_tokens: question.maxTokens }),
    ...question.options,
  };
}

/** `KEY=VALUE`, the value read as JSON where it is JSON and as text otherwise. */
export function readOption(written: string): readonly [string, unknown] {
  const at = written.indexOf('=');
  if (at < 1)
    throw new CliError(
      ExitCode.usage,
      'usage',
      `option "${written}" is not KEY=VALUE`,
      'for example: -o top_p=0.9 -o \'stop=["END"]\'',
    );
  const value = written.slice(at + 1);
  try {
    return [written.slice(0, at), JSON.parse(value)];
  } catch {
    return [written.slice(0, at), value];
  }
}

export function readAttachment(path: string, cwd: string): Attachment {
  const bytes = readBytes(path, cwd);
  const type = imageType(bytes);
  if (type) return { kind: 'image', url: `data:${type};base64,${bytes.toString('base64')}` };
  try {
    return { kind: 'text', name: basename(path), text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    throw new CliError(
      ExitCode.usage,
      'unreadable_file',
      `file "${path}" is neither text nor an image`,
      'images may be PNG, JPEG, GIF or WebP; text must be UTF-8',
    );
  }
}

function readBytes(path: string, cwd: string): Buffer {
  try {
    return readFileSync(resolve(cwd, path));
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const why = code === 'ENOENT' ? 'does not exist' : code === 'EISDIR' ? 'is a directory' : 'cannot be read';
    throw new CliError(ExitCode.usage, 'unreadable_file', `file "${path}" ${why}`, undefined, cause);
  }
}

/** By the first bytes, not the name: a wrong media type is refused upstream. */
function imageType(bytes: Buffer): string | null {
  const head = bytes.subarray(0, 12).toString('latin1');
  if (head.startsWith('\x89PNG\r\n')) return 'image/png';
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'image/gif';
  if (head.startsWith('RIFF') && head.slice(8) === 'WEBP') return 'image/webp';
  return null;
}
