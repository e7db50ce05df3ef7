import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../src/observe/log.ts';
import type { RequestRecord } from '../../src/observe/request-record.ts';
import { findTranscript } from '../../src/observe/transcript-place.ts';
import { Transcripts } from '../../src/observe/transcripts.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';

const START = Date.UTC(2026, 0, 31, 12);
const DAY = 24 * 60 * 60_000;

let stateDir: string;
let lines: string[];
let clock: ManualClock;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'rotator-transcripts-'));
  lines = [];
  clock = new ManualClock(START);
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const transcriptsWith = (more: { maxBytes?: number; maxDays?: number } = {}) =>
  new Transcripts({
    stateDir,
    clock,
    log: createLog({ level: 'debug', format: 'json', write: (line) => lines.push(line) }),
    ...more,
  });

const record = (id = 'req-1', at = START): RequestRecord => ({
  id,
  at,
  client: 'laptop',
  model: 'fast',
  target: 'groq/llama',
  credential: 'groq-1',
  attempts: [],
  fallbacks: [],
  operation: 'chat',
  traceParent: null,
  status: 200,
  failure: null,
  isStream: false,
  queueMs: 0,
  firstByteMs: null,
  totalMs: 10,
  overheadMs: 0.3,
  inputTokens: null,
  outputTokens: null,
  cachedTokens: null,
  reasoningTokens: null,
  costUsd: null,
});

const bytes = (text: string) => new TextEncoder().encode(text);
const dayOf = (day: string) => join(stateDir, 'logs', day);
const filesOf = (directory: string) =>
  Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'utf8')]));

describe('a request', () => {
  test('is written with all that was said, for its owner alone', async () => {
    const transcripts = transcriptsWith();
    const transcript = transcripts.begin({
      headers: [['content-type', 'application/json']],
      body: bytes('{"model":"fast"}'),
    });
    const first = transcript.attempt({
      method: 'POST',
      url: 'https://x.example/v1/chat?key=abc',
      headers: [],
      body: bytes('{"a":1}'),
    });
    first.error = 'connection refused';
    const second = transcript.attempt({
      method: 'POST',
      url: 'https://y.example/v1/chat',
      headers: [['x-extra', '1']],
      body: bytes('{"b":1}'),
    });
    second.status = 200;
    second.response.add(bytes('data: {"c":1}\n\n'));
    second.response.add(bytes('data: [DONE]\n\n'));
    transcript.sent('data: {"c":1}\n\n');
    transcript.sent(bytes('data: [DONE]\n\n'));
    transcript.end(record());
    await transcripts.close();
    const directory = join(dayOf('2026-01-31'), 'req-1');
    expect(findTranscript(stateDir, 'req-1', START)).toBe(directory);
    const { 'index.json': index, ...files } = filesOf(directory);
    expect(files).toEqual({
      'request.json': '{"model":"fast"}',
      'attempt-1-request.json': '{"a":1}',
      'attempt-2-request.json': '{"b":1}',
      'attempt-2-response.txt': 'data: {"c":1}\n\ndata: [DONE]\n\n',
      'response.txt': 'data: {"c":1}\n\ndata: [DONE]\n\n',
    });
    expect(JSON.parse(index ?? '')).toMatchObject({
      id: 'req-1',
      at: '2026-01-31T12:00:00.000Z',
      client: 'laptop',
      request: { headers: { 'content-type': 'application/json' }, file: 'request.json', cut_bytes: 0 },
      upstream: [
        { url: 'https://x.example/v1/chat', status: null, error: 'connection refused', response: { file: null } },
        { url: 'https://y.example/v1/chat', status: 200, error: null, request: { headers: { 'x-extra': '1' } } },
      ],
      response: { file: 'response.txt' },
    });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, 'index.json')).mode & 0o777).toBe(0o600);
  });

  test('waits for its last words', async () => {
    const transcripts = transcriptsWith();
    const transcript = transcripts.begin({ headers: [], body: bytes('{}') });
    transcript.end(record());
    transcript.sent('the end');
    await clock.advance(1000);
    const directory = join(dayOf('2026-01-31'), 'req-1');
    await eventually('it is written', () => existsSync(join(directory, 'index.json')));
    expect(filesOf(directory)['response.txt']).toBe('the end');
    await transcripts.close();
  });

  test('whose id was used before gets a directory of its own', async () => {
    const transcripts = transcriptsWith();
    for (let i = 0; i < 3; i++) transcripts.begin({ headers: [], body: bytes(`{"i":${i}}`) }).end(record());
    await transcripts.close();
    expect(readdirSync(dayOf('2026-01-31')).sort()).toEqual(['req-1', 'req-1-2', 'req-1-3']);
  });

  test.each(['..', '.', 'a.b', '../../x'])('with the id %p stays in its place', async (id) => {
    const transcripts = transcriptsWith();
    transcripts.begin({ headers: [], body: bytes('{}') }).end(record(id));
    await transcripts.close();
    expect(readdirSync(stateDir)).toEqual(['logs']);
    expect(readdirSync(dayOf('2026-01-31'))).toHaveLength(1);
  });

  test('that is not over is not written', async () => {
    const transcripts = transcriptsWith();
    transcripts.begin({ headers: [], body: bytes('{}') });
    await transcripts.close();
    expect(existsSync(join(stateDir, 'logs'))).toBe(false);
  });
});

describe('secrets', () => {
  // No shape of its own: only that it was sent as a key tells what it is.
  const key = 'plainvendorkey';

  test('that were sent as a key are hidden wherever they are repeated', async () => {
    const transcripts = transcriptsWith();
    const transcript = transcripts.begin({ headers: [['cookie', 'session=abcdef']], body: bytes('{"model":"m"}') });
    const attempt = transcript.attempt({
      method: 'POST',
      url: `https://x.example/${key}/chat`,
      headers: [
        ['authorization', `Bearer ${key}`],
        ['x-goog-api-key', 'AIzaSyA1234567890123456789012345678901'],
      ],
      body: bytes('{"contact":"AIzaSyA1234567890123456789012345678901"}'),
    });
    attempt.response.add(bytes(`{"error":"no such key ${key}"}`));
    attempt.error = `refused ${key}`;
    transcript.sent(`{"error":"no such key ${key}"}`);
    transcript.end(record());
    await transcripts.close();
    const all = Object.values(filesOf(join(dayOf('2026-01-31'), 'req-1'))).join('\n');
    for (const secret of [key, 'AIzaSyA123', 'abcdef']) expect(all).not.toContain(secret);
    expect(all).toContain('no such key ***');
  });

  test('are found in long bodies, wherever a slice ends', async () => {
    for (const padding of [65_500, 65_510, 65_520, 65_530, 65_536]) {
      const transcripts = transcriptsWith();
      const secret = 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789';
      const body = JSON.stringify({
        text: 'word, '.repeat(padding / 6),
        api_key: 'hiddenhidden',
        more: secret,
        end: 1,
      });
      transcripts.begin({ headers: [], body: bytes(body) }).end(record(`req-${padding}`));
      await transcripts.close();
      const written = filesOf(join(dayOf('2026-01-31'), `req-${padding}`))['request.json'] ?? '';
      expect(written).not.toContain('abcdefghij');
      expect(written).not.toContain('hiddenhidden');
      expect(JSON.parse(written)).toMatchObject({ end: 1 });
    }
  });
});

describe('limits', () => {
  test('a body is cut where it is too large, and says so', async () => {
    const transcripts = transcriptsWith();
    transcripts.begin({ headers: [], body: bytes('x'.repeat(3 * 1024 * 1024)) }).end(record());
    await transcripts.close();
    const files = filesOf(join(dayOf('2026-01-31'), 'req-1'));
    expect(files['request.txt']).toHaveLength(2 * 1024 * 1024);
    expect(JSON.parse(files['index.json'] ?? '').request.cut_bytes).toBe(1024 * 1024);
  });

  test('memory is bounded, and free again when the files are written', async () => {
    const transcripts = transcriptsWith();
    const body = new Uint8Array(2 * 1024 * 1024);
    const many = Array.from({ length: 40 }, () => transcripts.begin({ headers: [], body }));
    expect(many.map(({ request }) => request.bytes).reduce((a, b) => a + b)).toBe(64 * 1024 * 1024);
    expect(many.at(-1)?.request.cut).toBe(body.length);
    for (const [i, transcript] of many.entries()) if (i < 2) transcript.end(record(`req-${i}`));
    await transcripts.close();
    expect(transcripts.begin({ headers: [], body }).request.bytes).toBe(body.length);
  });

  function old(day: string, name: string, size: number, at: number): string {
    const directory = join(dayOf(day), name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'request.json'), 'x'.repeat(size));
    utimesSync(directory, new Date(at), new Date(at));
    return directory;
  }

  test('days that are too old go, and nothing else in the directory', async () => {
    old('2026-01-20', 'a', 1, START - 11 * DAY);
    old('2026-01-25', 'b', 1, START - 6 * DAY);
    mkdirSync(join(stateDir, 'logs/mine'));
    const transcripts = transcriptsWith({ maxDays: 7 });
    await clock.advance(1000);
    await transcripts.close();
    expect(readdirSync(join(stateDir, 'logs')).sort()).toEqual(['2026-01-25', 'mine']);
  });

  test('above the size the oldest requests go, at the next look', async () => {
    const oldest = old('2026-01-29', 'a', 600, START - 2 * DAY);
    const second = old('2026-01-30', 'b', 600, START - DAY);
    const third = old('2026-01-30', 'c', 600, START - DAY + 1);
    const transcripts = transcriptsWith({ maxBytes: 1300 });
    await clock.advance(1000);
    await eventually('the oldest is gone', () => !existsSync(oldest));
    expect([second, third].map(existsSync)).toEqual([true, true]);
    const fourth = old('2026-01-31', 'd', 600, START);
    await clock.advance(60 * 60_000);
    await eventually('the next is gone', () => !existsSync(second));
    await transcripts.close();
    expect([third, fourth].map(existsSync)).toEqual([true, true]);
  });
});

test('a directory that cannot be written is told once, and harms nobody', async () => {
  writeFileSync(join(stateDir, 'logs'), 'a file');
  const transcripts = transcriptsWith();
  for (let i = 0; i < 3; i++) transcripts.begin({ headers: [], body: bytes('{}') }).end(record());
  await transcripts.close();
  expect(lines.filter((line) => line.includes('cannot be written'))).toHaveLength(1);
});
