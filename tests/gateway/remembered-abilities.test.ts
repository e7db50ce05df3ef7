import { expect, test } from 'bun:test';
import { rememberedAbilities } from '../../src/gateway/remembered-abilities.ts';
import { runtimeOf } from './routes-fixture.ts';

test('what a model can do is put together again when the list changes, after a minute, or while data is still read', () => {
  const state = { now: 0, list: {}, isWhole: true, calls: 0 };
  const abilitiesOf = rememberedAbilities({
    find: () => ({ contextLength: ++state.calls }),
    list: () => state.list,
    isWhole: () => state.isWhole,
    clock: { now: () => state.now },
  });
  const runtime = runtimeOf('groq', {});
  const ask = (model = 'm') => abilitiesOf(runtime, model)?.contextLength;

  expect([ask(), ask(), ask('n')]).toEqual([1, 1, 2]);
  state.list = {};
  expect([ask(), ask()]).toEqual([3, 3]);
  state.now = 59_999;
  expect(ask()).toBe(3);
  state.now = 60_000;
  expect(ask()).toBe(4);
  state.isWhole = false;
  expect([ask('later'), ask('later')]).toEqual([5, 6]);
});
