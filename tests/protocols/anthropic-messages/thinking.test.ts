import { describe, expect, test } from 'bun:test';
import type { EncodeContext } from '../../../src/protocols/codec.ts';
import type { ChatRequest } from '../../../src/protocols/ir.ts';
import { LEVELS, type ReasoningTraits } from '../../../src/protocols/reasoning.ts';
import { encode } from './requests.ts';

const budgets: ReasoningTraits = { kind: 'budget', min: 1024, max: 128_000, allowsZero: true, allowsDynamic: false };
const adaptive: ReasoningTraits = { kind: 'adaptive', levels: LEVELS.slice(1), alsoBudget: false };
const both: ReasoningTraits = { kind: 'adaptive', levels: ['low', 'medium', 'high', 'max'], alsoBudget: true };
const none: ReasoningTraits = { kind: 'none' };
const unknown: ReasoningTraits = { kind: 'unknown' };
const wish = (amount: NonNullable<ChatRequest['reasoning']>['amount'], isShown: boolean | null = null) => ({
  reasoning: { amount, isShown },
});
const level = (name: (typeof LEVELS)[number]) => wish({ kind: 'level', level: name });
const budget = (tokens: number) => wish({ kind: 'budget', tokens });
const fn = { type: 'function', name: 'f', description: null, parameters: null, isStrict: null } as const;

type Row = readonly [string, Partial<ChatRequest>, Partial<EncodeContext>, object];

const rows: readonly Row[] = [
  [
    'a level is a budget',
    level('high'),
    { reasoning: budgets },
    { thinking: { type: 'enabled', budget_tokens: 24576 }, max_tokens: 32768 },
  ],
  [
    'a level is an effort',
    level('high'),
    { reasoning: adaptive },
    { thinking: { type: 'adaptive' }, output_config: { effort: 'high' } },
  ],
  [
    'a level the model lacks is its nearest',
    level('xhigh'),
    { reasoning: both },
    { output_config: { effort: 'high' } },
  ],
  ['the least of it is low', level('minimal'), { reasoning: adaptive }, { output_config: { effort: 'low' } }],
  [
    'a budget stays one where it may',
    budget(2000),
    { reasoning: both },
    { thinking: { type: 'enabled', budget_tokens: 2000 } },
  ],
  [
    'a budget is an effort',
    budget(8192),
    { reasoning: adaptive },
    { thinking: { type: 'adaptive' }, output_config: { effort: 'medium' } },
  ],
  ['off is off', wish({ kind: 'off' }), { reasoning: adaptive }, { thinking: { type: 'disabled' } }],
  [
    'as it likes',
    wish({ kind: 'dynamic' }, true),
    { reasoning: adaptive },
    { thinking: { type: 'adaptive', display: 'summarized' } },
  ],
  ['only shown', wish(null, false), { reasoning: adaptive }, { thinking: { type: 'adaptive', display: 'omitted' } }],
  [
    'a model nobody knows takes a budget',
    level('low'),
    { reasoning: unknown, model: 'glm-5' },
    { thinking: { type: 'enabled', budget_tokens: 1024 } },
  ],
  [
    'a new Claude takes an effort',
    level('low'),
    { reasoning: unknown, model: 'claude-opus-4-8' },
    { output_config: { effort: 'low' } },
  ],
  [
    'a budget has its least',
    budget(100),
    { reasoning: unknown },
    { thinking: { type: 'enabled', budget_tokens: 1024 } },
  ],
  [
    'a budget at the limit is lowered',
    { ...budget(8000), maxOutputTokens: 4000 },
    { reasoning: budgets },
    { max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 3000 } },
  ],
  ['the limit nobody named grows with the budget', budget(40_000), { reasoning: budgets }, { max_tokens: 48_192 }],
  [
    'but not above the model',
    budget(40_000),
    { reasoning: budgets, maxOutputTokens: 40_000 },
    { max_tokens: 40_000, thinking: { type: 'enabled', budget_tokens: 30_000 } },
  ],
  ['the limit nobody named is the default', {}, {}, { max_tokens: 32_000 }],
  ['or the model’s', {}, { maxOutputTokens: 8192 }, { max_tokens: 8192 }],
  ['a limit above the model is lowered', { maxOutputTokens: 99_999 }, { maxOutputTokens: 8192 }, { max_tokens: 8192 }],
];

describe('thinking and its limits', () => {
  for (const [name, change, context, body] of rows) {
    test(name, () => {
      expect(encode(change, context).body).toMatchObject(body);
    });
  }

  test('nothing is sent to a model that does not think', () => {
    const { body, warnings } = encode(level('high'), { reasoning: none });
    expect([body.thinking, body.output_config]).toEqual([undefined, undefined]);
    expect(warnings).toEqual(['thinking removed: the model does not think']);
  });

  test('nothing is sent when nothing was wished', () => {
    expect(encode({}, { reasoning: adaptive }).body).not.toHaveProperty('thinking');
  });

  const history = (signature: string | null): ChatRequest['turns'] => [
    { role: 'user', parts: [{ type: 'text', text: 'a' }] },
    {
      role: 'assistant',
      parts: [
        {
          type: 'reasoning',
          text: 'hm',
          signature: signature === null ? null : { protocol: 'anthropic-messages', value: signature },
        },
        { type: 'tool-call', id: 'c', name: 'f', arguments: '{}', kind: 'function' },
      ],
    },
    {
      role: 'tool',
      parts: [{ type: 'tool-result', callId: 'c', name: null, content: [], isError: false, kind: 'function' }],
    },
  ];
  const obstacles: readonly [string, Partial<ChatRequest>, ReasoningTraits, object | undefined, string | null][] = [
    [
      'a tool call is forced',
      { tools: [fn], toolChoice: { type: 'required' } },
      budgets,
      undefined,
      'a tool call is forced',
    ],
    [
      'a tool call is forced',
      { tools: [fn], toolChoice: { type: 'tool', name: 'f' } },
      adaptive,
      { type: 'disabled' },
      'a tool call is forced',
    ],
    ['the limit is too low', { maxOutputTokens: 1200 }, budgets, undefined, 'max_tokens leaves no room for it'],
    [
      'the answer is begun',
      { turns: [{ role: 'assistant', parts: [{ type: 'text', text: 'I' }] }] },
      budgets,
      undefined,
      'the answer is begun in the request',
    ],
    [
      'thoughts are lost',
      { tools: [fn], turns: history(null) },
      budgets,
      undefined,
      'the thoughts before a tool call are lost',
    ],
    [
      'thoughts are there',
      { tools: [fn], turns: history('S') },
      budgets,
      { type: 'enabled', budget_tokens: 8192 },
      null,
    ],
    [
      'thoughts are lost, and the model does not mind',
      { tools: [fn], turns: history(null) },
      adaptive,
      { type: 'adaptive' },
      null,
    ],
  ];
  for (const [name, change, traits, thinking, reason] of obstacles) {
    test(`${name} (${traits.kind}): ${reason ?? 'it thinks'}`, () => {
      const { body, warnings } = encode({ ...level('medium'), ...change }, { reasoning: traits });
      expect<unknown>(body.thinking).toEqual(thinking);
      const told = warnings.filter((warning) => warning.startsWith('thinking removed'));
      expect(told).toEqual(reason === null ? [] : [`thinking removed: ${reason}`]);
    });
  }

  test('a budget that is not sent moves no limit', () => {
    const { body, warnings } = encode(
      { ...budget(40_000), tools: [fn], toolChoice: { type: 'required' } },
      { reasoning: budgets, maxOutputTokens: 40_000 },
    );
    expect(body.max_tokens).toBe(32_000);
    expect(warnings).toEqual(['thinking removed: a tool call is forced']);
  });
});

describe('sampling', () => {
  const model = 'claude-3-7-sonnet-20250219';
  const samplings: readonly [string, Partial<ChatRequest>, Partial<EncodeContext>, object, readonly string[]][] = [
    ['passes', { temperature: 0.3, topP: 0.9, topK: 3 }, { model }, { temperature: 0.3, top_p: 0.9, top_k: 3 }, []],
    ['is brought into range', { temperature: 1.7 }, { model }, { temperature: 1 }, ['temperature brought to 1']],
    [
      'goes where thinking is on',
      { ...budget(2000), temperature: 0.3, topP: 0.5, topK: 3 },
      { model },
      {},
      ['temperature removed', 'top_p removed', 'top_k removed'],
    ],
    [
      'keeps a top_p that thinking allows',
      { ...budget(2000), temperature: 1, topP: 0.96 },
      { model },
      { temperature: 1, top_p: 0.96 },
      [],
    ],
    [
      'is not both on newer models',
      { temperature: 0.3, topP: 0.9 },
      { model: 'claude-sonnet-4-5' },
      { temperature: 0.3 },
      ['top_p removed'],
    ],
    [
      'is fixed on the newest',
      { temperature: 0.3, topP: 0.9, topK: 3 },
      { model: 'claude-opus-4-7' },
      {},
      ['temperature removed', 'top_p removed', 'top_k removed'],
    ],
  ];
  for (const [name, change, context, fields, told] of samplings) {
    test(name, () => {
      const { body, warnings } = encode(change, context);
      const { temperature, top_p, top_k } = body;
      expect(JSON.parse(JSON.stringify({ temperature, top_p, top_k }))).toEqual(fields);
      expect(warnings).toEqual(told);
    });
  }
});
