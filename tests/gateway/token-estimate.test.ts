import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { openAiChat } from '../../src/protocols/openai-chat/index.ts';
import { estimateInput, estimateTokens, OutputMeans } from '../../src/gateway/token-estimate.ts';
import { JsonIndex } from '../../src/shared/json-bytes.ts';

const encode = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

function indexOf(body: unknown): JsonIndex {
  const index = JsonIndex.of(encode(body));
  if (!index) throw new Error('no JSON object');
  return index;
}

const base64 = (bytes: number, fill = 7) => Buffer.alloc(bytes, fill).toString('base64');
const chat = (...parts: unknown[]) => ({ model: 'm', messages: [{ role: 'user', content: parts }] });
const image = (data: string) => ({ type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } });
const sound = (data: string) => ({ type: 'input_audio', input_audio: { data, format: 'wav' } });
const file = (data: string) => ({ type: 'file', file: { file_data: `data:application/pdf;base64,${data}` } });
/** What the rest of a body costs. */
const around = (...parts: unknown[]) => Math.ceil(encode(chat(...parts)).length / 4);

describe('the input', () => {
  test('is a quarter of its bytes', () => {
    expect(estimateInput(encode('x'.repeat(1000)))).toBe(250);
    expect(estimateInput(encode('x'.repeat(100_001)))).toBe(25_001);
    expect(estimateInput(encode('é'.repeat(100_000)))).toBe(50_000);
  });

  test.each([
    ['an image', [image(base64(90_000))], 1, around(image(''))],
    ['three images', Array(3).fill(image(base64(90_000))), 3, around(image(''), image(''), image(''))],
    ['sound', [sound(base64(2_000_000))], 1, around(sound(''))],
    ['a file', [file(base64(90_000))], 1, around(file(''))],
    [
      'all of them',
      [image(base64(9000)), sound(base64(9000)), file(base64(9000))],
      3,
      around(image(''), sound(''), file('')),
    ],
  ])('counts %s flat', (_, parts, runs, rest) => {
    const estimate = estimateInput(encode(chat(...parts)));
    expect(Math.abs(estimate - (runs * 1500 + rest))).toBeLessThanOrEqual(3);
  });

  test('finds base64 with escaped slashes, odd spaces and without an end', () => {
    const slashes = base64(9000, 255).replaceAll('/', '\\/');
    expect(estimateInput(encode(`{"url":"data:image/png;base64,${slashes}"}`))).toBeLessThan(1520);
    expect(estimateInput(encode(`{ "data" :\n "${base64(9000)}" }`))).toBeLessThan(1520);
    expect(estimateInput(encode(`{"url":"data:image/png;base64,${base64(9000)}`))).toBeLessThan(1520);
  });

  test('counts a short run as the text it is', () => {
    const icon = encode(chat(image(base64(600)), 'x'.repeat(9000)));
    expect(estimateInput(icon)).toBe(Math.ceil(icon.length / 4));
  });

  test.each([
    ['talk of data URLs', `${';base64, is how '.repeat(1000)}`],
    ['a text under the name of data', JSON.stringify({ data: 'some words '.repeat(1000) })],
    ['an object under the name of data', JSON.stringify({ data: { rows: 'some words '.repeat(1000) } })],
    ['a data URL of text', JSON.stringify({ data: `data:text/plain,${'some words '.repeat(1000)}` })],
  ])('takes %s for text', (_, text) => {
    expect(estimateInput(encode(text))).toBe(Math.ceil(encode(text).length / 4));
  });

  test('counts a data URL inside a field of data once', () => {
    const long = base64(60_000);
    const inside = encode(`{"data":"${long};base64,${long}"}`);
    expect(estimateInput(inside)).toBeWithin(1500, 1520);
    const named = encode(`{"data":"data:image/png;base64,${long}"}`);
    expect(estimateInput(named)).toBeWithin(1500, 1520);
    // What comes behind it is found all the same.
    const behind = encode(`{"data":"${long};base64,${long}","url":"data:image/png;base64,${long}","data":"${long}"}`);
    expect(estimateInput(behind)).toBeWithin(4500, 4530);
  });

  test('is estimated for any bytes, between nothing and a token for every byte', () => {
    const pieces = fc.constantFrom(
      '"data"',
      ';base64,',
      '"',
      ':',
      base64(6000),
      'words and words ',
      '\\',
      '{',
      '"data":"',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (list) => {
        const bytes = encode(list.join(''));
        const estimate = estimateInput(bytes);
        expect(estimate).toBeGreaterThanOrEqual(0);
        expect(estimate).toBeLessThanOrEqual(Math.ceil(bytes.length / 4));
      }),
      { numRuns: 500 },
    );
  });
});

describe('the output', () => {
  const input = (body: object) => estimateInput(encode(body));
  const output = (body: object, mean: number | null) =>
    estimateTokens(indexOf(body).bytes, openAiChat.layout.maxOutputTokens(indexOf(body)), mean) - input(body);

  test.each([
    ['the mean of the model where the client allows more', { max_tokens: 4000 }, 120.4, 121],
    ['what the client allows where that is less', { max_tokens: 16 }, 120, 16],
    ['the newer name of the field first', { max_tokens: 4000, max_completion_tokens: 10 }, 120, 10],
    ['the mean where the client says nothing', {}, 120, 120],
    ['the mean where the client says nonsense', { max_tokens: 'many' }, 120, 120],
    ['a guess for a model that has not answered', {}, null, 500],
    ['what the client allows of a model that has not answered', { max_tokens: 5 }, null, 5],
  ])('is %s', (_, fields, mean, expected) => {
    expect(output({ ...chat(), ...fields }, mean)).toBe(expected);
  });
});

describe('the means', () => {
  test('are of each provider and model', () => {
    const means = new OutputMeans();
    means.add('groq', 'a', 100);
    means.add('groq', 'a', 200);
    means.add('groq', 'b', 7);
    means.add('groq', 'b', null);
    expect(means.meanOf('groq', 'a')).toBe(150);
    expect(means.meanOf('groq', 'b')).toBe(7);
    expect(means.meanOf('mistral', 'a')).toBeNull();
  });

  test('follow a change of use', () => {
    const means = new OutputMeans();
    for (let i = 0; i < 1000; i++) means.add('groq', 'a', 10);
    for (let i = 0; i < 200; i++) means.add('groq', 'a', 1000);
    expect(means.meanOf('groq', 'a') ?? 0).toBeGreaterThan(950);
  });

  test('are kept for the models that answered last', () => {
    const means = new OutputMeans(2);
    means.add('groq', 'a', 1);
    means.add('groq', 'b', 2);
    means.add('groq', 'a', 1);
    means.add('groq', 'c', 3);
    expect(['a', 'b', 'c'].map((model) => means.meanOf('groq', model))).toEqual([1, null, 3]);
  });
});
