import { describe, expect, test } from 'bun:test';
import { networkInterfaces } from 'node:os';
import { connect } from 'node:net';
import { listenForCallback } from '../../src/oauth/engine/loopback-listener.ts';

const PATH = '/oauth2callback';
const never = new AbortController().signal;

async function listening() {
  const listener = await listenForCallback(0);
  if (listener.kind !== 'listening') throw new Error('no free port');
  return { ...listener, url: `http://127.0.0.1:${listener.port}` };
}

describe('the loopback listener', () => {
  test('takes the callback, shows one page without the code, and closes', async () => {
    const listener = await listening();
    const arrival = listener.receive({ path: PATH, state: 's1' }, never);
    const response = await fetch(`${listener.url}${PATH}?code=secret-code&state=s1`);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    const html = await response.text();
    expect(html).toContain('Almost done');
    expect(html).not.toContain('secret-code');
    const callback = await arrival;
    expect(callback?.kind === 'code' && callback.parameters.get('code')).toBe('secret-code');
    expect(fetch(listener.url)).rejects.toThrow();
  });

  test('refuses another login’s state', async () => {
    const listener = await listening();
    const arrival = listener.receive({ path: PATH, state: 's1' }, never);
    const response = await fetch(`${listener.url}${PATH}?code=c&state=s2`);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('Not this login');
    expect(await arrival).toEqual({ kind: 'wrong-state' });
  });

  test('says what came back when the person refused', async () => {
    const listener = await listening();
    const arrival = listener.receive({ path: PATH, state: 's1' }, never);
    expect(await (await fetch(`${listener.url}${PATH}?error=access_denied&state=s1`)).text()).toContain(
      'Not logged in',
    );
    expect(await arrival).toMatchObject({ kind: 'denied' });
  });

  test('waits through requests for an icon or anything else', async () => {
    const listener = await listening();
    const arrival = listener.receive({ path: PATH, state: 's1' }, never);
    expect((await fetch(`${listener.url}/favicon.ico`)).status).toBe(404);
    expect((await fetch(`${listener.url}${PATH}?code=c&state=s1`, { method: 'POST' })).status).toBe(404);
    await fetch(`${listener.url}${PATH}?code=c&state=s1`);
    expect(await arrival).toMatchObject({ kind: 'code' });
  });

  test('ends with its signal, and leaves the port', async () => {
    const listener = await listening();
    const end = new AbortController();
    const arrival = listener.receive({ path: PATH, state: 's1' }, end.signal);
    end.abort();
    expect(await arrival).toBeNull();
    const again = await listenForCallback(listener.port);
    expect(again.kind).toBe('listening');
    if (again.kind === 'listening') again.close();
  });

  test('a port in use is told', async () => {
    const listener = await listening();
    expect(await listenForCallback(listener.port)).toEqual({ kind: 'busy', port: listener.port, code: 'EADDRINUSE' });
    listener.close();
  });

  const outside = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find((one) => one.family === 'IPv4' && !one.internal)?.address;

  test.if(outside !== undefined)('is not to be reached from another machine', async () => {
    const listener = await listening();
    const refused = await new Promise((resolve) => {
      const socket = connect(listener.port, outside);
      socket.once('connect', () => resolve('connected'));
      socket.once('error', () => resolve('refused'));
    });
    expect(refused).toBe('refused');
    listener.close();
  });
});
