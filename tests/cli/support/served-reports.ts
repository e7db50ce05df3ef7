import type { Operations } from '../../../src/gateway/operations.ts';
import { listen } from '../../../src/server/bun.ts';
import { createFetch } from '../../../src/server/fetch.ts';
import { instanceOf, newNonce, writeServerFile } from '../../../src/server/server-file.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { ADMIN_TOKEN, fakeServer } from '../../server/fake-deps.ts';
import type { Home } from './home.ts';

/** A server that runs on a home's state directory, with operations of the test's own. `onRequest`: told of each. */
export async function serveReports(home: Home, own: Partial<Operations>, onRequest = (_path: string) => {}) {
  const nonce = newNonce();
  const { deps } = fakeServer();
  const operations = { ...deps.operations, ...own };
  const fetch = createFetch({ ...deps, operations, clock: systemClock, instance: instanceOf(nonce) });
  const listener = listen({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request, peer) => {
      onRequest(new URL(request.url).pathname);
      return fetch(request, peer);
    },
  });
  home.write('.local/state/rotator/admin-token', ADMIN_TOKEN);
  await writeServerFile(home.stateDir, {
    pid: process.pid,
    url: listener.url,
    version: '1.2.3',
    started_at: new Date().toISOString(),
    nonce,
  });
  return { url: listener.url, [Symbol.dispose]: () => listener.abort() };
}
