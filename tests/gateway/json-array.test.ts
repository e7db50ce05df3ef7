import { expect, test } from 'bun:test';
import { JsonArrayOutlet } from '../../src/gateway/json-array.ts';

async function written(...pieces: string[]): Promise<string> {
  let text = '';
  const outlet = new JsonArrayOutlet({
    write: async (bytes) => {
      text += typeof bytes === 'string' ? bytes : new TextDecoder().decode(bytes);
    },
  });
  for (const piece of pieces) await outlet.write(piece);
  await outlet.close();
  return text;
}

test('events are elements, whatever pieces they come in', async () => {
  const events = 'data: {"a":1}\n\ndata: {"b":\ndata: 2}\n\n: rotator\n\ndata: {"c":3}\n\n';
  for (const pieces of [[events], [...events], events.split(/(?<=\n\n)/)]) {
    expect(JSON.parse(await written(...pieces))).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
  }
});

test('a heartbeat in front of everything opens the array, so that its client sees a status', async () => {
  expect(await written(': rotator\n\n', ': rotator\n\n', 'data: {"a":1}\n\n')).toBe('[{"a":1}]');
});

test('nothing at all is an empty array', async () => {
  expect(await written()).toBe('[]');
  expect(await written(': rotator\n\n')).toBe('[]');
});
