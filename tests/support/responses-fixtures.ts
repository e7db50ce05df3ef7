// Recorded streams and replies of the Responses protocol, and a small server that answers with one of them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { framesOf } from '../../src/protocols/frames-of.ts';
import type { JsonRecord } from '../../src/protocols/ir.ts';
import { isObject } from '../../src/shared/json-shape.ts';
import type { SseFrame } from '../../src/shared/sse.ts';

const place = join(import.meta.dir, '..', 'fixtures', 'openai-responses');

export const recordedStream = (name: string): string => readFileSync(join(place, `${name}.chunks.txt`), 'utf8');
export const recordedReply = (name: string): JsonRecord => record(readFileSync(join(place, `${name}.json`), 'utf8'));

export const bytesOf = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

export const frames = (stream: string): readonly SseFrame[] =>
  [...framesOf(stream)].filter(({ data }) => data !== null);

/** The events of a stream of frames. */
export const eventsOf = (stream: string): readonly JsonRecord[] => frames(stream).map(({ data }) => record(data ?? ''));

export function record(text: string): JsonRecord {
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) throw new Error(`no object: ${text}`);
  return value;
}

type Answer = { readonly status?: number; readonly body: string; readonly isStream: boolean };

/** A server that answers with `body`, whatever it is asked. */
export async function withServer<Result>(answer: Answer, use: (origin: string) => Promise<Result>): Promise<Result> {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () =>
      new Response(answer.body, {
        status: answer.status ?? 200,
        headers: { 'content-type': answer.isStream ? 'text/event-stream' : 'application/json' },
      }),
  });
  try {
    return await use(String(server.url));
  } finally {
    await server.stop(true);
  }
}

/** The official client in front of such a server. */
export function withOpenAi<Result>(answer: Answer, use: (client: OpenAI) => Promise<Result>): Promise<Result> {
  return withServer(answer, (origin) => use(new OpenAI({ apiKey: 'none', baseURL: `${origin}v1`, maxRetries: 0 })));
}
