import { describe, expect, test } from 'bun:test';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChatQuestion, chatBody, joinPrompt, readAttachment, readOption } from '../../src/cli/chat-request.ts';
import { CliError } from '../../src/shared/cli-error.ts';

const question: ChatQuestion = {
  model: 'demo/chat',
  system: undefined,
  prompt: 'hi',
  attachments: [],
  temperature: undefined,
  maxTokens: undefined,
  options: {},
  isStream: true,
  wantsUsage: false,
};

describe('the prompt', () => {
  test.each([
    [['explain', 'this'], 'code\n', 'explain this\n\ncode'],
    [['explain'], '', 'explain'],
    [[], 'piped\n', 'piped'],
    [[], ' \n', ''],
  ])('%j and %j make %j', (words, piped, prompt) => expect(joinPrompt(words, piped)).toBe(prompt));
});

describe('the request body', () => {
  test('plain text is a plain string', () => {
    expect(chatBody(question)).toEqual({
      model: 'demo/chat',
      messages: [{ role: 'user', content: 'hi' }],
      stream: true,
    });
  });

  test('everything that was asked for is in it, and -o wins', () => {
    const body = chatBody({
      ...question,
      system: 'be brief',
      temperature: 0.5,
      maxTokens: 9,
      wantsUsage: true,
      options: { temperature: 1, top_p: 0.9 },
    });
    expect(body).toEqual({
      model: 'demo/chat',
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'hi' },
      ],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 1,
      max_tokens: 9,
      top_p: 0.9,
    });
  });

  test('images are parts and text files are text', () => {
    const body = chatBody({
      ...question,
      attachments: [
        { kind: 'image', url: 'data:image/png;base64,AA==' },
        { kind: 'text', name: 'a.txt', text: 'content' },
      ],
    });
    expect(body.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'hi\n\na.txt:\n\ncontent' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
        ],
      },
    ]);
  });
});

describe('-o KEY=VALUE', () => {
  test.each([
    ['top_p=0.9', 'top_p', 0.9],
    ['stop=["END"]', 'stop', ['END']],
    ['user=me', 'user', 'me'],
    ['user=a=b', 'user', 'a=b'],
  ] as const)('%s', (written, key, value) => {
    expect(readOption(written)).toEqual([key, value] as ReturnType<typeof readOption>);
  });

  test('without a key it is a usage error', () => {
    expect(() => readOption('=x')).toThrow(CliError);
    expect(() => readOption('x')).toThrow('option "x" is not KEY=VALUE');
  });
});

describe('-f FILE', () => {
  const dir = mkdtempSync(join(tmpdir(), 'rotator-attachment-'));
  const file = (name: string, bytes: Uint8Array | string) => {
    writeFileSync(join(dir, name), bytes);
    return name;
  };

  test('an image is known by its bytes, whatever its name', () => {
    const bytes = Buffer.from('89504e470d0a1a0a', 'hex');
    expect(readAttachment(file('picture.txt', bytes), dir)).toEqual({
      kind: 'image',
      url: `data:image/png;base64,${bytes.toString('base64')}`,
    });
  });

  test('UTF-8 is text', () => {
    expect(readAttachment(file('notes.md', 'grüße'), dir)).toEqual({ kind: 'text', name: 'notes.md', text: 'grüße' });
  });

  test('anything else is refused by name', () => {
    expect(() => readAttachment(file('a.bin', Uint8Array.of(0xff, 0xfe, 0x00)), dir)).toThrow(
      'file "a.bin" is neither',
    );
    expect(() => readAttachment('missing.txt', dir)).toThrow('file "missing.txt" does not exist');
  });
});
