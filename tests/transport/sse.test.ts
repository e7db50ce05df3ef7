import { describe, expect, test } from 'bun:test';
import { SseFramer } from '../../src/transport/sse.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(data);

type Row = { frames: [bytes: string, event: string | null, data: string | null][]; rest: string };

/** One push per chunk; `|` in the input is where one chunk ends. */
function frame(input: string): Row {
  const framer = new SseFramer();
  const frames = input
    .split('|')
    .flatMap((chunk) => framer.push(bytes(chunk)))
    .map((one): Row['frames'][number] => [text(one.bytes), one.event, one.data]);
  return { frames, rest: text(framer.end()) };
}

describe('a framer', () => {
  const rows: Record<string, [input: string, expected: Row]> = {
    'takes one frame per chunk': ['data: {"a":1}\n\n', { frames: [['data: {"a":1}\n\n', null, '{"a":1}']], rest: '' }],
    'takes several frames of one chunk': [
      'data: a\n\nevent: ping\ndata: b\n\n',
      {
        frames: [
          ['data: a\n\n', null, 'a'],
          ['event: ping\ndata: b\n\n', 'ping', 'b'],
        ],
        rest: '',
      },
    ],
    'joins a frame that comes in pieces': ['da|ta: a\n|\n', { frames: [['data: a\n\n', null, 'a']], rest: '' }],
    'keeps CRLF line ends': ['data: a\r\n\r\n', { frames: [['data: a\r\n\r\n', null, 'a']], rest: '' }],
    'waits for the LF of a CRLF that is cut apart': [
      'data: a\r|\n\r|\ndata: b\r\n\r\n',
      {
        frames: [
          ['data: a\r\n\r\n', null, 'a'],
          ['data: b\r\n\r\n', null, 'b'],
        ],
        rest: '',
      },
    ],
    'gives a frame of bare CRs at once': ['data: a\r\r', { frames: [['data: a\r\r', null, 'a']], rest: '' }],
    'ends a frame at a CR that no LF follows': [
      'data: a\n\r|data: b\n\n',
      {
        frames: [
          ['data: a\n\r', null, 'a'],
          ['data: b\n\n', null, 'b'],
        ],
        rest: '',
      },
    ],
    'gives an LF behind bare CRs to the next frame, where it ends no line': [
      'data: a\r\r|\ndata: b\n\n',
      {
        frames: [
          ['data: a\r\r', null, 'a'],
          ['\ndata: b\n\n', null, 'b'],
        ],
        rest: '',
      },
    ],
    'skips a BOM at the start': [
      '\ufeffdata: a\n\n\ufeffdata: b\n\n',
      {
        frames: [
          ['\ufeffdata: a\n\n', null, 'a'],
          ['\ufeffdata: b\n\n', null, null],
        ],
        rest: '',
      },
    ],
    'joins data lines with newlines': [
      'data: a\ndata:b\ndata\n\n',
      { frames: [['data: a\ndata:b\ndata\n\n', null, 'a\nb\n']], rest: '' },
    ],
    'takes one space off a value and no more': [
      'data:  a \n\n',
      { frames: [['data:  a \n\n', null, ' a ']], rest: '' },
    ],
    'has no data for a comment': [
      ': OPENROUTER PROCESSING\n\n',
      { frames: [[': OPENROUTER PROCESSING\n\n', null, null]], rest: '' },
    ],
    'ignores other fields and longer names': [
      'id: 1\nretry: 2\ndatabase: x\nevents: y\n\n',
      { frames: [['id: 1\nretry: 2\ndatabase: x\nevents: y\n\n', null, null]], rest: '' },
    ],
    'reads an empty event name as none': [
      'event:\ndata: a\n\n',
      { frames: [['event:\ndata: a\n\n', null, 'a']], rest: '' },
    ],
    'takes the last event name': [
      'event: a\nevent: b\ndata:\n\n',
      { frames: [['event: a\nevent: b\ndata:\n\n', 'b', '']], rest: '' },
    ],
    'gives blank lines as empty frames': [
      '\n\ndata: a\n\n',
      {
        frames: [
          ['\n', null, null],
          ['\n', null, null],
          ['data: a\n\n', null, 'a'],
        ],
        rest: '',
      },
    ],
    'keeps a broken end as rest': ['data: a\n\ndata: {"b', { frames: [['data: a\n\n', null, 'a']], rest: 'data: {"b' }],
  };
  for (const [name, [input, expected]] of Object.entries(rows)) {
    test(name, () => expect(frame(input)).toEqual(expected));
  }

  test('does not copy a frame that lies within one chunk', () => {
    const chunk = bytes('data: a\n\ndata: b\n\n');
    const frames = new SseFramer().push(chunk);
    expect(frames.map((one) => one.bytes.buffer === chunk.buffer)).toEqual([true, true]);
  });

  test('says how much it holds back, and nothing more than the unfinished frame', () => {
    const framer = new SseFramer();
    framer.push(bytes('data: a\n\ndata: b'));
    expect(framer.pendingBytes).toBe(7);
    framer.push(bytes('\n\n'));
    expect(framer.pendingBytes).toBe(0);
  });

  test('replaces bytes that are not UTF-8 in the text and keeps them in the bytes', () => {
    const [one] = new SseFramer().push(new Uint8Array([...bytes('data: '), 0xff, 0x0a, 0x0a]));
    expect(one?.data).toBe('\ufffd');
    expect(one?.bytes[6]).toBe(0xff);
  });

  test('takes one line of 30 MB in small chunks, and in pieces of a few bytes', () => {
    const framer = new SseFramer();
    const piece = new Uint8Array(16 * 1024).fill(0x61);
    framer.push(bytes('data: '));
    for (let i = 0; i < 1920; i++) expect(framer.push(piece)).toBeEmpty();
    const [one] = framer.push(bytes('\n\n'));
    expect(one?.bytes.length).toBe(6 + 1920 * piece.length + 2);
    expect(one?.data?.length).toBe(1920 * piece.length);

    const tiny = piece.subarray(0, 3);
    for (let i = 0; i < 200_000; i++) framer.push(tiny);
    expect(framer.pendingBytes).toBe(600_000);
  });

  test('takes a chunk of many short lines', () => {
    const framer = new SseFramer();
    expect(framer.push(bytes(': x\r\n'.repeat(200_000)))).toBeEmpty();
    expect(framer.push(bytes('\r\n'))).toHaveLength(1);
  });
});
