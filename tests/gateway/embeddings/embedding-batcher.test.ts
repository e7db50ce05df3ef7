import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { EmbeddingBatcher, type BatchSettings } from '../../../src/gateway/embeddings/embedding-batcher.ts';
import { openAiCall } from '../../../src/gateway/embeddings/embedding-call.ts';
import { type Forwarded, type ForwardInput, NO_ALTERNATIVES, Trace } from '../../../src/gateway/forward.ts';
import { targetOf } from '../../../src/gateway/plan.ts';
import { isProblem } from '../../../src/protocols/codec.ts';
import { readEmbeddingRequest } from '../../../src/protocols/embeddings/openai.ts';
import { usageFor } from '../../../src/protocols/plain-json.ts';
import { ownProvider } from '../../../src/providers/index.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { credentialId } from '../../pool/pool-fixture.ts';
import { runtimeOf } from '../routes-fixture.ts';

/** An upstream whose vector of a text is its number, which takes as long as it is told, and dislikes the word `bad`. */
class Bench {
  readonly clock = new ManualClock();
  readonly sent: (readonly unknown[])[] = [];
  readonly signals: AbortSignal[] = [];
  readonly batcher: EmbeddingBatcher;
  /** Milliseconds that a call of these inputs takes. */
  delayOf: (inputs: readonly unknown[]) => number = () => 0;
  tokens: (inputs: readonly unknown[]) => number | null = (inputs) => inputs.length * 10;
  readonly settled: (number | null)[] = [];
  readonly #target = targetOf({ ...runtimeOf('own', {}), provider: ownProvider('own', 'openai-chat') }, 'e');

  constructor(settings: Partial<BatchSettings> = {}) {
    this.batcher = new EmbeddingBatcher({
      settings: () => ({ isOn: true, size: 4, waitMs: 20, ...settings }),
      clock: this.clock,
      forward: (input, trace) => this.#forward(input, trace),
    });
  }

  async #forward(input: ForwardInput, trace: Trace): Promise<Forwarded> {
    const [target] = input.targets;
    if (!target) throw new Error('no target');
    const prepared = input.job.prepare(target);
    if (isProblem(prepared)) return { kind: 'problem', target, problem: prepared };
    const { input: given } = JSON.parse(new TextDecoder().decode(prepared.body)) as { input: string | string[] };
    const inputs = Array.isArray(given) ? given : [given];
    this.sent.push(inputs);
    this.signals.push(input.clientSignal);
    trace.attempts.push({
      target: target.name,
      credential: 'c',
      status: 200,
      failure: null,
      ms: 1,
      error: null,
      startMs: 0,
    });
    const ms = this.delayOf(inputs);
    if (ms > 0) await this.clock.sleep(ms, input.clientSignal);
    if (input.clientSignal.aborted) return refused(target, { kind: 'timeout', status: 499, message: 'gone' });
    if (inputs.includes('bad'))
      return refused(target, { kind: 'upstream-rejected', status: 400, message: 'bad input' });
    const tokens = this.tokens(inputs);
    const reply = {
      object: 'list',
      data: inputs.map((text, index) => ({ object: 'embedding', index, embedding: [Number(text), 0.5] })).reverse(),
      model: 'upstream-e',
      usage: { prompt_tokens: tokens ?? 0, total_tokens: tokens ?? 0 },
    };
    const bytes = new TextEncoder().encode(JSON.stringify(reply));
    expect(prepared.codec.readReply(bytes).state).toBe('answer');
    return {
      kind: 'answer',
      target,
      credential: credentialId('c'),
      changes: [],
      attempted: {
        kind: 'reply',
        headers: {},
        bytes,
        usage: tokens === null ? null : usageFor(tokens, 0),
        warnings: [],
      },
      lease: {
        settle: (_, usage) => {
          this.settled.push(usage?.inputTokens ?? null);
          return usage;
        },
      },
    };
  }

  async ask(input: unknown, more: { fields?: object; signal?: AbortSignal; client?: string; trace?: Trace } = {}) {
    const body = new TextEncoder().encode(JSON.stringify({ model: 'own/e', input, ...more.fields }));
    const request = readEmbeddingRequest(body);
    if (isProblem(request)) throw new Error(request.message);
    const key = JSON.stringify([more.client ?? 'a', more.fields ?? {}]);
    const forwarded = await this.batcher.send(
      openAiCall(request, key),
      this.#input(more.signal),
      more.trace ?? new Trace(),
    );
    if (forwarded.kind === 'problem') return forwarded.problem.message;
    if (forwarded.attempted.kind !== 'reply') throw new Error('a stream');
    const reply = JSON.parse(new TextDecoder().decode(forwarded.attempted.bytes)) as Reply;
    return {
      // However they stand in the reply: by their index.
      values: reply.data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => embedding[0]),
      tokens: forwarded.lease.settle(null, forwarded.attempted.usage)?.inputTokens ?? null,
      warnings: forwarded.attempted.warnings,
    };
  }

  #input(signal = new AbortController().signal): ForwardInput {
    return {
      job: {
        isStream: false,
        estimateTokens: () => 0,
        prepare: () => ({ kind: 'internal', status: 500, message: '' }),
      },
      headers: new Headers(),
      clientSignal: signal,
      arrivedAt: this.clock.now(),
      timeoutMs: null,
      targets: [this.#target],
      maxTargets: 1,
      onContext: 'stop',
      alternatives: NO_ALTERNATIVES,
      affinity: null,
    };
  }
}

type Reply = { data: { index: number; embedding: number[] }[] };

const refused = (
  target: Extract<Forwarded, { kind: 'problem' }>['target'],
  problem: Extract<Forwarded, { kind: 'problem' }>['problem'],
): Forwarded => ({ kind: 'problem', target, problem });

const values = (answers: readonly unknown[]) =>
  answers.map((answer) => (typeof answer === 'string' ? answer : (answer as { values: number[] }).values));

describe('a batch', () => {
  test('waits from its first input on, not from its last', async () => {
    const bench = new Bench();
    const first = bench.ask('1');
    await bench.clock.advance(15);
    const second = bench.ask('2');
    await bench.clock.advance(4);
    expect(bench.sent).toEqual([]);
    await bench.clock.advance(1);
    expect(bench.sent).toEqual([['1', '2']]);
    expect(values(await Promise.all([first, second]))).toEqual([[1], [2]]);
  });

  test('goes at once when it is full, and the next one has a window of its own', async () => {
    const bench = new Bench();
    const answers = ['1', '2', '3', '4', '5'].map((text) => bench.ask(text));
    expect(bench.sent).toEqual([['1', '2', '3', '4']]);
    await bench.clock.advance(20);
    expect(bench.sent).toEqual([['1', '2', '3', '4'], ['5']]);
    expect(values(await Promise.all(answers))).toEqual([[1], [2], [3], [4], [5]]);
  });

  test('is cut where it is full, in the middle of a request too', async () => {
    const bench = new Bench();
    const answers = [bench.ask(['1', '2', '3']), bench.ask(['4', '5', '6'])];
    await bench.clock.advance(20);
    expect(bench.sent).toEqual([
      ['1', '2', '3', '4'],
      ['5', '6'],
    ]);
    expect(values(await Promise.all(answers))).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  test('holds only requests that ask for the same, of one client', async () => {
    const bench = new Bench();
    const answers = [
      bench.ask('1'),
      bench.ask('2', { fields: { dimensions: 8 } }),
      bench.ask('3', { client: 'b' }),
      bench.ask('4'),
    ];
    await bench.clock.advance(20);
    expect(bench.sent).toEqual([['1', '4'], ['2'], ['3']]);
    expect(values(await Promise.all(answers))).toEqual([[1], [2], [3], [4]]);
  });

  test('is no batch where batching is off', async () => {
    const bench = new Bench({ isOn: false });
    const answers = [bench.ask('1'), bench.ask(['2', '3', '4', '5', '6'])];
    expect(bench.sent).toEqual([['1'], ['2', '3', '4', '5', '6']]);
    expect(values(await Promise.all(answers))).toEqual([[1], [2, 3, 4, 5, 6]]);
  });

  test('of one request alone gives it the upstream’s own bytes', async () => {
    const bench = new Bench();
    const answer = bench.ask(['1', '2']);
    await bench.clock.advance(20);
    expect(await answer).toEqual({ values: [1, 2], tokens: 20, warnings: [] });
  });
});

describe('usage', () => {
  test('is settled once for the call and shared by its requests, to the last token', async () => {
    const bench = new Bench();
    bench.tokens = () => 11;
    const answers = [bench.ask('1'), bench.ask('2'), bench.ask('3')];
    await bench.clock.advance(20);
    const told = (await Promise.all(answers)).map((answer) => (typeof answer === 'string' ? null : answer.tokens));
    expect(told).toEqual([4, 4, 3]);
    expect(bench.settled).toEqual([11]);
  });

  test('is estimated, and said to be, where the vendor tells none', async () => {
    const bench = new Bench();
    bench.tokens = () => null;
    const answer = bench.ask('12345678');
    await bench.clock.advance(20);
    expect(await answer).toEqual({ values: [12_345_678], tokens: 2, warnings: ['usage estimated'] });
  });
});

describe('a bad input', () => {
  test('fails its own request alone', async () => {
    const bench = new Bench();
    const answers = [bench.ask('1'), bench.ask('bad'), bench.ask('3')];
    await bench.clock.advance(20);
    expect(values(await Promise.all(answers))).toEqual([[1], 'bad input', [3]]);
    expect(bench.sent).toEqual([['1', 'bad', '3'], ['1'], ['bad'], ['3']]);
  });

  test('is not asked for twice where it came alone', async () => {
    const bench = new Bench();
    const answer = bench.ask(['1', 'bad']);
    await bench.clock.advance(20);
    expect(await answer).toBe('bad input');
    expect(bench.sent).toHaveLength(1);
  });

  test('leaves its trace with everybody who was in the batch', async () => {
    const bench = new Bench();
    const trace = new Trace();
    const answers = [bench.ask('1', { trace }), bench.ask('bad')];
    await bench.clock.advance(20);
    await Promise.all(answers);
    expect(trace.attempts).toHaveLength(2);
  });
});

describe('a client that goes away', () => {
  test('before its batch has left takes its input with it, and no other', async () => {
    const bench = new Bench();
    const gone = new AbortController();
    const answers = [bench.ask('1', { signal: gone.signal }), bench.ask('2')];
    gone.abort();
    await bench.clock.advance(20);
    expect(bench.sent).toEqual([['2']]);
    expect(values(await Promise.all(answers))).toEqual(['the client went away', [2]]);
  });

  test('afterwards ends nobody else’s call', async () => {
    const bench = new Bench();
    bench.delayOf = () => 100;
    const gone = new AbortController();
    const answers = [bench.ask('1', { signal: gone.signal }), bench.ask('2')];
    await bench.clock.advance(20);
    gone.abort();
    await bench.clock.advance(100);
    expect(values(await Promise.all(answers))).toEqual([[1], [2]]);
    expect(bench.signals[0]?.aborted).toBe(false);
  });

  test('as the last one ends the call', async () => {
    const bench = new Bench();
    bench.delayOf = () => 100;
    const [one, two] = [new AbortController(), new AbortController()];
    const answers = [bench.ask('1', { signal: one.signal }), bench.ask('2', { signal: two.signal })];
    await bench.clock.advance(20);
    one.abort();
    two.abort();
    expect(values(await Promise.all(answers))).toEqual(['gone', 'gone']);
    expect(bench.signals[0]?.aborted).toBe(true);
  });

  test('with a part of its input under way does not wait for the rest', async () => {
    const bench = new Bench();
    bench.delayOf = () => 100;
    const gone = new AbortController();
    const answer = bench.ask(['1', '2', '3', '4', '5'], { signal: gone.signal });
    gone.abort();
    expect(await answer).toBe('the client went away');
    await bench.clock.advance(20);
    expect(bench.sent).toEqual([['1', '2', '3', '4']]);
    expect(bench.signals[0]?.aborted).toBe(true);
  });
});

test('everybody gets the vectors of their own inputs in their own order, whatever comes when', async () => {
  const requests = fc.array(
    fc.record({
      texts: fc.array(fc.integer({ min: 0, max: 999 }), { minLength: 1, maxLength: 9 }),
      at: fc.integer({ min: 0, max: 60 }),
      client: fc.constantFrom('a', 'b'),
    }),
    { minLength: 1, maxLength: 20 },
  );
  const delays = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(requests, delays, fc.integer({ min: 1, max: 7 }), async (all, pauses, size) => {
      const bench = new Bench({ size });
      bench.delayOf = () => pauses[bench.sent.length % pauses.length] ?? 0;
      const answers = all.map(async ({ texts, at, client }) => {
        await bench.clock.sleep(at);
        return bench.ask(texts.map(String), { client });
      });
      await bench.clock.advance(1000);
      expect(values(await Promise.all(answers))).toEqual(all.map(({ texts }) => texts));
      expect(bench.sent.every((inputs) => inputs.length <= size)).toBe(true);
      const total = all.reduce((sum, { texts }) => sum + texts.length * 10, 0);
      expect(bench.settled.reduce<number>((sum, tokens) => sum + (tokens ?? 0), 0)).toBe(total);
    }),
    { numRuns: 60 },
  );
});
