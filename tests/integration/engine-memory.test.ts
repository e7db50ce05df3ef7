// What survives a restart: blocks, windows, learned limits, conversations, the operator's word. Two servers, one directory.
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { Database } from 'bun:sqlite';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { expectError, expectRetryAfter } from '../support/expect-error.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import { after, answer, gate, refusal, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';
import { inOrder, type Rotator, type RotatorOptions, startRotator } from '../support/server.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const limited = (seconds: number) => refusal(429, { message: 'Rate limit reached' }, { 'retry-after': `${seconds}` });
const outOfCredit = refusal(402, { message: 'Insufficient Balance' });
const badKey = refusal(401, { message: 'Incorrect API key provided', code: 'invalid_api_key' });

let stateDir: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'rotator-engine-'));
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

async function keyAt(rotator: Rotator, at: number) {
  const { keys } = await rotator.status();
  const key = keys[at];
  if (!key) throw new Error(`no key ${at}`);
  return key;
}

type Options = RotatorOptions & { readonly clock: LeapingClock };

/** How the first server ends. A crash leaves the files as they are at that moment, and nobody tidies up. */
const ends = ['a stop', 'a crash'] as const;

async function secondServer(first: Rotator, end: (typeof ends)[number], options: Options): Promise<Rotator> {
  if (end === 'a stop') {
    await first.stop();
    return startRotator({ ...options, stateDir: `${stateDir}/first` });
  }
  // What happens is written within a second.
  options.clock.leap(1_000);
  const left = `${stateDir}/left`;
  cpSync(`${stateDir}/first`, left, { recursive: true });
  await first.stop();
  return startRotator({ ...options, stateDir: left });
}

/** One server, what happens there, and then another on the same directory. */
async function restarted(
  end: (typeof ends)[number],
  options: Options,
  happens: (first: Rotator) => Promise<unknown>,
): Promise<Rotator> {
  const first = await startRotator({ ...options, stateDir: `${stateDir}/first` });
  await happens(first);
  return secondServer(first, end, options);
}

describe.each(ends)('after %s', (end) => {
  test('a block of more than a minute holds, to the second, and one that is shorter is forgotten', async () => {
    await using upstream = await startUpstream({
      answer: (request) =>
        request.key === 'one' ? limited(request.text.includes('"long"') ? 600 : 20) : answer('from two'),
    });
    const options = { upstream, keys: inOrder('one', 'two'), clock: new LeapingClock() };
    let before = '';
    await using rotator = await restarted(end, options, async (first) => {
      await first.chat({ model: 'mock/long' });
      await first.chat({ model: 'mock/short' });
      before = (await keyAt(first, 0)).blocks.find(({ scope }) => scope === 'model:long')?.until ?? 'none';
    });
    const { blocks } = await keyAt(rotator, 0);
    expect(blocks).toMatchObject([{ scope: 'model:long', kind: 'rate_limit', source: 'retry-after', until: before }]);
    await rotator.chat({ model: 'mock/long' });
    expect(upstream.keysUsed).toEqual(['one', 'two', 'one', 'two', 'two']);
  });

  test('a key without credit stays out, and a rejected one keeps the count of its rejections', async () => {
    await using upstream = await startUpstream({ keys: { poor: outOfCredit, bad: badKey, good: answer('served') } });
    const clock = new LeapingClock();
    const options = { upstream, clock };
    await using rotator = await restarted(end, options, (first) => first.chat());
    expect((await keyAt(rotator, 0)).blocks).toMatchObject([{ scope: 'key', kind: 'billing', until: null }]);
    expect((await keyAt(rotator, 1)).blocks).toMatchObject([{ scope: 'key', kind: 'auth' }]);
    clock.leap(6 * MINUTE);
    expect((await rotator.chat()).status).toBe(200);
    expect(upstream.keysUsed).toEqual(['poor', 'bad', 'good', 'bad', 'good']);
    const again = Date.parse((await keyAt(rotator, 1)).blocks[0]?.until ?? '') - clock.now();
    expect(again).toBeGreaterThan(26 * MINUTE);
    expect(again).toBeLessThan(34 * MINUTE);
  });

  test('windows count on: neither a minute nor a day begins anew', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const clock = new LeapingClock();
    const options = { upstream, clock, keys: [{ key: 'one', limits: { rpm: 3, rpd: 5, tpm: '100k' } }] };
    await using rotator = await restarted(end, options, async (first) => {
      for (let i = 0; i < 2; i++) expect((await first.chat()).status).toBe(200);
    });
    expect((await rotator.chat()).status).toBe(200);
    const refused = await rotator.chat();
    expect(expectRetryAfter(refused)).toBeLessThanOrEqual(60);
    await expectError(refused, { status: 429, type: 'rate_limit_error' });
    expect((await keyAt(rotator, 0)).windows).toMatchObject([
      { name: 'rpm', used: 3, limit: 3, remaining: 0 },
      { name: 'tpm', used: 30 },
      { name: 'rpd', used: 3, limit: 5, remaining: 2 },
    ]);
    expect(upstream.calls).toHaveLength(3);
  });

  test('what a vendor said of its limits is still known', async () => {
    const headers = {
      'x-ratelimit-limit-requests': '10',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '50s',
    };
    await using upstream = await startUpstream({ keys: { one: answer('one', {}, headers), two: answer('two') } });
    const options = { upstream, clock: new LeapingClock() };
    await using rotator = await restarted(end, options, (first) => first.chat());
    expect((await keyAt(rotator, 0)).windows).toMatchObject([
      { name: 'rpm', limit: 10, remaining: 0, source: 'learned' },
    ]);
    await rotator.chat();
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });

  test('a conversation goes on with its key', async () => {
    await using upstream = await startUpstream({ answer: () => answer('ok') });
    const headers = { 'x-session-id': 'a-conversation' };
    const clock = new LeapingClock();
    const options = { upstream, clock, keys: ['a', 'b', 'c', 'd', 'e'], rotation: { tolerance: 0 } };
    await using rotator = await restarted(end, options, (first) => first.chat({}, { headers }));
    for (let i = 0; i < 4; i++) await rotator.chat({}, { headers });
    expect(new Set(upstream.keysUsed).size).toBe(1);
  });

  test('a long block that ended meanwhile lets one request go first', async () => {
    const clock = new LeapingClock();
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: [limited(600), after(held, answer('probe')), answer('ok')] },
    });
    await using rotator = await restarted(end, { upstream, clock }, async (first) => {
      await first.chat();
    });
    clock.leap(600 * SECOND);
    const all = Promise.all([rotator.chat(), rotator.chat(), rotator.chat()]);
    await held.reached;
    await eventually('two wait', async () => (await rotator.status()).waiting === 2);
    expect(upstream.calls).toHaveLength(2);
    held.open();
    for (const { status } of await all) expect(status).toBe(200);
  });

  test('totals count on', async () => {
    await using upstream = await startUpstream({ keys: { one: limited(600), two: answer('ok') } });
    await using rotator = await restarted(end, { upstream, clock: new LeapingClock() }, async (first) => {
      await first.chat();
      await first.chat();
    });
    await rotator.chat();
    expect((await keyAt(rotator, 0)).usage).toMatchObject({ requests: 1, failures: 1 });
    expect((await keyAt(rotator, 1)).usage).toMatchObject({
      requests: 3,
      failures: 0,
      input_tokens: 21,
      output_tokens: 9,
    });
  });

  test('what the operator lifted does not come back', async () => {
    await using upstream = await startUpstream({ keys: { one: [outOfCredit, answer('paid')], two: answer('two') } });
    const clock = new LeapingClock();
    await using rotator = await restarted(end, { upstream, clock }, async (first) => {
      await first.chat();
      // The block itself is in the file before it is lifted.
      clock.leap(1_000);
      const { id } = await keyAt(first, 0);
      expect((await first.admin(`keys/${id}/reset`, { method: 'POST' })).status).toBe(200);
    });
    expect((await keyAt(rotator, 0)).blocks).toEqual([]);
    await rotator.chat();
    expect(upstream.keysUsed).toEqual(['one', 'two', 'one']);
  });

  test('a limit that a vendor told and the operator lifted does not come back', async () => {
    const headers = { 'x-ratelimit-limit-requests': '10', 'x-ratelimit-remaining-requests': '0' };
    await using upstream = await startUpstream({ keys: { one: [answer('1', {}, headers), answer('2')] } });
    const clock = new LeapingClock();
    await using rotator = await restarted(end, { upstream, clock }, async (first) => {
      await first.chat();
      clock.leap(1_000);
      const { id } = await keyAt(first, 0);
      expect((await first.admin(`keys/${id}/reset`, { method: 'POST' })).status).toBe(200);
    });
    expect((await rotator.chat()).status).toBe(200);
  });
});

test('a provider that leaves the config and comes back is as it was when it left, not as at the start', async () => {
  await using upstream = await startUpstream({ keys: { one: [outOfCredit, answer('1')], two: answer('two') } });
  const first = await startRotator({ upstream, stateDir });
  await first.chat();
  await first.stop();
  await using rotator = await startRotator({ upstream, stateDir });
  const { id, blocks } = await keyAt(rotator, 0);
  expect(blocks).toHaveLength(1);
  await rotator.admin(`keys/${id}/reset`, { method: 'POST' });
  await rotator.chat();
  rotator.apply({});
  rotator.apply({ upstream });
  expect(await keyAt(rotator, 0)).toMatchObject({ blocks: [], usage: { requests: 2, failures: 1 } });
});

const stateOf = async (upstream: ScriptedUpstream) => {
  const rotator = await startRotator({ upstream, stateDir });
  const { blocks } = await keyAt(rotator, 0);
  await rotator.stop();
  return blocks;
};

test('starting and stopping again changes nothing of what is known', async () => {
  await using upstream = await startUpstream({ keys: { one: limited(600), two: answer('two') } });
  const first = await startRotator({ upstream, stateDir });
  await first.chat();
  await first.stop();
  const known = await stateOf(upstream);
  expect(known).toHaveLength(1);
  for (let i = 0; i < 3; i++) expect(await stateOf(upstream)).toEqual(known);
});

describe('a database that turns out to be damaged', () => {
  /** The pages of the table, and with it nothing that is read at the start. */
  function damage(path: string, table: string) {
    const database = new Database(path);
    database.run('PRAGMA wal_checkpoint(TRUNCATE)');
    const page = database
      .query<{ rootpage: number }, [string]>('SELECT rootpage FROM sqlite_schema WHERE name = ?')
      .get(table)?.rootpage;
    database.close();
    const bytes = readFileSync(path);
    bytes.fill(0xee, ((page ?? 1) - 1) * 4096, (page ?? 1) * 4096);
    writeFileSync(path, bytes);
  }

  test('hides no key: status says what it cannot tell, and the operator can do as ever', async () => {
    await using upstream = await startUpstream({ keys: { one: limited(300), two: answer('ok') } });
    const options = { upstream, keys: inOrder('one', 'two') };
    const first = await startRotator({ ...options, stateDir });
    await first.chat();
    await first.stop();
    const path = join(stateDir, 'rotator.db');
    for (const table of ['usage', 'lifetime', 'requests']) damage(path, table);

    await using rotator = await startRotator({ ...options, stateDir });
    expect((await rotator.chat()).status).toBe(200);
    const status = await rotator.status();
    expect(status.problem).toMatch(
      /^what was used cannot be read: .*rotator\.db is damaged .*the next start sets it aside$/,
    );
    expect(status.keys.map(({ blocks }) => blocks.map(({ kind }) => kind))).toEqual([['rate_limit'], []]);
    const [one, two] = await rotator.keys();
    const say = (id: string | undefined, what: string) => rotator.admin(`keys/${id}/${what}`, { method: 'POST' });
    expect((await say(one?.id, 'reset')).status).toBe(200);
    expect((await say(two?.id, 'disable')).status).toBe(200);
    expect((await rotator.keys()).map(({ state, blocks }) => [state, blocks.length])).toEqual([
      ['ready', 0],
      ['disabled', 0],
    ]);
    for (const what of ['usage', 'requests']) {
      const expected = { status: 503, type: 'server_error', code: 'state_damaged' };
      expect((await expectError(await rotator.admin(what), expected)).message).toContain('is damaged');
    }
    expect(rotator.log.join()).not.toContain('a bug in rotator');
    await rotator.stop();

    await using next = await startRotator({ ...options, stateDir });
    expect((await next.status()).problem).toBeNull();
    expect(readdirSync(stateDir).filter((name) => name.includes('.corrupt-'))).not.toEqual([]);
  });
});
