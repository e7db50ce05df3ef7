import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { chatStream, startUpstream } from '../support/scripted-upstream.ts';
import { Home } from './support/home.ts';
import { TerminalCommand } from './support/terminal.ts';

let home: Home;

beforeEach(() => {
  home = new Home();
});

afterEach(() => home[Symbol.dispose]());

const ENTER = '\r';
const CTRL_C = '\u0003';
const CTRL_U = '\u0015';

describe('on a terminal', () => {
  test('keys add asks for the key and does not show it', async () => {
    await using command = new TerminalCommand(home, ['keys', 'add', 'groq']);
    await command.shows('Key for Groq');
    command.type('gsk_0123456789abcdef');
    command.type(ENTER);
    expect(await command.ended).toBe(0);
    expect(command.text).not.toContain('gsk_0123456789abcdef');
    expect(command.text).toContain(`created ${home.configPath}`);
    expect(home.readConfig()).toContain('gsk_0123456789abcdef');
  });

  test('models keeps the names whole, however narrow it is', async () => {
    const size = { cols: 30, rows: 30 };
    await using command = new TerminalCommand(home, ['models', '--provider', 'demo'], {}, size);
    expect(await command.ended).toBe(0);
    const lines = command.text.split(/\r?\n/).filter((line) => line.startsWith('demo/'));
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['demo/chat', 'demo/reasoner']);
    expect(lines.filter((line) => line.length > 30)).toEqual([]);
  });

  test('keys add asks again for a key that cannot be one', async () => {
    await using command = new TerminalCommand(home, ['keys', 'add', 'groq']);
    await command.shows('Key for Groq');
    command.type('export GROQ_API_KEY=x');
    command.type(ENTER);
    await command.shows('the key has blanks in it');
    command.type(CTRL_U);
    command.type('gsk_0123456789abcdef');
    command.type(ENTER);
    expect(await command.ended).toBe(0);
    expect(home.readConfig()).toContain('- "gsk_0123456789abcdef"');
  });

  test('keys add without a provider lets one be found by typing', async () => {
    await using command = new TerminalCommand(home, ['keys', 'add']);
    await command.shows('Which provider?');
    command.type('mistr');
    await command.shows('1 match');
    command.type(ENTER);
    await command.shows('Key for Mistral');
    command.type('mistral-0123456789');
    command.type(ENTER);
    expect(await command.ended).toBe(0);
    expect(home.readConfig()).toContain('mistral');
  });

  test.each([
    [['--no-color'], {}],
    [['--no-color'], { FORCE_COLOR: '1' }],
    [[], { NO_COLOR: '1' }],
  ])('questions have no colour with %j and %j', async (flags, env) => {
    await using command = new TerminalCommand(home, [...flags, 'keys', 'add', 'groq'], env);
    await command.shows('Key for Groq');
    command.type(CTRL_C);
    expect(await command.ended).toBe(130);
    expect(command.raw).not.toMatch(/\u001b\[[39]\dm/);
  });

  test('keys add asks what else a vendor’s URL needs', async () => {
    await using command = new TerminalCommand(home, ['keys', 'add', 'cloudflare']);
    await command.shows('CLOUDFLARE_ACCOUNT_ID');
    command.type('0123');
    command.type(ENTER);
    await command.shows('Key for Cloudflare');
    command.type('cf-0123456789abcdef');
    command.type(ENTER);
    expect(await command.ended).toBe(0);
    expect(home.readConfig()).toContain('CLOUDFLARE_ACCOUNT_ID: "0123"');
  });

  test('keys add asks where an unknown server is', async () => {
    await using command = new TerminalCommand(home, ['keys', 'add', 'my-house-llm']);
    await command.shows('Where is its API?');
    command.type('http://127.0.0.1:1/v1');
    command.type(ENTER);
    await command.shows('empty: it takes none');
    command.type(ENTER);
    expect(await command.ended).toBe(0);
    expect(home.readConfig()).toContain('http://127.0.0.1:1/v1');
  });

  test('Ctrl-C at a question is 130 and changes nothing', async () => {
    await using command = new TerminalCommand(home, ['keys', 'add', 'groq']);
    await command.shows('Key for Groq');
    command.type(CTRL_C);
    expect(await command.ended).toBe(130);
    expect(existsSync(home.configPath)).toBe(false);
  });

  test('an answer is rendered as Markdown, and raw with --raw', async () => {
    await using upstream = await startUpstream({
      models: ['m'],
      keys: { k1: chatStream('# Title\n\n', '- **bold**\n') },
    });
    home.config(`providers:\n  mock: { base_url: "${upstream.baseUrl}", keys: [k1] }\n`);
    await using rendered = new TerminalCommand(home, ['chat', '-m', 'mock/m', 'hi']);
    expect(await rendered.ended).toBe(0);
    expect(rendered.text).toContain('• bold');
    await using raw = new TerminalCommand(home, ['chat', '-m', 'mock/m', '--raw', 'hi']);
    expect(await raw.ended).toBe(0);
    expect(raw.text).toContain('- **bold**');
  });

  test('serve shows the client key, for it is the person’s own screen', async () => {
    await using command = new TerminalCommand(home, ['serve', '--port', '0', '--demo']);
    await command.shows('Say hello.');
    expect(command.text).toMatch(/Bearer sk-rotator-[\w-]{43}/);
    command.signal('SIGINT');
    expect(await command.ended).toBe(0);
  });
});
