import { describe, expect, test } from 'bun:test';
import type { EngineEvent } from '../../src/gateway/operations.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { listen } from '../../src/server/bun.ts';
import { errorOf } from '../support/expect-error.ts';
import { fakeServer, withAdmin } from './fake-deps.ts';

const NOW = Date.UTC(2026, 0, 8, 12);
const server = () => fakeServer({ deps: { clock: new ManualClock(NOW) } });

describe('GET /admin/usage', () => {
  test.each([
    ['', 'usage by provider since 2026-01-01T12:00:00.000Z'],
    ['?by=key', 'usage by key since 2026-01-01T12:00:00.000Z'],
    ['?by=day&since=12h', 'usage by day since 2026-01-08T00:00:00.000Z'],
    ['?since=0', 'usage by provider since 2026-01-08T12:00:00.000Z'],
    ['?since=2026-01-02', 'usage by provider since 2026-01-02T00:00:00.000Z'],
    ['?since=2026-01-02T03:04:05Z', 'usage by provider since 2026-01-02T03:04:05.000Z'],
    ['?since=99999d', 'usage by provider since 1970-01-01T00:00:00.000Z'],
  ])('%p is %s', async (query, asked) => {
    const { send, operated } = server();
    const response = await send(`/admin/usage${query}`, withAdmin());
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ rows: [], total: { requests: 0, cost_usd: null } });
    expect(operated).toEqual([asked]);
  });

  test.each([
    ['?by=colour', 'by'],
    ['?by=', 'by'],
    ['?since=', 'since'],
    ['?since=yesterday', 'since'],
    ['?since=-7d', 'since'],
    ['?since=2026-13-45', 'since'],
  ])('%p is a bad request that names the parameter', async (query, param) => {
    const response = await server().send(`/admin/usage${query}`, withAdmin());
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ param });
  });
});

describe('GET /admin/requests', () => {
  test.each([
    ['', { limit: 50, failedOnly: false, before: null, after: null }],
    ['?limit=1000&failed=1&before=12', { limit: 1000, failedOnly: true, before: 12, after: null }],
    ['?failed=true', { limit: 50, failedOnly: true, before: null, after: null }],
    ['?after=7', { limit: 50, failedOnly: false, before: null, after: 7 }],
    ['?failed=0', { limit: 50, failedOnly: false, before: null, after: null }],
  ])('%p', async (query, asked) => {
    const { send, operated } = server();
    const response = await send(`/admin/requests${query}`, withAdmin());
    expect(await response.json()).toMatchObject([{ seq: 7, attempts: [{ error: null }] }]);
    expect(operated).toEqual([`requests ${JSON.stringify(asked)}`]);
  });

  test.each(['?limit=0', '?limit=1001', '?limit=ten', '?limit=-1', '?before=x', '?failed=maybe'])(
    '%p is a bad request',
    async (query) => {
      expect((await server().send(`/admin/requests${query}`, withAdmin())).status).toBe(400);
    },
  );

  test('finds one by its id, and says when there is none', async () => {
    const found = await server().send('/admin/requests/req-1', withAdmin());
    expect(await found.json()).toMatchObject({ id: 'req-1', seq: 7 });
    const missing = await server().send('/admin/requests/req-2', withAdmin());
    expect(missing.status).toBe(404);
    expect(await errorOf(missing)).toMatchObject({ code: 'request_not_found' });
  });
});

test('POST /admin/quota/refresh says what was asked and who cannot be', async () => {
  const response = await server().send('/admin/quota/refresh', { method: 'POST', ...withAdmin() });
  expect(await response.json()).toEqual({ refreshed: [], unsupported: ['groq'], errors: [] });
});

const settled = (model: string): EngineEvent => ({
  type: 'lease-settled',
  at: '2026-01-01T00:00:00Z',
  provider: 'groq',
  credential: 'groq-1',
  model,
  outcome: 'success',
  input_tokens: 1,
  output_tokens: null,
});

describe('GET /admin/events', () => {
  async function* texts(response: Response): AsyncGenerator<string> {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) yield decoder.decode(chunk, { stream: true });
  }

  test('begins with a comment and goes on with what happens', async () => {
    const { send, events } = server();
    const response = await send('/admin/events', withAdmin());
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    // What happens between the answer's beginning and its first read is not lost.
    events.publish(settled('a'));
    const stream = texts(response);
    expect((await stream.next()).value).toBe(': rotator\n\n');
    expect((await stream.next()).value).toBe(`event: lease-settled\ndata: ${JSON.stringify(settled('a'))}\n\n`);
    events.publish(settled('line\nbreak'));
    expect((await stream.next()).value?.split('\n')).toHaveLength(4);
    await stream.return(undefined);
  });

  test('says every 15 seconds that it is still there', async () => {
    const clock = new ManualClock();
    const { send, events } = fakeServer({ deps: { clock } });
    const stream = texts(await send('/admin/events', withAdmin()));
    await stream.next();
    for (let i = 0; i < 2; i++) {
      const next = stream.next();
      await clock.advance(14_999);
      expect(clock.pending).toBe(1);
      await clock.advance(1);
      expect((await next).value).toBe(': rotator\n\n');
    }
    const next = stream.next();
    events.publish(settled('m'));
    expect((await next).value).toStartWith('event: lease-settled\n');
    await stream.return(undefined);
    expect(clock.pending).toBe(0);
  });

  test('stops listening when its reader goes away', async () => {
    const { send, events } = server();
    const response = await send('/admin/events', withAdmin());
    expect(events.hasReaders).toBe(true);
    await response.body?.cancel();
    expect(events.hasReaders).toBe(false);
    events.publish(settled('m'));
  });

  test('ends when the gateway closes', async () => {
    const { send, events } = server();
    const response = await send('/admin/events', withAdmin());
    events.publish(settled('last'));
    events.close();
    const all = await response.text();
    expect(all).toContain('last');
  });

  test('a HEAD leaves nobody listening', async () => {
    const { send, events } = server();
    const response = await send('/admin/events', { method: 'HEAD', ...withAdmin() });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(events.hasReaders).toBe(false);
  });

  test('over a socket, comes at once and ends its listening with the connection', async () => {
    const { serverFetch, events } = fakeServer({ deps: { clock: systemClock } });
    const listener = listen({ hostname: '127.0.0.1', port: 0, fetch: serverFetch });
    try {
      const gone = new AbortController();
      const response = await fetch(`${listener.url}/admin/events`, { ...withAdmin(), signal: gone.signal });
      const stream = texts(response);
      expect((await stream.next()).value).toBe(': rotator\n\n');
      events.publish(settled('m'));
      expect((await stream.next()).value).toContain('"model":"m"');
      gone.abort();
      await expect(stream.next()).rejects.toThrow();
      while (events.hasReaders) await Bun.sleep(5);
    } finally {
      listener.abort();
    }
  });
});
