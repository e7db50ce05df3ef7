// `logging.requests: bodies`: what was asked and answered is in files, and the client notices nothing of it.
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  answer,
  chatFrames,
  chatStream,
  gate,
  refusal,
  reply,
  roleFrame,
  silence,
  startUpstream,
  stream,
  textFrame,
} from '../support/scripted-upstream.ts';
import { inOrder, type RotatorOptions, startRotator } from '../support/server.ts';
import { eventually } from '../support/eventually.ts';

let stateDir: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'rotator-bodies-'));
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const bodies = { sections: { logging: { requests: 'bodies' } } };

/** What a server wrote until it ended, by request. */
async function written(
  options: RotatorOptions,
  use: (rotator: Awaited<ReturnType<typeof startRotator>>) => Promise<void>,
) {
  {
    await using rotator = await startRotator({ stateDir, ...bodies, ...options });
    await use(rotator);
  }
  const logs = join(stateDir, 'logs');
  if (!existsSync(logs)) return [];
  return readdirSync(logs).flatMap((day) =>
    readdirSync(join(logs, day)).map((id) => {
      const directory = join(logs, day, id);
      const files = Object.fromEntries(
        readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'utf8')]),
      );
      return { id, files, index: JSON.parse(files['index.json'] ?? '{}') };
    }),
  );
}

describe('the files of a request', () => {
  test('hold what was asked, every attempt and the answer, and no key', async () => {
    await using upstream = await startUpstream({
      keys: { 'first-key-12345': refusal(429, {}, { 'retry-after': '600' }), 'second-key-12345': answer('hello') },
    });
    const options = { upstream, keys: inOrder('first-key-12345', 'second-key-12345') };
    const [request, ...others] = await written(options, async (rotator) => {
      const response = await rotator.chat({}, { headers: { 'x-request-id': 'my-id' } });
      expect(response.status).toBe(200);
      expect(await response.text()).toContain('hello');
    });
    expect(others).toEqual([]);
    expect(request?.id).toBe('my-id');
    expect(Object.keys(request?.files ?? {}).sort()).toEqual([
      'attempt-1-request.json',
      'attempt-1-response.json',
      'attempt-2-request.json',
      'attempt-2-response.json',
      'index.json',
      'request.json',
      'response.json',
    ]);
    expect(request?.files['request.json']).toContain('"mock/m"');
    expect(request?.files['attempt-1-request.json']).toContain('"m"');
    expect(request?.files['response.json']).toContain('hello');
    expect(request?.index).toMatchObject({
      id: 'my-id',
      client: 'test',
      status: 200,
      upstream: [
        {
          status: 429,
          request: { headers: { authorization: '***' } },
          response: { headers: { 'retry-after': '600' } },
        },
        { status: 200, error: null },
      ],
    });
    const all = JSON.stringify(request);
    for (const key of ['first-key', 'second-key', 'sk-rotator-integration']) expect(all).not.toContain(key);
  });

  test('hold a stream as the client got it, byte by byte', async () => {
    await using upstream = await startUpstream({ answer: () => chatStream('one', 'two') });
    let got = '';
    const [request] = await written({ upstream, keys: ['one'] }, async (rotator) => {
      got = await (await rotator.stream()).text();
    });
    expect(got).toContain('two');
    expect(request?.files['response.txt']).toBe(got);
    expect(request?.files['attempt-1-response.txt']).toStartWith(chatFrames('one', 'two')[0] ?? 'none');
  });

  test('hold refusals, and requests whose clients left', async () => {
    await using upstream = await startUpstream({
      keys: { one: [refusal(400, { message: 'no such thing' }), silence] },
    });
    const requests = await written({ upstream }, async (rotator) => {
      expect((await rotator.chat()).status).toBe(400);
      const leaving = new AbortController();
      const left = rotator.chat({}, { signal: leaving.signal });
      await eventually('it is at the upstream', () => upstream.calls.length === 2);
      leaving.abort();
      await expect(left).rejects.toThrow();
      await eventually('it is over', async () => rotator.log.filter((line) => line.includes('"request"')).length === 2);
    });
    const byStatus = new Map(requests.map((request) => [request.index.status, request]));
    expect(byStatus.get(400)?.files['response.json']).toContain('no such thing');
    expect(byStatus.get(499)?.index).toMatchObject({
      failure: 'client-gone',
      upstream: [{ status: null, error: 'stopped: client-gone', response: { file: null } }],
    });
  });

  test('change nothing of an upstream that is odd, nor of a client that leaves in the middle', async () => {
    const rest = gate();
    await using upstream = await startUpstream({
      keys: { one: [reply(700, 'what?'), stream([roleFrame(), textFrame('some'), rest])] },
    });
    const rotation = { retries_same_key: 0, wait_same_key: '1ms' };
    const requests = await written({ upstream, rotation }, async (rotator) => {
      expect((await rotator.chat()).status).toBe(502);
      const leaving = new AbortController();
      const response = await rotator.stream({}, { signal: leaving.signal });
      const reader = response.body?.getReader();
      expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('assistant');
      leaving.abort();
      await upstream.calls[1]?.gone;
    });
    const [odd, left] = requests.sort((a, b) => a.index.at.localeCompare(b.index.at));
    expect(odd?.index.upstream).toMatchObject([{ status: 700 }]);
    expect(left?.index).toMatchObject({ failure: 'client-gone' });
    expect(left?.files['attempt-1-response.txt']).toContain('some');
  });

  test('are not made by default', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const options = { upstream, keys: ['one'], sections: {} };
    expect(await written(options, async (rotator) => void (await rotator.chat()))).toEqual([]);
  });

  test('begin and end with a reload', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const options = { upstream, keys: ['one'] };
    const requests = await written({ ...options, sections: {} }, async (rotator) => {
      const ask = (id: string) => rotator.chat({}, { headers: { 'x-request-id': id } });
      await ask('before');
      rotator.apply({ ...options, ...bodies });
      await ask('within');
      rotator.apply({ ...options, sections: {} });
      await ask('after');
    });
    expect(requests.map(({ id }) => id)).toEqual(['within']);
  });
});
