import { describe, expect, test } from 'bun:test';
import { chooseModels, type ModelOption } from '../../../src/cli/setup/choose-models.ts';
import { clients } from '../../../src/cli/setup/clients.ts';

const option = (id: string, more: Partial<ModelOption> = {}): ModelOption => ({
  id,
  isAlias: !id.includes('/'),
  takesTools: null,
  writesText: null,
  contextLength: null,
  ...more,
});

const chosen = (ids: readonly string[], client = 'aider') =>
  chooseModels(
    ids.map((id) => option(id)),
    clients.find(({ id }) => id === client)?.models ?? [],
  );

const VENDORS = [
  'anthropic/claude-haiku-5',
  'anthropic/claude-opus-5',
  'anthropic/claude-sonnet-4-5-20250929',
  'anthropic/claude-sonnet-5',
  'openai/gpt-4o',
  'openai/gpt-5.5',
  'openai/gpt-5-mini',
  'openai/gpt-5-image',
  'openai/text-embedding-3-large',
  'gemini/gemini-3-pro-preview',
  'gemini/gemini-2.5-pro',
  'gemini/gemini-2.5-flash',
];

describe('which models a client is pointed at', () => {
  test('an alias goes before every vendor’s model', () => {
    expect(chosen(['fast', 'smart', ...VENDORS])).toMatchObject({ main: 'smart', small: 'fast' });
    expect(chosen(['work', ...VENDORS])).toMatchObject({ main: 'work', small: 'work' });
  });

  test.each([
    ['claude-code', 'anthropic/claude-sonnet-5', 'anthropic/claude-haiku-5'],
    ['codex', 'openai/gpt-5.5', 'openai/gpt-5-mini'],
    ['gemini-cli', 'gemini/gemini-2.5-pro', 'gemini/gemini-2.5-flash'],
    ['opencode', 'anthropic/claude-sonnet-5', 'anthropic/claude-haiku-5'],
  ])('%s gets the newest of its own kind, and a small one of the same vendor', (client, main, small) => {
    expect(chosen(VENDORS, client)).toMatchObject({ main, small });
  });

  test('a client whose kind is not there gets what does well for most', () => {
    expect(chosen(['groq/llama-3.3-70b-versatile', 'groq/whisper-large-v3', 'groq/allam-2-7b'], 'codex')).toMatchObject(
      {
        main: 'groq/llama-3.3-70b-versatile',
        small: 'groq/allam-2-7b',
      },
    );
  });

  test('what cannot use tools or does not write is no choice', () => {
    expect(
      chooseModels([option('a/painter', { writesText: false }), option('a/talker', { takesTools: false })], []),
    ).toBeNull();
    expect(chosen(['openai/text-embedding-3-large', 'openai/tts-1'])).toBeNull();
  });

  test('the demo is the last resort', () => {
    expect(chosen(['demo/chat', 'my-vllm/llama'])?.main).toBe('my-vllm/llama');
    expect(chosen(['demo/chat', 'demo/reasoner'])?.main).toBe('demo/reasoner');
  });

  test('the context of the chosen one is known to clients that would guess it', () => {
    expect(chooseModels([option('smart', { contextLength: 131_072 })], [])?.contextLength).toBe(131_072);
  });
});
