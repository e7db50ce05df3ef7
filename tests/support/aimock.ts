import { dirname, join } from 'node:path';
import { startNode } from './node-process.ts';
import type { TempHome } from './temp-home.ts';

export type Aimock = AsyncDisposable & {
  readonly baseUrl: string;
  /** Sets fault rates from now on: `dropRate`, `malformedRate`, `disconnectRate`, `rateLimitRate`, each from 0 to 1. */
  chaos(rates: Readonly<Record<string, number>>): Promise<void>;
  /** Requests it has answered, the oldest first. */
  journal(): Promise<readonly { readonly path: string; readonly status: number; readonly body: unknown }[]>;
};

export type AimockFixture = { readonly match: object; readonly response: object; readonly [option: string]: unknown };

/** Text, thoughts and two calls of one tool, by the word that is said to it. */
export const CHAT_ANSWERS: readonly AimockFixture[] = [
  { match: { userMessage: 'text' }, response: { content: 'Hello from elsewhere' } },
  { match: { userMessage: 'think' }, response: { content: 'done', reasoning: 'let me see' } },
  {
    match: { userMessage: 'tools' },
    response: {
      toolCalls: [
        { name: 'weather', arguments: '{"q":"A"}' },
        { name: 'weather', arguments: '{"q":"B"}' },
      ],
    },
  },
];

/** An LLM server that nobody here wrote, in a process of its own. It answers only to `keys`. */
export async function startAimock(
  home: TempHome,
  keys: readonly string[],
  fixtures: readonly AimockFixture[],
): Promise<Aimock> {
  const file = await home.write('aimock-fixtures.json', JSON.stringify({ fixtures }));
  const entry = join(dirname(Bun.resolveSync('@copilotkit/aimock', import.meta.dir)), 'cli.js');
  const child = await startNode(entry, ['-p', '0', '-f', file], (line) => line.includes('listening on '), {
    AIMOCK_API_KEYS: keys.join(','),
  });
  const origin = /http:\S+/.exec(child.firstLine)?.[0] ?? '';
  const headers = { authorization: `Bearer ${keys[0]}`, 'content-type': 'application/json' };
  return {
    baseUrl: `${origin}/v1`,
    chaos: async (rates) => {
      const response = await fetch(`${origin}/__aimock/chaos`, {
        method: 'POST',
        headers,
        body: JSON.stringify(rates),
      });
      if (!response.ok) throw new Error(`aimock refused the chaos: ${await response.text()}`);
    },
    journal: async () => JSON.parse(await (await fetch(`${origin}/__aimock/journal`, { headers })).text()),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
