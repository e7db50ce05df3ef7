// The runtime's own ceilings (256 requests in flight, 64 idle connections) are gone in the program as it is shipped.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { endAll, ensureBinary, startServer } from '../support/binary.ts';
import { readStream } from '../support/chat-replies.ts';
import { eventually } from '../support/eventually.ts';
import {
  doneFrame,
  finishFrame,
  gate,
  roleFrame,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { tempHome } from '../support/temp-home.ts';

const KEY = 'upstream-key-0123456789';
const STREAMS = 400;

beforeAll(ensureBinary, 120_000);
afterAll(endAll);

test('400 streams are open at the same time, and all of them end whole', async () => {
  const middle = gate();
  await using home = await tempHome();
  await using upstream = await startUpstream({
    keys: { [KEY]: stream([roleFrame(), textFrame('a'), middle, textFrame('b'), finishFrame(), doneFrame()]) },
  });
  const config = await home.write(
    'rotator.yaml',
    `providers:\n  own: { base_url: ${upstream.baseUrl}, keys: [${KEY}] }\nrotation: { max_waiting: 0 }\n`,
  );
  await using server = await startServer(['--config', config], { home });
  const body = { model: 'own/m', stream: true, messages: [{ role: 'user', content: 'x' }] };
  // Clients in processes of their own: the runtime of this one has the very ceiling that is tested.
  const script = `
    const replies = Array.from({ length: ${STREAMS / 4} }, async () => {
      const response = await fetch(process.env.URL, { method: 'POST', headers: JSON.parse(process.env.HEADERS), body: process.env.BODY });
      return response.text();
    });
    process.stdout.write(JSON.stringify(await Promise.all(replies)));`;
  const clients = Array.from({ length: 4 }, () =>
    Bun.spawn([process.execPath, '-e', script], {
      env: {
        PATH: process.env['PATH'] ?? '',
        URL: `${server.url}/v1/chat/completions`,
        HEADERS: JSON.stringify({ authorization: 'Bearer sk-rotator-test-client', 'content-type': 'application/json' }),
        BODY: JSON.stringify(body),
      },
      stdout: 'pipe',
      stderr: 'inherit',
    }),
  );
  try {
    await eventually(`${STREAMS} streams are open upstream`, () => upstream.open === STREAMS);
    middle.open();
    const texts = (await Promise.all(clients.map((client) => client.stdout.text()))).flatMap((text): string[] =>
      JSON.parse(text),
    );
    expect(texts).toHaveLength(STREAMS);
    for (const text of texts) expect(readStream(text)).toMatchObject({ text: 'ab', hasEnd: true, error: null });
  } finally {
    for (const client of clients) client.kill('SIGKILL');
  }
}, 60_000);
