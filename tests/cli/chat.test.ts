import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  after,
  answer,
  chatFrames,
  chatStream,
  gate,
  refusal,
  type ScriptedUpstream,
  startUpstream,
  stream,
  textFrame,
  usageFrame,
} from '../support/scripted-upstream.ts';
import { Home } from './support/home.ts';

let home: Home;
let upstream: ScriptedUpstream | null;

beforeEach(() => {
  home = new Home();
  upstream = null;
});

afterEach(async () => {
  home[Symbol.dispose]();
  await upstream?.close();
});

type Options = Parameters<typeof startUpstream>[0];

/** A config with one provider `mock` of this upstream. */
async function mock(options: Options, more = ''): Promise<ScriptedUpstream> {
  upstream = await startUpstream({ models: ['m', 'n'], ...options });
  const keys = Object.keys(options?.keys ?? {});
  home.config(`providers:\n  mock: { base_url: "${upstream.baseUrl}", keys: [${keys.join(', ')}] }\n${more}`);
  return upstream;
}

const sent = () => JSON.parse(upstream?.calls[0]?.text ?? 'null');

describe('rotator chat', () => {
  test('streams the answer to stdout and nothing else anywhere', async () => {
    await mock({ keys: { k1: chatStream('Hel', 'lo') } });
    expect(await home.run(['chat', '-m', 'mock/m', 'say', 'hello'])).toEqual({
      exitCode: 0,
      stdout: 'Hello\n',
      stderr: '',
    });
    expect(sent()).toMatchObject({ model: 'm', stream: true, messages: [{ role: 'user', content: 'say hello' }] });
  });

  test('joins the arguments, a blank line and what is piped in', async () => {
    await mock({ keys: { k1: chatStream('ok') } });
    await home.run(['chat', '-m', 'mock/m', 'explain this'], { stdin: 'let x = 1\n' });
    expect(sent().messages).toEqual([{ role: 'user', content: 'explain this\n\nlet x = 1' }]);
  });

  test('sends what the options say', async () => {
    await mock({ keys: { k1: answer('ok') } });
    const argv = ['chat', '-m', 'mock/m', '-s', 'be brief', '-t', '0.5', '--max-tokens', '9', '-o', 'top_p=0.9'];
    const { exitCode, stdout } = await home.run([...argv, '-o', 'user=me', '--no-stream', 'hi']);
    expect([exitCode, stdout]).toEqual([0, 'ok\n']);
    expect(sent()).toMatchObject({ temperature: 0.5, max_tokens: 9, top_p: 0.9, user: 'me' });
    expect(sent().stream).toBeUndefined();
    expect(sent().messages[0]).toEqual({ role: 'system', content: 'be brief' });
  });

  test('takes the model from the config when none is named', async () => {
    await mock({ keys: { k1: chatStream('ok') } }, 'chat: { model: mock/n }\n');
    expect((await home.run(['chat', 'hi'])).exitCode).toBe(0);
    expect(sent().model).toBe('n');
  });

  test('without any model exits 2 with three candidates', async () => {
    await mock({ keys: { k1: chatStream('ok') } });
    const { exitCode, stdout, stderr } = await home.run(['chat', 'hi']);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toBe(
      'error: no model was named\nhint: write -m MODEL or set chat.model; for example mock/m, mock/n, demo/chat\n',
    );
  });

  test('without a model asks the only alias there is', async () => {
    await mock({ keys: { k1: chatStream('from the alias') } }, 'aliases: { mine: mock/m, "claude-*": mock/n }\n');
    expect(await home.run(['chat', 'hi'])).toMatchObject({ exitCode: 0, stdout: 'from the alias\n' });
  });

  test('without a prompt exits 2', async () => {
    const { exitCode, stderr } = await home.run(['chat', '-m', 'demo/chat']);
    expect(exitCode).toBe(2);
    expect(stderr).toStartWith('error: there is no prompt\nhint: ');
  });

  test('prints tokens to stderr with --usage', async () => {
    await mock({ keys: { k1: stream([...chatFrames('ok').slice(0, -1), usageFrame(), 'data: [DONE]\n\n']) } });
    const { stdout, stderr } = await home.run(['chat', '-m', 'mock/m', '--usage', 'hi']);
    expect(stdout).toBe('ok\n');
    expect(stderr).toMatch(/^usage: \d+ input tokens, \d+ output tokens, cost unknown\n$/);
  });

  test.each([['a stream'], ['--no-stream']])('tells with --usage what %s cost, where a price is known', async (how) => {
    const priced = 'pricing: { overrides: { "mock/m": { input: 1000, output: 1000 } } }';
    const frames = [...chatFrames('ok').slice(0, -1), usageFrame(), 'data: [DONE]\n\n'];
    await mock({ keys: { k1: how === '--no-stream' ? answer('ok') : stream(frames) } }, priced);
    const flags = how === '--no-stream' ? [how] : [];
    const { stderr } = await home.run(['chat', '-m', 'mock/m', '--usage', ...flags, 'hi']);
    const [, input, output, cost] =
      /^usage: (\d+) input tokens, (\d+) output tokens, cost \$([\d.]+)\n$/.exec(stderr) ?? [];
    expect(Number(input) + Number(output)).toBeGreaterThan(0);
    expect(Number(cost)).toBeCloseTo((Number(input) + Number(output)) / 1000, 6);
  });

  test('prints the whole response object with --json', async () => {
    await mock({ keys: { k1: answer('ok') } });
    const outcome = await home.run(['chat', '-m', 'mock/m', '--json', 'hi']);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expect(home.json(outcome)).toMatchObject({ object: 'chat.completion', choices: [{ message: { content: 'ok' } }] });
  });

  test('answers with the demo where there is neither config nor key', async () => {
    const { exitCode, stdout } = await home.run(['chat', '-m', 'demo/chat', 'hi there']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('hi there');
  });

  test('a rejected key is exit 4', async () => {
    await mock({ keys: { k1: refusal(401, { message: 'Incorrect API key provided' }) } });
    const { exitCode, stdout, stderr } = await home.run(['chat', '-m', 'mock/m', 'hi']);
    expect([exitCode, stdout]).toEqual([4, '']);
    expect(stderr).toMatch(/^error: mock\/m refused every credential.*\nhint: rotator keys test/);
  });

  test('a rate limit is exit 3 and says when to come back', async () => {
    await mock({ keys: { k1: refusal(429, { message: 'slow down' }, { 'retry-after': '90' }) } });
    const { exitCode, stderr } = await home.run(['chat', '-m', 'mock/m', '--json', 'hi']);
    expect(exitCode).toBe(3);
    const { error } = JSON.parse(stderr);
    expect(error.code).toBe('rate_limit_error');
    expect(error.hint).toMatch(/^try again in (89|90) s; rotator test-route mock\/m shows why$/);
  });

  test('an unknown model is exit 2', async () => {
    await mock({ keys: { k1: answer('ok') } });
    const { exitCode, stderr } = await home.run(['chat', '-m', 'mock-m', 'hi']);
    expect(exitCode).toBe(2);
    expect(stderr).toStartWith('error: model "mock-m" is not known.');
  });

  test('a known provider without credentials is exit 3 and says how to add one', async () => {
    const { exitCode, stderr } = await home.run(['chat', '-m', 'groq/llama-3.3-70b-versatile', 'hi']);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('rotator keys add groq');
  });

  test('a stream that breaks is exit 1, after what had come', async () => {
    const read = gate();
    await mock({ keys: { k1: stream([textFrame('half'), textFrame(' an'), read], { end: 'fin' }) } });
    const command = home.start(['chat', '-m', 'mock/m', 'hi']);
    await command.stdout.until(/half an/);
    read.open();
    const { exitCode, stdout, stderr } = await command.ended;
    expect([exitCode, stdout]).toEqual([1, 'half an\n']);
    expect(stderr).toStartWith('error: ');
  });

  test('Ctrl-C is exit 130, says nothing and hangs up', async () => {
    const asked = gate();
    await mock({ keys: { k1: after(asked, answer('too late')) } });
    const command = home.start(['chat', '-m', 'mock/m', 'hi']);
    await asked.reached;
    command.signal('SIGINT');
    expect(await command.ended).toEqual({ exitCode: 130, stdout: '', stderr: '' });
    await upstream?.calls[0]?.gone;
  });

  test('an empty -m is no model: exit 2', async () => {
    await mock({ keys: { k1: answer('ok') } });
    const { exitCode, stderr } = await home.run(['chat', '-m', '', 'hi']);
    expect([exitCode, stderr.split('\n')[0]]).toEqual([2, 'error: no model was named']);
  });

  test('-o stream=true cannot break the promise of --json', async () => {
    await mock({ keys: { k1: chatStream('ok') } });
    const { exitCode, stdout, stderr } = await home.run(['chat', '-m', 'mock/m', '--json', '-o', 'stream=true', 'hi']);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(JSON.parse(stderr).error.message).toBe(
      '"-o stream" cannot be used with --json, which prints one whole object',
    );
  });

  test('what is piped in must be text: bytes are not turned into question marks', async () => {
    await mock({ keys: { k1: chatStream('ok') } });
    const { exitCode, stderr } = await home.run(['chat', '-m', 'mock/m', 'what is this?'], {
      stdin: new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0xff]),
    });
    expect([exitCode, stderr]).toEqual([
      2,
      'error: what was piped in is not text in UTF-8\nhint: an image is added with -f FILE; text in another encoding goes through iconv first\n',
    ]);
    expect(upstream?.calls).toHaveLength(0);
  });

  test('a directory is told apart from an unreadable file', async () => {
    const { exitCode, stderr } = await home.run(['chat', '-m', 'demo/chat', '-f', '.', 'hi']);
    expect([exitCode, stderr.split('\n')[0]]).toEqual([2, 'error: file "." is a directory']);
  });
});
