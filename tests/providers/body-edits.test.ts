import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { ProtocolId } from '../../src/protocols/codec.ts';
import { type BodyEdits, type BodyRule, editBody } from '../../src/providers/body-edits.ts';

const rule = (more: Partial<BodyRule>): BodyRule => ({ set: {}, default: {}, remove: [], ...more });

function edited(text: string, edits: Partial<BodyEdits>, protocol: ProtocolId = 'openai-chat') {
  const whole = { rules: [], temperatureZero: 'keep' as const, ...edits };
  const { bytes, changes } = editBody(new TextEncoder().encode(text), whole, protocol);
  return { text: new TextDecoder().decode(bytes), changes };
}

describe('a rule of the user’s', () => {
  test('sets a field whatever the client gave, and leaves every other byte', () => {
    expect(edited('{ "a": 1.0,  "tier":"x" }', { rules: [rule({ set: { tier: 'auto' } })] })).toEqual({
      text: '{ "a": 1.0,  "tier":"auto" }',
      changes: ['tier set'],
    });
  });

  test('gives a default only where the field is absent or null', () => {
    const rules = [rule({ default: { temperature: 1, top_p: 0.5, seed: 7 } })];
    expect(edited('{"temperature":0.3,"top_p":null}', { rules })).toEqual({
      text: '{"seed":7,"temperature":0.3,"top_p":0.5}',
      changes: ['top_p set', 'seed set'],
    });
  });

  test('removes a field, every time it stands there', () => {
    expect(edited('{"a":1,"b":2,"a":3}', { rules: [rule({ remove: ['a', 'c'] })] })).toEqual({
      text: '{"b":2}',
      changes: ['a removed'],
    });
  });

  test('sees what an earlier one did', () => {
    const rules = [rule({ set: { a: 1 } }), rule({ default: { a: 2 }, remove: ['b'] }), rule({ default: { b: 3 } })];
    expect(edited('{"b":0}', { rules })).toEqual({ text: '{"a":1,"b":3}', changes: ['a set', 'b set'] });
  });

  test('that changes nothing says nothing', () => {
    const rules = [rule({ set: { a: [1] } }), rule({ set: { x: 1 } }), rule({ remove: ['x'] })];
    expect(edited('{"a": [1]}', { rules })).toEqual({ text: '{"a": [1]}', changes: [] });
  });

  test('leaves alone what is no JSON object', () => {
    expect(edited('[1]', { rules: [rule({ set: { a: 1 } })] })).toEqual({ text: '[1]', changes: [] });
  });
});

describe('temperature 0', () => {
  test.each([
    ['{"temperature":0}', 'keep', '{"temperature":0}', []],
    ['{"temperature":0}', 'remove', '{}', ['temperature 0 removed']],
    ['{"temperature":0.0,"n":1}', 0.01, '{"temperature":0.01,"n":1}', ['temperature 0 → 0.01']],
    ['{"temperature":0.1}', 'remove', '{"temperature":0.1}', []],
    ['{"temperature":"0"}', 'remove', '{"temperature":"0"}', []],
  ] as const)('of %s with %s is %s', (text, temperatureZero, expected, changes) => {
    expect(edited(text, { temperatureZero })).toEqual({ text: expected, changes: [...changes] });
  });

  test('stands among Gemini’s settings', () => {
    const text = '{"generationConfig":{"temperature":0,"topK":1},"temperature":0}';
    expect(edited(text, { temperatureZero: 'remove' }, 'gemini')).toEqual({
      text: '{"generationConfig":{"topK":1},"temperature":0}',
      changes: ['temperature 0 removed'],
    });
    expect(edited('{"generation_config":{"temperature":0}}', { temperatureZero: 1 }, 'gemini').text).toBe(
      '{"generation_config":{"temperature":1}}',
    );
  });

  test('may be what a rule has set', () => {
    const rules = [rule({ set: { temperature: 0 } })];
    expect(edited('{"a":1}', { rules, temperatureZero: 'remove' })).toEqual({ text: '{"a":1}', changes: [] });
  });
});

test('whatever the rules, the body is what doing them one by one on the parsed value gives', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'temperature');
  const value = fc.oneof(fc.integer({ min: 0, max: 2 }), fc.constant(null), fc.constant({ x: [1] }));
  const fields = fc.dictionary(key, value);
  const rules = fc.array(fc.record({ set: fields, default: fields, remove: fc.array(key) }), { maxLength: 3 });
  fc.assert(
    fc.property(fields, rules, (body, written) => {
      const expected: Record<string, unknown> = { ...body };
      for (const one of written) {
        Object.assign(expected, one.set);
        for (const [name, given] of Object.entries(one.default)) expected[name] ??= given;
        for (const name of one.remove) delete expected[name];
      }
      expect(JSON.parse(edited(JSON.stringify(body), { rules: written }).text)).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});
