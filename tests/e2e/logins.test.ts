// The compiled program: each service is logged in to in one command, on a desktop, over SSH and without a terminal, and
// serves the next request with the account.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { TerminalCommand } from '../cli/support/terminal.ts';
import { binaryPath, endAll, ensureBinary, runBinary } from '../support/binary.ts';
import { said, streamed } from '../support/code-assist.ts';
import { eventually } from '../support/eventually.ts';
import { visit } from '../support/person.ts';
import {
  answer,
  type Answer,
  type Received,
  reply,
  type ScriptedUpstream,
  startUpstream,
  stream,
} from '../support/scripted-upstream.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';
import { jwt } from '../support/vendor-server.ts';

let home: TempHome;
let vendor: ScriptedUpstream;

beforeAll(ensureBinary, 120_000);
beforeEach(async () => {
  home = await tempHome();
  const challenges = new Map<string, string | null>();
  vendor = await startUpstream({ answer: (request) => vendorAnswer(request, challenges) });
});
afterEach(async () => {
  await endAll();
  await vendor[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});
afterAll(endAll);

type Case = {
  readonly service: string;
  readonly login: 'page' | 'code';
  readonly model: string;
  /** Behind the origin of the vendor. */
  readonly base?: string;
};

const SERVICES: readonly Case[] = [
  { service: 'codex', login: 'page', model: 'codex/gpt-5.3-codex' },
  { service: 'gemini-cli', login: 'page', model: 'gemini_cli/gemini-2.5-pro' },
  { service: 'antigravity', login: 'page', model: 'antigravity/gemini-3-pro-preview' },
  { service: 'claude', login: 'page', model: 'claude/claude-sonnet-4-6', base: '/v1' },
  { service: 'iflow', login: 'page', model: 'iflow/qwen3-max', base: '/v1' },
  { service: 'qwen-code', login: 'code', model: 'qwen_code/qwen3-coder-plus', base: '/v1' },
  { service: 'kimi', login: 'code', model: 'kimi/k3', base: '/v1' },
  { service: 'xai', login: 'code', model: 'xai/grok-4', base: '/v1' },
  { service: 'copilot', login: 'code', model: 'copilot/gpt-5.2' },
];
const SSH = { SSH_CONNECTION: '10.0.0.1 1 10.0.0.2 22' };

/** A vendor with everything that any of the services asks for. The code that its page gives is bound to its challenge. */
function vendorAnswer({ method, path, text, key, call }: Received, challenges: Map<string, string | null>): Answer {
  const url = new URL(path, 'http://vendor.test');
  switch (url.pathname) {
    case '/authorize': {
      const asked = url.searchParams;
      const code = `code-secret-${challenges.size}`;
      challenges.set(code, asked.get('code_challenge'));
      const back = new URL(asked.get('redirect_uri') ?? asked.get('redirect') ?? '');
      back.searchParams.set('code', code);
      back.searchParams.set('state', asked.get('state') ?? '');
      return reply(302, '', { location: back.href });
    }
    case '/device':
      return reply(200, {
        device_code: 'device-secret',
        user_code: 'AB-CD',
        verification_uri: 'https://vendor.test/device',
        expires_in: 60,
        interval: 0.01,
      });
    case '/token': {
      const given = text.startsWith('{')
        ? new URLSearchParams(JSON.parse(text) as Record<string, string>)
        : new URLSearchParams(text);
      if (given.has('device_code'))
        return call < 2 ? reply(400, { error: 'authorization_pending' }) : reply(200, tokens);
      const challenge = challenges.get(given.get('code') ?? '');
      const verifier = given.get('code_verifier');
      const shown = verifier === null ? null : createHash('sha256').update(verifier).digest('base64url');
      return challenge === shown ? reply(200, tokens) : reply(400, { error: 'invalid_grant' });
    }
    case '/oauth2/v1/userinfo':
    case '/user':
      return reply(200, { email: 'ann@people.test' });
    case '/api/oauth/getUserInfo':
      return reply(200, { success: true, data: { apiKey: 'key-secret', email: 'ann@people.test' } });
    case '/v1internal:loadCodeAssist':
      return reply(200, { currentTier: { id: 'standard-tier' }, cloudaicompanionProject: 'my-project' });
    case '/copilot_internal/v2/token':
      return reply(200, { token: 'at-secret', expires_at: 4e9, endpoints: { api: vendor.origin } });
  }
  if (method !== 'POST' || !['at-secret', 'key-secret'].includes(key ?? '')) return reply(404, {});
  if (url.pathname.includes('treamGenerateContent')) return streamed('served');
  if (url.pathname.includes('enerateContent')) return said('served');
  if (url.pathname.endsWith('/responses')) return stream(codexStream);
  if (url.pathname.endsWith('/messages')) return reply(200, claudeMessage);
  return answer('served');
}

const tokens = {
  access_token: 'at-secret',
  refresh_token: 'rt-secret',
  id_token: jwt({ email: 'ann@people.test', sub: 'ann' }),
  token_type: 'Bearer',
  expires_in: 864_000,
};

const event = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text: 'served', annotations: [] }],
};
const codexStream = [
  event('response.created', { response: { id: 'resp_1', status: 'in_progress' } }),
  event('response.output_item.added', { output_index: 0, item: { ...message, content: [], status: 'in_progress' } }),
  event('response.output_text.delta', { output_index: 0, item_id: 'msg_1', content_index: 0, delta: 'served' }),
  event('response.output_item.done', { output_index: 0, item: message }),
  event('response.completed', { response: { id: 'resp_1', object: 'response', status: 'completed', output: [] } }),
];
const claudeMessage = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-6',
  content: [{ type: 'text', text: 'served' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 1, output_tokens: 1 },
};

/** The config that puts the test's vendor in the place of the service's own. */
const configOf = ({ service, login, base = '' }: Case): Promise<string> =>
  home.write(
    'config/rotator/rotator.yaml',
    `providers:
  ${service}:
    base_url: ${vendor.origin}${base}
    oauth:
      token_url: "${vendor.origin}/token"
      api_url: "${vendor.origin}${base}"
      ${login === 'page' ? `authorize_url: "${vendor.origin}/authorize"\n      redirect_port: 0` : `device_url: "${vendor.origin}/device"`}
`,
  );

const onTerminal = (argv: readonly string[], env: Record<string, string>) =>
  new TerminalCommand({ cwd: home.cwd, env: (more) => ({ ...home.env, ...more }) }, argv, env, {
    program: [binaryPath],
  });

/** A desktop's opener: it leaves the address where the test finds it. */
async function desktop(): Promise<{ readonly env: Record<string, string>; readonly opened: string }> {
  const opened = home.path('opened');
  const opener = await home.write(
    'bin/xdg-open',
    `#!/bin/sh\nprintf '%s' "$1" > ${opened}.part && mv ${opened}.part ${opened}\n`,
  );
  await chmod(opener, 0o755);
  const PATH = `${home.path('bin')}:${home.env.PATH ?? ''}`;
  // The mark of a container, where tests may run, is outweighed by a browser that has a name.
  return { env: { DISPLAY: ':0', BROWSER: 'x-www-browser', CI: '', DEBIAN_FRONTEND: '', PATH }, opened };
}

const addressOn = (command: TerminalCommand) =>
  (command.text.slice(command.text.indexOf('http://127')).split(/\r?\n\r?\n/)[0] ?? '').replace(/\s/g, '');

/** The account is there, says nothing of its tokens, and serves. */
async function expectServes({ service, model }: Case, shown: string): Promise<void> {
  const id = `${service.replaceAll('-', '_')}-1`;
  const list = await runBinary(['oauth', 'list', '--json'], { home });
  expect(JSON.parse(list.stdout)).toMatchObject([{ id, state: 'ready' }]);
  const kept: unknown = JSON.parse(await readFile(home.path('state', 'oauth', `${id}.json`), 'utf8'));
  expect(JSON.stringify(kept)).toContain('rt-secret');
  const served = await runBinary(['chat', '-m', model, '--no-stream', 'hello'], { home });
  expect(served).toEqual({ code: 0, stdout: 'served\n', stderr: '' });
  expect(shown + list.stdout + list.stderr).not.toMatch(/(?:at|rt|key|device)-secret/);
}

describe.each(SERVICES.map((one) => [one.service, one] as const))('%s', (service, one) => {
  const risk = ['--accept-risk'];

  test('is logged in to in one command on a desktop', async () => {
    await configOf(one);
    const { env, opened } = await desktop();
    await using command = onTerminal(['oauth', 'login', service, ...risk], env);
    if (one.login === 'page') {
      await command.shows('Waiting for the browser');
      await eventually('the page is opened', () => existsSync(opened));
      const callback = await visit(await readFile(opened, 'utf8'));
      expect((await fetch(callback.replace('localhost', '127.0.0.1'))).status).toBe(200);
    } else {
      await command.shows('AB-CD');
      await eventually('the page is opened', () => existsSync(opened));
      expect(await readFile(opened, 'utf8')).toBe('https://vendor.test/device');
    }
    expect([await command.ended, command.text]).toEqual([0, expect.stringContaining('logged in: ')]);
    await expectServes(one, command.text);
  }, 30_000);

  test('is logged in to in one command over SSH', async () => {
    await configOf(one);
    await using command = onTerminal(['oauth', 'login', service, ...risk], SSH);
    if (one.login === 'page') {
      await command.shows('Paste the address');
      command.type(await visit(addressOn(command)));
      command.type('\r');
    } else await command.shows('AB-CD');
    expect([await command.ended, command.text]).toEqual([0, expect.stringContaining('logged in: ')]);
    await expectServes(one, command.text);
  }, 30_000);

  test('is logged in to without a terminal', async () => {
    await configOf(one);
    const begun = await runBinary(['oauth', 'login', service, ...risk, '--json'], { home });
    expect(begun.code).toBe(0);
    const [first = ''] = one.login === 'page' ? [begun.stdout] : begun.stdout.split('\n');
    const pending = JSON.parse(first);
    expect(pending).toMatchObject({ status: 'pending', provider: service.replaceAll('-', '_') });
    const shown = [begun.stdout, begun.stderr];
    if (one.login === 'page') {
      const callback = await visit(pending.url);
      const done = await runBinary(['oauth', 'login', service, '--code', callback, '--json'], { home });
      expect(done.code).toBe(0);
      shown.push(done.stdout, done.stderr);
    }
    await expectServes(one, shown.join(''));
  }, 30_000);
});
