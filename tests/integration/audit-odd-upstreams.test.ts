import { describe, expect, test } from 'bun:test';
import { constants, createGzip } from 'node:zlib';
import { eventually } from '../support/eventually.ts';
import { readError } from '../support/expect-error.ts';
import {
  type Answer,
  answer,
  chatFrames,
  completion,
  doneFrame,
  finishFrame,
  frame,
  gate,
  reply,
  roleFrame,
  startUpstream,
  stream,
  textFrame,
  usageFrame,
  type Wire,
} from '../support/scripted-upstream.ts';
import { startRotator } from '../support/server.ts';
import { dataOf, StreamTap, textOf } from '../support/stream-tap.ts';

const oneTry = { retries_same_key: 0 };

/** An event stream in one write, with these very bytes. */
const exactly = (text: string): Answer => stream([text]);

/** Compressed pieces, each flushed as a vendor's server flushes after every event. */
function gzipPieces() {
  const packer = createGzip();
  const ready: Buffer[] = [];
  packer.on('data', (piece: Buffer) => ready.push(piece));
  const taken = () => Buffer.concat(ready.splice(0));
  return {
    flush: async (text: string) => {
      packer.write(text);
      await new Promise<void>((resolve) => packer.flush(constants.Z_SYNC_FLUSH, () => resolve()));
      return taken();
    },
    end: async () => {
      await new Promise<void>((resolve) => packer.on('end', () => resolve()).end());
      return taken();
    },
  };
}

describe('a stream that is written oddly', () => {
  const event = (json: object) => JSON.stringify({ choices: [json] });
  const whole: [string, string, string][] = [
    ['begins with a byte order mark', `\ufeff${chatFrames('a').join('')}`, 'a'],
    [
      'spreads one event over several data lines',
      `data: {"choices":[\ndata: ${JSON.stringify({ index: 0, delta: { content: 'a' }, finish_reason: 'stop' })}]}\n\n${doneFrame()}`,
      'a',
    ],
    ['has event, id and retry lines', `id: 1\nretry: 5\nevent: message\n${chatFrames('a').join('')}`, 'a'],
    ['has empty data lines', `data:\n\n${textFrame('a')}data: \n\n${finishFrame()}${doneFrame()}`, 'a'],
    ['says the finish reason beside the last text', frame({ content: 'a' }, 'stop') + doneFrame(), 'a'],
    [
      'has an error field that is null',
      `data: ${event({ index: 0, delta: { content: 'a' }, finish_reason: null }).replace('{', '{"error":null,')}\n\n${finishFrame()}${doneFrame()}`,
      'a',
    ],
  ];
  test.each(whole)('and %s reaches the client byte for byte', async (_, bytes, text) => {
    await using upstream = await startUpstream({ keys: { one: exactly(bytes) } });
    await using rotator = await startRotator({ upstream });
    const received = new Uint8Array(await (await rotator.stream()).arrayBuffer());
    expect(Buffer.from(received).toString()).toBe(bytes);
    expect(textOf(Buffer.from(received).toString())).toBe(text);
  });

  test.each<[string, string]>([
    ['[DONE]', chatFrames('a').join('').trimEnd()],
    ['the finish reason', (roleFrame() + textFrame('a') + finishFrame()).trimEnd()],
    ['the finish reason and one line end', `${(roleFrame() + textFrame('a') + finishFrame()).trimEnd()}\n`],
  ])('and ends without the blank line behind %s is whole, with one [DONE]', async (_, bytes) => {
    await using upstream = await startUpstream({ keys: { one: exactly(bytes) } });
    await using rotator = await startRotator({ upstream });
    const text = await (await rotator.stream()).text();
    expect(textOf(text)).toBe('a');
    expect(dataOf(text).filter((data) => data === '[DONE]')).toHaveLength(1);
    expect(text).not.toContain('"error"');
    expect((await rotator.keys())[0]?.usage.failures).toBe(0);
  });

  test('goes on after [DONE]: nothing of that reaches the client', async () => {
    await using upstream = await startUpstream({
      keys: { one: exactly(chatFrames('a').join('') + textFrame('more') + finishFrame()) },
    });
    await using rotator = await startRotator({ upstream });
    expect(await (await rotator.stream()).text()).toBe(chatFrames('a').join(''));
  });

  test('never ends after [DONE]: the answer ends there, and the upstream call soon after', async () => {
    const endless: Answer = async (wire) => {
      await wire.head(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' });
      await wire.chunk(chatFrames('a').join(''));
      for (;;) {
        await wire.chunk(': still here\n\n');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await using upstream = await startUpstream({ keys: { one: endless } });
    await using rotator = await startRotator({ upstream });
    expect(await (await rotator.stream()).text()).toBe(chatFrames('a').join(''));
    expect((await rotator.status()).in_flight).toBe(0);
    await eventually('the upstream call is over', () => upstream.open === 0);
  });

  test('is compressed, event by event, all the same reaches the client event by event', async () => {
    const held = gate();
    const packed: Answer = async (wire: Wire) => {
      const pieces = gzipPieces();
      await wire.head(200, {
        'content-type': 'text/event-stream',
        'content-encoding': 'gzip',
        'transfer-encoding': 'chunked',
      });
      await wire.chunk(await pieces.flush(roleFrame() + textFrame('first')));
      await wire.pause(held);
      await wire.chunk(await pieces.flush(textFrame(' second') + finishFrame() + doneFrame()));
      await wire.chunk(await pieces.end());
      await wire.lastChunk();
    };
    await using upstream = await startUpstream({ keys: { one: packed } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.stream();
    expect(response.headers.get('content-encoding')).toBeNull();
    const tap = new StreamTap(response);
    await tap.until('first');
    held.open();
    expect(await tap.rest()).toBe(chatFrames('first', ' second').join(''));
  });
});

describe('the wish for usage', () => {
  const script = stream([roleFrame(), textFrame('a'), finishFrame(), usageFrame(), doneFrame()]);
  test.each<[string, object]>([
    ['no stream options', {}],
    ['include_usage: false', { stream_options: { include_usage: false } }],
    ['stream options that are null', { stream_options: null }],
  ])('of a client with %s is nobody’s: it is asked for upstream, and its frame stays here', async (_, body) => {
    await using upstream = await startUpstream({ keys: { one: script } });
    await using rotator = await startRotator({ upstream });
    expect(await (await rotator.stream(body)).text()).toBe(chatFrames('a').join(''));
    expect(JSON.parse(upstream.calls[0]?.text ?? '').stream_options).toEqual({ include_usage: true });
    expect((await rotator.keys())[0]?.usage).toMatchObject({ input_tokens: 7, output_tokens: 3 });
  });
});

describe('an upstream whose HTTP is odd', () => {
  const informed =
    (line: string, then: Answer): Answer =>
    async (wire, request) => {
      await wire.raw(`HTTP/1.1 ${line}\r\n\r\n`);
      await then(wire, request);
    };
  const raw =
    (head: string, body: object): Answer =>
    async (wire) => {
      await wire.raw(`${head}\r\n\r\n${JSON.stringify(body)}`);
      wire.fin();
    };
  test.each<[string, Answer]>([
    ['100 Continue first', informed('100 Continue', answer('whole'))],
    ['102 Processing first', informed('102 Processing', answer('whole'))],
    ['103 Early Hints first', informed('103 Early Hints\r\nlink: </x>; rel=preload', answer('whole'))],
    ['HTTP/1.0', raw('HTTP/1.0 200 OK\r\ncontent-type: application/json', completion('whole'))],
    [
      'a body up to the end of the connection',
      raw('HTTP/1.1 200 OK\r\ncontent-type: application/json', completion('whole')),
    ],
    ['201', reply(201, completion('whole'))],
    ['60 KB of headers', answer('whole', {}, { 'x-large': 'a'.repeat(60_000) })],
  ])('that answers with %s is understood', async (_, script) => {
    await using upstream = await startUpstream({ keys: { one: script } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat();
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'whole' } }] });
  });

  test.each<[string, Answer]>([
    ['204', (wire) => wire.raw('HTTP/1.1 204 No Content\r\n\r\n')],
    ['304', (wire) => wire.raw('HTTP/1.1 304 Not Modified\r\n\r\n')],
    ['a status above 599', reply(999, { error: { message: 'what' } })],
    ['a page', reply(200, '<html>please log in</html>', { 'content-type': 'text/html' })],
    [
      'less than it announced',
      async (wire) => {
        await wire.head(200, { 'content-type': 'application/json', 'content-length': '5000' });
        await wire.raw(JSON.stringify(completion('short')));
        wire.fin();
      },
    ],
    [
      'more than it announced',
      async (wire) => {
        await wire.head(200, { 'content-type': 'application/json', 'content-length': '20' });
        await wire.raw(JSON.stringify(completion('long')));
      },
    ],
  ])('that answers with %s is 502, and the next key serves', async (_, script) => {
    await using upstream = await startUpstream({ keys: { one: script, two: answer('from two') } });
    await using alone = await startRotator({ upstream, keys: ['one'], rotation: oneTry });
    const failed = await alone.chat();
    expect(failed.status).toBe(502);
    expect(readError(await failed.json()).type).toBe('upstream_error');
    await using rotator = await startRotator({ upstream, rotation: oneTry });
    expect(await (await rotator.chat()).text()).toContain('from two');
  });

  test.each([false, true])(
    'that sends a second answer nobody asked for never answers the next request with it (stream: %p)',
    async (isStream) => {
      const planted = JSON.stringify(completion('PLANTED'));
      const unasked = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${planted.length}\r\n\r\n${planted}`;
      let count = 0;
      const script: Answer = async (wire, request) => {
        const text = `good ${count++}`;
        if (isStream) {
          await wire.head(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' });
          await wire.chunk(chatFrames(text).join(''));
          await wire.raw(`0\r\n\r\n${unasked}`);
          return;
        }
        await answer(text)(wire, request);
        await wire.raw(unasked);
      };
      await using upstream = await startUpstream({ answer: () => script });
      await using rotator = await startRotator({ upstream, keys: ['one'] });
      for (let i = 0; i < 4; i++) {
        const text = await (await rotator.chat({ stream: isStream })).text();
        expect(text).toContain(`good ${i}`);
        expect(text).not.toContain('PLANTED');
      }
    },
  );

  test('that closes after every answer without saying so is asked again without a failure', async () => {
    const closing: Answer = async (wire, request) => {
      await answer('x')(wire, request);
      wire.fin();
    };
    await using upstream = await startUpstream({ answer: () => closing });
    await using rotator = await startRotator({ upstream, keys: ['one'] });
    for (let i = 0; i < 20; i++) expect((await rotator.chat()).status).toBe(200);
    expect(upstream.calls).toHaveLength(20);
  });
});
