// How serve ends: what is open finishes, what is in a hurry does not wait.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { endAll, ensureBinary, type RunningServer, startServer } from '../support/binary.ts';
import { readStream } from '../support/chat-replies.ts';
import { eventually } from '../support/eventually.ts';
import {
  doneFrame,
  finishFrame,
  type Gate,
  gate,
  roleFrame,
  type ScriptedUpstream,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';

const KEY = 'upstream-key-0123456789';

let home: TempHome;
let upstream: ScriptedUpstream;
let middle: Gate;
let server: RunningServer;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
  middle = gate();
  const slow = stream([roleFrame(), textFrame('first '), middle, textFrame('second'), finishFrame(), doneFrame()]);
  upstream = await startUpstream({ keys: { [KEY]: slow } });
  const config = await home.write(
    'rotator.yaml',
    `providers:\n  own: { base_url: ${upstream.baseUrl}, keys: [${KEY}] }\n`,
  );
  server = await startServer(['--config', config], { home });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});
afterAll(endAll);

/** A stream that has begun and will not end before `middle` opens. */
async function openStream(): Promise<Response> {
  const response = await server.chat({ model: 'own/m', stream: true, messages: [{ role: 'user', content: 'x' }] });
  expect(response.status).toBe(200);
  await middle.reached;
  return response;
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  'an idle server ends with 0 after %s, and takes its server file with it',
  async (signal) => {
    server.kill(signal);
    expect(await server.exited).toBe(0);
    expect(await Bun.file(home.path('state', 'server.json')).exists()).toBe(false);
  },
);

test('SIGTERM lets an open stream finish, takes no new request, then ends with 0', async () => {
  const response = await openStream();
  server.kill('SIGTERM');
  await eventually('new connections are refused', async () => {
    try {
      await fetch(`${server.url}/health`, { headers: { connection: 'close' } });
      return false;
    } catch {
      return true;
    }
  });
  middle.open();
  expect(readStream(await response.text())).toMatchObject({ text: 'first second', hasEnd: true, error: null });
  expect(await server.exited).toBe(0);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('a second signal ends at once: %s is %d', async (signal, code) => {
  const response = await openStream();
  server.kill('SIGTERM');
  await server.untilStderr('open request');
  server.kill(signal);
  expect(await server.exited).toBe(code);
  expect(await Bun.file(home.path('state', 'server.json')).exists()).toBe(false);
  // What was cut does not look like a whole answer.
  const text = await response.text().catch(() => '');
  expect(readStream(text).hasEnd && readStream(text).error === null).toBe(false);
});
