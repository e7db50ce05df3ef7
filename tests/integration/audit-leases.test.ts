import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { rawClient } from '../support/raw-http.ts';
import {
  type Answer,
  gate,
  refusal,
  roleFrame,
  silence,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { chatBody, clientKey, type Rotator, startRotator } from '../support/server.ts';

/** A request on a connection of its own, which the test ends when it likes. */
async function ask(rotator: Rotator, isStream: boolean) {
  const client = await rawClient(rotator.url);
  const body = JSON.stringify(chatBody({ stream: isStream }));
  client.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${clientKey}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  return client;
}

const inFlight = async (rotator: Rotator) => (await rotator.status()).in_flight;
const waiting = async (rotator: Rotator) => (await rotator.status()).waiting;

describe('nothing is left in flight, and nobody in line, when the client goes away', () => {
  const halfBody: Answer = async (wire, request) => {
    await wire.head(200, { 'content-type': 'application/json', 'content-length': '1000' });
    await wire.raw('{"choices":[');
    await request.gone;
  };
  const open: [string, () => Answer][] = [
    ['before the upstream’s headers', () => silence],
    ['inside a whole answer', () => halfBody],
    ['inside a stream', () => stream([roleFrame(), textFrame('a'), gate()])],
  ];
  const rows = open.flatMap(([when, script]) =>
    [false, true].flatMap((isStream) =>
      ['10ms', '1m'].map((hold) => [when, isStream ? 'stream' : 'whole answer', hold, script, isStream] as const),
    ),
  );
  test.each(rows)('%s (%s, hold %s), with another request behind it', async (_, __, hold, script, isStream) => {
    await using upstream = await startUpstream({ answer: script });
    await using rotator = await startRotator({
      upstream,
      keys: ['one'],
      provider: { concurrency: { max_per_key: 1 } },
      server: { hold, heartbeat: '20ms' },
    });
    using first = await ask(rotator, isStream);
    await eventually('the first is in flight', async () => (await inFlight(rotator)) === 1 && upstream.open === 1);
    using second = await ask(rotator, isStream);
    await eventually('the second waits in line', async () => (await waiting(rotator)) === 1);
    second.socket.resetAndDestroy();
    await eventually('the line is empty', async () => (await waiting(rotator)) === 0);
    expect(await inFlight(rotator)).toBe(1);
    first.socket.destroy();
    await eventually('nothing is in flight', async () => (await inFlight(rotator)) === 0);
    expect(upstream.calls).toHaveLength(1);
    expect((await rotator.keys())[0]).toMatchObject({ state: 'ready', blocks: [], usage: { failures: 0 } });
  });

  test.each([false, true])('while it waits for a rate limit to end (stream: %p)', async (isStream) => {
    await using upstream = await startUpstream({ answer: () => refusal(429, {}, { 'retry-after': '5' }) });
    await using rotator = await startRotator({ upstream, keys: ['one'] });
    using client = await ask(rotator, isStream);
    await eventually('it waits', async () => (await waiting(rotator)) === 1);
    client.socket.destroy();
    await eventually('nobody waits', async () => (await waiting(rotator)) === 0);
    expect(await inFlight(rotator)).toBe(0);
    expect(upstream.calls).toHaveLength(1);
  });

  test.each([false, true])('in the pause before the same key is tried again (stream: %p)', async (isStream) => {
    await using upstream = await startUpstream({ answer: () => refusal(500) });
    await using rotator = await startRotator({ upstream, keys: ['one'] });
    using client = await ask(rotator, isStream);
    await eventually('the first try has failed', async () => (await rotator.keys())[0]?.usage.requests === 1);
    client.socket.destroy();
    await eventually('the request is over', () => rotator.log.some((line) => line.includes('"message":"request"')));
    expect(await inFlight(rotator)).toBe(0);
    expect(upstream.calls).toHaveLength(1);
  });
});
