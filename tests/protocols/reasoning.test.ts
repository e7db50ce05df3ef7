import { describe, expect, test } from 'bun:test';
import {
  type Amount,
  budgetOfLevel,
  fittedAmount,
  LEVELS,
  levelOfBudget,
  nearestLevel,
  type ReasoningTraits,
} from '../../src/protocols/reasoning.ts';

const level = (name: (typeof LEVELS)[number]): Amount => ({ kind: 'level', level: name });
const budget = (tokens: number): Amount => ({ kind: 'budget', tokens });
const off: Amount = { kind: 'off' };
const dynamic: Amount = { kind: 'dynamic' };

describe('the scale', () => {
  test('goes up, and each budget is the last of its level', () => {
    const budgets = LEVELS.map(budgetOfLevel);
    expect(budgets).toEqual([512, 1024, 8192, 24_576, 32_768, 128_000]);
    for (const [at, name] of LEVELS.entries()) {
      const tokens = budgetOfLevel(name);
      expect([levelOfBudget(tokens), levelOfBudget(tokens + 1)]).toEqual([name, LEVELS[at + 1] ?? 'max']);
    }
    expect(levelOfBudget(1)).toBe('minimal');
  });

  test.each([
    ['high', ['low', 'medium'], 'medium'],
    ['medium', ['low', 'high'], 'low'],
    ['max', ['low', 'high'], 'high'],
    ['minimal', ['high'], 'high'],
    ['low', ['low'], 'low'],
    ['low', [], null],
  ] as const)('%s among %j is %s: the nearest, of two as near the lower', (wanted, taken, expected) => {
    expect(nearestLevel(wanted, taken)).toBe(expected);
  });
});

describe('what a model takes of a wish', () => {
  // The families of the facts: what each takes.
  const pro: ReasoningTraits = { kind: 'budget', min: 128, max: 32_768, allowsZero: false, allowsDynamic: true };
  const flash: ReasoningTraits = { ...pro, min: 0, max: 24_576, allowsZero: true };
  const stern: ReasoningTraits = { ...pro, min: 1024, max: 3000, allowsDynamic: false };
  const gemini3: ReasoningTraits = { kind: 'levels', levels: ['low', 'high'], allowsOff: false };
  const gpt: ReasoningTraits = { kind: 'levels', levels: ['low', 'medium', 'high', 'xhigh'], allowsOff: true };
  const claude: ReasoningTraits = { kind: 'adaptive', levels: ['low', 'medium', 'high', 'max'], alsoBudget: true };
  const claude5: ReasoningTraits = { ...claude, alsoBudget: false };

  test.each<[string, Amount, ReasoningTraits, Amount | null]>([
    ['a level as the budget of its name', level('high'), pro, budget(24_576)],
    ['a level above the model as its most', level('max'), pro, budget(32_768)],
    ['a level below the model as its least', level('minimal'), stern, budget(1024)],
    ['a budget as it is', budget(8192), pro, budget(8192)],
    ['a budget above the model as its most', budget(99_999), flash, budget(24_576)],
    ['none where the model cannot be without as its least', off, pro, budget(128)],
    ['none where it can', off, flash, off],
    ['a budget of 0 as none', budget(0), flash, off],
    ['a budget of 0 where that cannot be as the least', budget(0), pro, budget(128)],
    ['as it likes where the model can', dynamic, pro, dynamic],
    ['as it likes where it cannot as the middle', dynamic, stern, budget(2012)],
    ['a level that is there', level('low'), gemini3, level('low')],
    ['a level that is not there as the nearest', level('medium'), gemini3, level('low')],
    ['a budget as a level', budget(8192), gpt, level('medium')],
    ['a budget as the nearest level', budget(200_000), gpt, level('xhigh')],
    ['none as the lowest where it must think', off, gemini3, level('low')],
    ['none where it may', off, gpt, off],
    ['a budget of 0 as none among levels', budget(0), gpt, off],
    ['as it likes among levels', dynamic, gpt, dynamic],
    ['a budget of a model that thinks as it needs and takes one', budget(5000), claude, budget(5000)],
    ['a budget of one that takes none as a level', budget(5000), claude5, level('medium')],
    ['a level of either', level('xhigh'), claude, level('high')],
    ['none of either', off, claude5, off],
    ['nothing at a model that does not think', level('high'), { kind: 'none' }, null],
    ['none at a model that does not think', off, { kind: 'none' }, null],
    ['a level of a model nobody knows as it is', level('xhigh'), { kind: 'unknown' }, level('xhigh')],
    ['a budget of a model nobody knows as it is', budget(3), { kind: 'unknown' }, budget(3)],
  ])('%s', (_, wanted, traits, expected) => {
    expect(fittedAmount(wanted, traits)).toEqual(expected);
  });
});
