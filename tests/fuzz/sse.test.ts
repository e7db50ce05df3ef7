import { describe, expect, test } from 'bun:test';
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { SseFramer } from '../../src/transport/sse.ts';

type Seen = { bytes: string; event: string | null; data: string | null };

const encoder = new TextEncoder();
const exact = new TextDecoder('utf-8', { ignoreBOM: true });

function framed(chunks: readonly Uint8Array[]): { frames: Seen[]; joined: Uint8Array } {
  const framer = new SseFramer();
  const frames: Seen[] = [];
  const pieces: Uint8Array[] = [];
  for (const chunk of chunks) {
    for (const { bytes, event, data } of framer.push(chunk)) {
      frames.push({ bytes: Buffer.from(bytes).toString('latin1'), event, data });
      pieces.push(bytes);
    }
  }
  pieces.push(framer.end());
  return { frames, joined: Buffer.concat(pieces) };
}

function split(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [0, ...[...places].sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((end, i) => bytes.slice(cuts[i], end));
}

/** What an independent parser dispatches. A last CR is cut off: it waits there for an LF. */
function oracle(text: string): { event: string | null; data: string }[] {
  const events: { event: string | null; data: string }[] = [];
  const parser = createParser({ onEvent: ({ event, data }) => events.push({ event: event || null, data }) });
  parser.feed(text);
  return events;
}

const recorded: Record<string, string> = {
  'OpenAI chat': [
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n',
    'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"Größe 日本 🚀"},"finish_reason":null}]}\n\n',
    'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    'data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}\n\n',
    'data: [DONE]\n\n',
  ].join(''),
  'OpenRouter with comments':
    ': OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n',
  'Anthropic messages': [
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":3}}}\n\n',
    'event: ping\ndata: {"type": "ping"}\n\n',
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé"}}\n\n',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  ].join(''),
  'Gemini with CRLF':
    'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}\r\n\r\ndata: {"candidates":[{"finishReason":"STOP"}]}\r\n\r\n',
  'bare CR': 'event: a\rdata: 1\rdata: 2\r\rdata: 3\r\r: c\r\r',
  'BOM, ids, retries and missing colons':
    '\ufeffid: 7\nretry: 10\ndata\n\ndata\ndata\n\nevent\ndata:x\n\n\n\ndata: y\n\n',
  'mixed line ends': 'data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\n',
  'cut off': 'data: a\n\ndata: {"b":',
};

describe('recorded streams', () => {
  for (const [name, text] of Object.entries(recorded)) {
    const bytes = encoder.encode(text);
    const whole = framed([bytes]);

    test(`${name}: the frames and the rest are the stream`, () => {
      expect(exact.decode(whole.joined)).toBe(text);
    });
    test(`${name}: split at every byte gives the same frames`, () => {
      for (let at = 0; at <= bytes.length; at++) expect(framed(split(bytes, [at]))).toEqual(whole);
      expect(framed([...bytes].map((byte) => new Uint8Array([byte])))).toEqual(whole);
    });
    test(`${name}: split at random places gives the same frames`, () => {
      fc.assert(
        fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (places) => {
          expect(framed(split(bytes, places))).toEqual(whole);
        }),
        { numRuns: 100 },
      );
    });
    test(`${name}: an independent parser reads the same events`, () => {
      expect(whole.frames.flatMap(({ event, data }) => (data === null ? [] : [{ event, data }]))).toEqual(oracle(text));
    });
  }
});

const line = fc.oneof(
  fc.constantFrom(
    'data',
    'data:',
    'event: x',
    'event:',
    ':',
    ': note',
    'id: 1',
    'retry: 5',
    'nonsense',
    'data:data: a',
  ),
  fc.string({ unit: fc.constantFrom('a', ' ', ':', 'é', '日', '🚀', '{', '\ufeff') }).map((value) => `data: ${value}`),
  fc.string({ unit: fc.constantFrom('a', ' ', ':', 'd') }),
);

/** Streams of one kind of line end each, or of all kinds mixed. */
const stream = fc
  .tuple(
    fc.array(fc.oneof(line, fc.constant('')), { maxLength: 25 }),
    fc.constantFrom(['\n'], ['\r\n'], ['\r'], ['\n', '\r\n', '\r']),
  )
  .chain(([lines, ends]) =>
    fc
      .array(fc.constantFrom(...ends), { minLength: lines.length, maxLength: lines.length })
      .map((chosen) => lines.map((one, i) => one + chosen[i]).join('')),
  );

describe('random streams', () => {
  test('no byte is lost, added or moved, and the chunks never change the frames', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(500), { maxLength: 12 }), (text, places) => {
        const bytes = encoder.encode(text);
        const whole = framed([bytes]);
        expect(exact.decode(whole.joined)).toBe(text);
        expect(
          framed(
            split(
              bytes,
              places.map((place) => Math.min(place, bytes.length)),
            ),
          ),
        ).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  test('an independent parser reads the same events', () => {
    fc.assert(
      fc.property(stream, (start) => {
        // A CR at the very end still waits for its LF; a comment behind it decides.
        const text = `${start}\n\n:\n`;
        const { frames } = framed([encoder.encode(text)]);
        expect(frames.flatMap(({ event, data }) => (data === null ? [] : [{ event, data }]))).toEqual(oracle(text));
      }),
      { numRuns: 500 },
    );
  });

  test('arbitrary bytes pass through', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(300), { maxLength: 8 }), (bytes, places) => {
        const whole = framed([bytes]);
        expect(Buffer.from(whole.joined).equals(bytes)).toBe(true);
        expect(
          framed(
            split(
              bytes,
              places.map((place) => Math.min(place, bytes.length)),
            ),
          ),
        ).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });
});
