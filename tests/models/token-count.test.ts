import { afterAll, describe, expect, test } from 'bun:test';
import { type CountedInput, type CountWorker, createTokenCounter } from '../../src/models/token-count.ts';
import { piecesOf } from '../../src/models/token-encodings.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';

const input = (more: Partial<CountedInput> = {}): CountedInput => ({
  texts: [],
  tools: [],
  messages: 0,
  images: 0,
  files: 0,
  ...more,
});

describe('with the real tokenizer', () => {
  const counter = createTokenCounter({ clock: systemClock });
  afterAll(() => counter.close());
  const count = (model: string, more: Partial<CountedInput>) => counter.count(model, input(more));

  // As tiktoken counts them.
  test.each([
    ['gpt-4o', 'hello world', 2],
    ['gpt-4o', 'antidisestablishmentarianism', 6],
    ['gpt-4', 'antidisestablishmentarianism', 6],
    ['gpt-4o', 'お誕生日おめでとう', 8],
    ['gpt-4', 'お誕生日おめでとう', 9],
    ['gpt-4o', '2 + 2 = 4', 7],
    ['gpt-4o', '', 0],
  ])('%s: %j is %i tokens', async (model, text, tokens) => {
    expect(await count(model, { texts: [text] })).toEqual({ tokens, source: 'tokenizer' });
  });

  test('a control token in a text is text', async () => {
    expect((await count('gpt-4o', { texts: ['<|endoftext|>'] })).tokens).toBeGreaterThan(3);
  });

  test('messages, tools and pictures are counted', async () => {
    const texts = ['hello world'];
    const plain = await count('gpt-4o', { texts, messages: 1 });
    const withTool = await count('gpt-4o', { texts, messages: 1, tools: ['{"name":"f"}'] });
    const withImage = await count('gpt-4o', { texts, messages: 1, images: 2 });
    expect(plain).toEqual({ tokens: 8, source: 'tokenizer' });
    expect(withTool.tokens).toBeGreaterThan(plain.tokens + 5);
    expect(withImage.tokens).toBe(plain.tokens + 2 * 765);
  });

  test('Claude makes more tokens of a text, and Gemini fewer of a picture', async () => {
    const texts = ['The quick brown fox jumps over the lazy dog. '.repeat(100)];
    const openai = await count('gpt-4o', { texts });
    const claude = await count('claude-sonnet-4-5', { texts });
    expect(claude.tokens).toBe(Math.ceil(openai.tokens * 1.2));
    expect((await count('gemini-2.5-pro', { images: 1 })).tokens).toBe(258);
  });

  test('a text that is made to take long does not', async () => {
    const startedAt = performance.now();
    const { source } = await count('gpt-4o', { texts: ['日'.repeat(40_000), ' '.repeat(40_000), 'a'.repeat(100_000)] });
    expect(source).toBe('tokenizer');
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});

describe('without one', () => {
  class FakeWorker implements CountWorker {
    onmessage: CountWorker['onmessage'] = null;
    onerror: CountWorker['onerror'] = null;
    readonly jobs: { id: number }[] = [];
    isEnded = false;
    postMessage(job: { id: number }): void {
      this.jobs.push(job);
    }
    terminate(): void {
      this.isEnded = true;
    }
    answer(tokens: number | null): void {
      const id = this.jobs.shift()?.id;
      this.onmessage?.call(this as never, { data: { id, tokens } } as MessageEvent);
    }
  }

  function start() {
    const clock = new ManualClock();
    const workers: FakeWorker[] = [];
    const counter = createTokenCounter({
      clock,
      startWorker: () => {
        const worker = new FakeWorker();
        workers.push(worker);
        return worker;
      },
    });
    return { clock, workers, counter };
  }

  test('a count that takes too long is an estimate, and so are those behind it; the next one has a new worker', async () => {
    const { clock, workers, counter } = start();
    const both = [
      counter.count('gpt-4o', input({ texts: ['12345678'] })),
      counter.count('gpt-4o', input({ texts: ['1'] })),
    ];
    await clock.advance(5_000);
    expect(await Promise.all(both)).toEqual([
      { tokens: 2, source: 'estimate' },
      { tokens: 1, source: 'estimate' },
    ]);
    expect(workers[0]?.isEnded).toBeTrue();
    const next = counter.count('gpt-4o', input({ texts: ['1'] }));
    workers[1]?.answer(7);
    expect(await next).toEqual({ tokens: 7, source: 'tokenizer' });
    counter.close();
  });

  test('a worker that breaks, or cannot count, leaves an estimate', async () => {
    const { workers, counter } = start();
    const first = counter.count('gpt-4o', input({ texts: ['1234'] }));
    workers[0]?.onerror?.call({} as never, new ErrorEvent('error'));
    expect(await first).toEqual({ tokens: 1, source: 'estimate' });
    const second = counter.count('gpt-4o', input({ texts: ['1234'] }));
    workers[1]?.answer(null);
    expect((await second).source).toBe('estimate');
    counter.close();
  });

  test('one that cannot be started leaves an estimate', async () => {
    const counter = createTokenCounter({
      clock: new ManualClock(),
      startWorker: () => {
        throw new Error('no threads');
      },
    });
    expect((await counter.count('gpt-4o', input({ texts: ['12345'] }))).source).toBe('estimate');
  });

  test('a text above the limit is estimated, and never sent', async () => {
    const { workers, counter } = start();
    const counted = await counter.count('gpt-4o', input({ texts: ['a'.repeat(4_000_001)] }));
    expect(counted).toEqual({ tokens: 1_000_001, source: 'estimate' });
    expect(workers).toEqual([]);
  });

  test('nothing to count needs no worker', async () => {
    const { workers, counter } = start();
    expect(await counter.count('gpt-4o', input({ images: 1 }))).toEqual({ tokens: 765, source: 'tokenizer' });
    expect(workers).toEqual([]);
  });

  test('a worker that nobody has asked for a while ends', async () => {
    const { clock, workers, counter } = start();
    const counted = counter.count('gpt-4o', input({ texts: ['1'] }));
    workers[0]?.answer(1);
    await counted;
    await clock.advance(59_999);
    expect(workers[0]?.isEnded).toBeFalse();
    await clock.advance(1);
    expect([workers[0]?.isEnded, clock.pending]).toEqual([true, 0]);
    counter.close();
  });
});

test('a text is cut only in runs without a break, and nothing of it is lost', () => {
  const text = `${'word '.repeat(1000)}${'x'.repeat(2500)}${' '.repeat(1200)}end`;
  const pieces = piecesOf(text);
  expect(pieces.join('')).toBe(text);
  expect(pieces.length).toBe(4);
  expect(piecesOf('plain text')).toEqual(['plain text']);
});
