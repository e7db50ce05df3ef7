import { describe, expect, test } from 'bun:test';
import { reasoningTraits } from '../../src/models/reasoning-traits.ts';
import type { ReasoningTraits } from '../../src/protocols/reasoning.ts';

/** In a word: `128..32768 -1`, `low high off`, `adaptive low max +budget`. */
function word(traits: ReasoningTraits): string {
  switch (traits.kind) {
    case 'budget':
      return `${traits.min}..${traits.max}${traits.allowsZero ? ' 0' : ''}${traits.allowsDynamic ? ' -1' : ''}`;
    case 'levels':
      return `${traits.levels.join(' ')}${traits.allowsOff ? ' off' : ''}`;
    case 'adaptive':
      return `adaptive ${traits.levels.join(' ')}${traits.alsoBudget ? ' +budget' : ''}`;
    default:
      return traits.kind;
  }
}

describe('what a model takes', () => {
  test.each([
    ['gemini-2.5-pro', '128..32768 -1'],
    ['models/gemini-2.5-pro-preview-05-06', '128..32768 -1'],
    ['gemini-2.5-flash', '0..24576 0 -1'],
    ['gemini-2.5-flash-lite', '512..24576 0 -1'],
    ['gemini-flash-lite-latest', '512..24576 0 -1'],
    ['gemini-2.5-flash-image', 'none'],
    ['gemini-2.5-flash-preview-tts', 'none'],
    ['gemini-3-pro-preview', 'low high'],
    ['gemini-3.1-pro-preview', 'low medium high'],
    ['gemini-3-flash-preview', 'minimal low medium high'],
    ['gemini-3.6-flash', 'minimal low medium high'],
    ['gemini-3.1-flash-lite', 'minimal high'],
    ['gemini-3.1-flash-image', 'minimal high'],
    ['gemini-2.0-flash', 'none'],
    ['claude-3-7-sonnet-20250219', '1024..128000 0'],
    ['claude-sonnet-4-20250514', '1024..128000 0'],
    ['claude-opus-4-5', '1024..128000 0'],
    ['claude-haiku-4-5-20251001', '1024..128000 0'],
    ['anthropic/claude-opus-4.5', '1024..128000 0'],
    ['claude-opus-4-6', 'adaptive low medium high max +budget'],
    ['us.anthropic.claude-opus-4-6-v1:0', 'adaptive low medium high max +budget'],
    ['claude-opus-4-7', 'adaptive low medium high xhigh max'],
    ['claude-sonnet-5', 'adaptive low medium high xhigh max'],
    ['claude-fable-5-1', 'adaptive low medium high xhigh max'],
    ['claude-3-5-sonnet-20241022', 'none'],
    ['claude-3-haiku-20240307', 'none'],
    ['gpt-5', 'minimal low medium high'],
    ['gpt-5-mini-2025-08-07', 'minimal low medium high'],
    ['gpt-5-pro', 'high'],
    ['gpt-5.1', 'low medium high off'],
    ['gpt-5.2', 'low medium high xhigh off'],
    ['gpt-5.2-pro', 'medium high xhigh'],
    ['gpt-5.6-sol', 'low medium high xhigh max off'],
    ['gpt-5-chat-latest', 'none'],
    ['gpt-4o', 'none'],
    ['gpt-4.1-mini', 'none'],
    ['openai/gpt-oss-120b', 'low medium high'],
    ['o3', 'low medium high'],
    ['o4-mini-2025-04-16', 'low medium high'],
    ['grok-4', 'low medium high'],
    ['grok-4.3', 'low medium high off'],
    ['grok-4.6', 'low medium high xhigh off'],
    ['grok-4.20-0309-reasoning', 'low medium high'],
    ['grok-4.20-0309-non-reasoning', 'none'],
    ['moonshotai/kimi-k2.6', 'low high off'],
    ['kimi-k3', 'low high max off'],
    ['kimi-k2-instruct-0905', 'none'],
    ['deepseek-ai/deepseek-v4-pro', 'high max off'],
    ['llama-3.3-70b-versatile', 'none'],
    ['qwen3-235b-a22b', 'unknown'],
    ['glm-5.2', 'unknown'],
    ['some-model-of-mine', 'unknown'],
    ['', 'unknown'],
  ])('%s: %s', (model, taken) => {
    expect(word(reasoningTraits(model, null))).toBe(taken);
  });

  test('a model of no known family that is known not to think takes nothing', () => {
    expect(reasoningTraits('nova-lite', { reasons: false })).toEqual({ kind: 'none' });
    expect(reasoningTraits('nova-2', { reasons: true })).toEqual({ kind: 'unknown' });
    expect(reasoningTraits('nova-3', {})).toEqual({ kind: 'unknown' });
  });

  test('a family’s own rule goes before what a catalogue says', () => {
    expect(reasoningTraits('gpt-5', { reasons: false }).kind).toBe('levels');
  });
});
