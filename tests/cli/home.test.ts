import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chatStream, reply, startUpstream } from '../support/scripted-upstream.ts';
import { Home } from './support/home.ts';
import { TerminalCommand } from './support/terminal.ts';

// A person's whole way through menus, each with programs that start.
setDefaultTimeout(25_000);

let home: Home;

beforeEach(() => {
  home = new Home();
});

afterEach(() => home[Symbol.dispose]());

const ENTER = '\r';
const DOWN = '\u001b[B';
const CTRL_C = '\u0003';
const MENU = 'What do you want to do?';

const shows =
  (...texts: string[]) =>
  (lines: readonly string[]) =>
    texts.every((text) => lines.some((line) => line.includes(text)));

/** The lines of the question that is open now, its own first; none when there is none. */
function openQuestion(lines: readonly string[]): readonly string[] {
  const start = lines.findLastIndex((line) => /^[◆*] {2}/.test(line));
  return start < 0 ? [] : lines.slice(start);
}

const answered = (lines: readonly string[]) => lines.filter((line) => /^[◇o] {2}/.test(line)).length;

/** Goes down in the menu that is open until the entry is reached, and takes it. */
async function pick(command: TerminalCommand, entry: string): Promise<void> {
  const isEntry = (line: string) => /^[│|] {2}[●○> ] /.test(line) && line.slice(5).startsWith(entry);
  const activeOf = (all: readonly string[]) => openQuestion(all).find((line) => /^[│|] {2}[●>] /.test(line));
  let lines = await command.screenShows((all) => openQuestion(all).some(isEntry) && activeOf(all) !== undefined);
  while (!isEntry(activeOf(lines) ?? '')) {
    const before = activeOf(lines);
    command.type(DOWN);
    // A screen may be read in the middle of its being drawn: then no entry is active.
    lines = await command.screenShows((next) => ![undefined, before].includes(activeOf(next)));
  }
  const [question] = openQuestion(lines);
  const count = answered(lines);
  command.type(ENTER);
  await command.screenShows((next) => openQuestion(next)[0] !== question || answered(next) > count);
}

/** Types into the question that is open, and sends it off when what was typed is seen, if only as dots. */
async function answer(command: TerminalCommand, question: string, text: string, seen = /./): Promise<void> {
  const isOpen = (lines: readonly string[]) => (openQuestion(lines)[0] ?? '').includes(question);
  const before = await command.screenShows(isOpen);
  command.type(text);
  const typed = await command.screenShows(
    (lines) => isOpen(lines) && lines.join() !== before.join() && seen.test(lines.join('\n')),
  );
  command.type(ENTER);
  await command.screenShows((lines) => !isOpen(lines) || answered(lines) > answered(typed));
}

/** The same in a list that is searched by typing. */
const search = (command: TerminalCommand, question: string, text: string) =>
  answer(command, question, text, /\b1 match/);

async function agree(command: TerminalCommand, question: string, key: 'y' | 'n'): Promise<void> {
  const isOpen = (lines: readonly string[]) => (openQuestion(lines)[0] ?? '').includes(question);
  await command.screenShows(isOpen);
  command.type(key);
  await command.screenShows((lines) => !isOpen(lines));
}

function stopServer(): void {
  const { pid } = JSON.parse(readFileSync(join(home.stateDir, 'server.json'), 'utf8'));
  process.kill(pid, 'SIGINT');
}

describe('the first run', () => {
  test('leads from nothing to an answer, a client and a server', async () => {
    await using upstream = await startUpstream({
      models: ['m'],
      keys: { key1: chatStream('Hello there.'), key2: chatStream('Hi.') },
    });
    await using command = new TerminalCommand(home, [], {}, { rows: 40 });
    await command.shows('How do you want to begin?');
    await pick(command, 'Paste API keys');
    await search(command, 'Which provider?', 'A server of my own');
    await answer(command, 'What is it to be called?', 'house');
    await answer(command, 'Where is its API', upstream.baseUrl);
    await answer(command, 'Key for house', 'key1');
    await command.shows('Another key?');
    expect(home.readConfig()).toContain('key1');
    await pick(command, 'Another one for house');
    await answer(command, 'Key for house', 'key2');
    await command.screenShows((lines) => lines.filter((line) => line.includes('Another key?')).length === 2);
    await pick(command, 'No, that is all');
    await command.shows('$ rotator chat -m house/m');
    await agree(command, 'Set up a client', 'y');
    expect(command.text).toMatch(/Hello there\.|Hi\./);
    await search(command, 'Which client?', 'Codex');
    await pick(command, 'Write them into its own file');
    await command.screenShows((lines) => (openQuestion(lines)[0] ?? '').includes('Start serving now?'));
    expect(command.text).toContain('$ rotator setup codex --write');
    expect(readFileSync(join(home.path, '.codex/config.toml'), 'utf8')).toContain('model = "house/m"');
    expect(command.text).not.toContain('key1');
    home.config(home.readConfig() + 'server: { port: 0 }\n');
    await agree(command, 'Start serving now?', 'y');
    await command.shows('rotator listening on http://127.0.0.1:');
    expect(command.text).toContain('$ rotator serve');
    stopServer();
    await command.screenShows(shows(MENU, '2 keys of 1 provider', 'no server runs'));
    await pick(command, 'Quit');
    expect(await command.ended).toBe(0);
  });

  test('answers from the demo without any key', async () => {
    await using command = new TerminalCommand(home, []);
    await command.shows('How do you want to begin?');
    await pick(command, 'Try the demo');
    await agree(command, 'Serve the demo', 'n');
    expect(command.text).toContain("$ rotator chat -m demo/chat 'Say hello.'");
    await command.shows(MENU);
  });

  test('left with Ctrl-C at any question has written nothing', async () => {
    await using command = new TerminalCommand(home, []);
    await command.shows('How do you want to begin?');
    await pick(command, 'Paste API keys');
    await search(command, 'Which provider?', 'Groq');
    await command.shows('Key for Groq');
    command.type(`gsk_half${CTRL_C}`);
    await command.shows(MENU);
    command.type(CTRL_C);
    expect(await command.ended).toBe(0);
    expect(existsSync(home.configPath)).toBe(false);
    expect(command.text).not.toContain('gsk_half');
  });

  test('does not keep a key that its provider refuses, unless it is told to', async () => {
    await using upstream = await startUpstream({ models: reply(401, { error: { message: 'no such key' } }), keys: {} });
    home.config(`providers:\n  house: { base_url: "${upstream.baseUrl}", keys: [other] }\n`);
    await using command = new TerminalCommand(home, []);
    await command.shows(MENU);
    await pick(command, 'Keys');
    await pick(command, 'Add some');
    await search(command, 'Which provider?', 'A server of my own');
    await answer(command, 'What is it to be called?', 'house');
    await answer(command, 'Where is its API', upstream.baseUrl);
    await answer(command, 'Key for house', 'wrong-key');
    await agree(command, 'It did not pass the test. Keep it anyway?', 'n');
    await command.shows('$ rotator keys remove house-');
    await pick(command, 'No');
    await command.screenShows((lines) => lines.some((line) => /^◆ +Keys/.test(line)));
    expect(home.readConfig()).not.toContain('wrong-key');
    expect(home.readConfig()).toContain('other');
  });
});

describe('the first key that is refused', () => {
  test('does not end the guide: another is asked for, and it goes on', async () => {
    const listed = reply(200, { object: 'list', data: [{ id: 'm', object: 'model' }] });
    const refused = reply(401, { error: { message: 'no such key' } });
    await using upstream = await startUpstream({
      models: (wire, request) =>
        (request.headers.get('authorization') === 'Bearer key1' ? listed : refused)(wire, request),
      keys: { key1: chatStream('Hello there.') },
    });
    await using command = new TerminalCommand(home, [], {}, { rows: 50 });
    await command.shows('How do you want to begin?');
    await pick(command, 'Paste API keys');
    await search(command, 'Which provider?', 'A server of my own');
    await answer(command, 'What is it to be called?', 'house');
    await answer(command, 'Where is its API', upstream.baseUrl);
    await answer(command, 'Key for house', 'wrong-key');
    await agree(command, 'It did not pass the test. Keep it anyway?', 'n');
    await pick(command, 'One for another provider');
    // It is known by now, with its address.
    await search(command, 'Which provider?', 'house');
    await answer(command, 'Key for house', 'key1');
    await pick(command, 'No, that is all');
    await command.shows('$ rotator chat -m house/m');
    await command.shows('Set up a client');
    expect(home.readConfig()).toContain('key1');
    expect(home.readConfig()).not.toContain('wrong-key');
  });
});

describe('SIGTERM', () => {
  test('at a question ends the menu with 143 and leaves the terminal as it was', async () => {
    await using command = new TerminalCommand(home, []);
    await command.screenShows((lines) => openQuestion(lines).length > 2);
    command.signal('SIGTERM');
    // Its end is seen by an echo, which there is none of in raw mode.
    expect(await command.ended).toBe(143);
    expect(command.raw.lastIndexOf('\u001b[?25h')).toBeGreaterThan(command.raw.lastIndexOf('\u001b[?25l'));
  });

  test('while a server runs from the menu ends both', async () => {
    home.config('providers:\n  groq: { keys: [gsk_0123456789abcdef] }\nserver: { port: 0 }\n');
    await using command = new TerminalCommand(home, []);
    await command.shows(MENU);
    await pick(command, 'Run the proxy');
    await command.shows('rotator listening on');
    command.signal('SIGTERM');
    expect(await command.ended).toBe(143);
    expect(existsSync(join(home.stateDir, 'server.json'))).toBe(false);
  });
});

test('a terminal that is closed under a question takes the program with it', async () => {
  await using command = new TerminalCommand(home, []);
  await command.screenShows((lines) => openQuestion(lines).length > 2);
  expect(await command.hangUp()).toEqual({ exitCode: null, signal: 'SIGHUP' });
});

describe('the menu', () => {
  test('makes a client key with limits and shows the last requests', async () => {
    home.config('server: { client_keys: [{ name: phone, key: sk-rotator-phone }] }\n');
    await using command = new TerminalCommand(home, [], {}, { rows: 50 });
    await command.shows(MENU);
    await pick(command, 'Client keys');
    await pick(command, 'Make one');
    await answer(command, 'What is the application called?', 'laptop');
    await answer(command, 'Which models may it use?', 'groq/*');
    await answer(command, 'Which limits has it?', 'rpm=60, usd_per_day=5');
    await command.shows("$ rotator clients add laptop --limit rpm=60 --limit usd_per_day=5 --models 'groq/*'");
    await command.shows('its key, shown this once:');
    await pick(command, 'Show them');
    await command.shows('60 rpm, $5 a day');
    await pick(command, 'Take one out of the config');
    await search(command, 'Which client?', 'laptop');
    await command.shows('removed the client key "laptop"');
    await pick(command, 'Back');
    await pick(command, 'Last requests');
    await command.shows('$ rotator logs');
  });

  test('changes a setting after showing its help and the difference, with the command that does the same', async () => {
    home.config('# mine\nproviders:\n  groq: { keys: [gsk_0123456789abcdef] }\nserver: { port: 8000 } # here\n');
    await using command = new TerminalCommand(home, [], {}, { rows: 40 });
    await command.shows(MENU);
    await pick(command, 'Settings');
    await pick(command, 'server');
    await pick(command, 'port');
    await command.shows('Port to listen on; 0 takes a free one.');
    await command.shows('It is 8000; the default is 8000.');
    await command.screenShows((lines) => (openQuestion(lines)[0] ?? '').includes('New value'));
    command.type(`many${ENTER}`);
    await command.shows('expected a whole number from 0 to 65535');
    command.type('\u007f\u007f\u007f\u007f');
    command.type(`9000${ENTER}`);
    await command.shows('Write this?');
    expect(command.text).toContain('+ server: { port: 9000 } # here');
    expect(home.readConfig()).toContain('8000');
    command.type(ENTER);
    await command.shows('$ rotator config set server.port 9000');
    await command.shows(`changed ${home.configPath}`);
    expect(home.readConfig()).toBe(
      '# mine\nproviders:\n  groq: { keys: [gsk_0123456789abcdef] }\nserver: { port: 9000 } # here\n',
    );
  });

  test('offers the values of a field that has few, and the way back to the default', async () => {
    home.config('rotation: { mode: sequential }\n');
    await using command = new TerminalCommand(home, [], {}, { rows: 40 });
    await command.shows(MENU);
    await pick(command, 'Settings');
    await pick(command, 'rotation');
    await pick(command, 'mode');
    await pick(command, 'Back to the default');
    await command.shows('Write this?');
    command.type(ENTER);
    await command.shows('$ rotator config unset rotation.mode');
    await command.shows(`changed ${home.configPath}`);
    expect(home.readConfig()).toBe('rotation: {}\n');
  });

  test('shows no key among the settings', async () => {
    home.config('providers:\n  groq: { keys: [gsk_0123456789abcdef] }\n');
    await using command = new TerminalCommand(home, [], {}, { rows: 50 });
    await command.shows(MENU);
    await pick(command, 'Settings');
    await pick(command, 'providers');
    await pick(command, 'groq');
    await pick(command, 'keys');
    await command.shows('New value');
    expect(command.text).not.toContain('0123456789abcdef');
  });

  test('does what commands do, and comes back when one fails', async () => {
    home.config('providers:\n  groq: { keys: [gsk_0123456789abcdef] }\n');
    await using command = new TerminalCommand(home, ['--config', home.configPath]);
    await command.shows('1 key of 1 provider');
    await pick(command, 'Keys');
    await pick(command, 'Show them');
    await command.shows(`$ rotator keys list --config ${home.configPath}`);
    await command.shows('gsk_…cdef');
    await pick(command, 'Back');
    await pick(command, 'Import from');
    await answer(command, 'Where is its .env?', 'nowhere');
    await command.shows('error:');
    await command.screenShows((lines) => lines.some((line) => /^◆/.test(line) && line.includes(MENU)));
  });

  test('of a config that cannot be read says what is wrong with it', async () => {
    home.config('servr: {}\n');
    await using command = new TerminalCommand(home, []);
    await command.shows(MENU);
    expect(command.text).toContain('Did you mean "server"?');
    await pick(command, 'Check the config');
    await command.shows('$ rotator config check');
  });

  test('fits a narrow terminal, and needs neither colour nor Unicode', async () => {
    home.config('providers:\n  groq: { keys: [gsk_0123456789abcdef] }\n');
    const env = { NO_COLOR: '1', LANG: 'C' };
    await using command = new TerminalCommand(home, [], env, { cols: 40, rows: 40 });
    const lines = await command.screenShows(shows('Run the proxy', 'Quit'));
    expect(lines.filter((line) => line.includes('> Run the proxy'))).toHaveLength(1);
    expect(command.text).toMatch(/^[\r\n -~]*$/);
    expect(command.raw).not.toMatch(/\u001b\[(3[1-7]|9[0-7])m/);
    await pick(command, 'Keys');
    await pick(command, 'Show them');
    await command.shows('groq-');
  });

  test('opens for global options alone, and for nothing else', async () => {
    home.config('providers:\n  groq: { keys: [gsk_0123456789abcdef] }\n');
    await using menu = new TerminalCommand(home, ['--no-color', '--state', home.stateDir]);
    await menu.shows(MENU);
    await using help = new TerminalCommand(home, ['--help']);
    expect(await help.ended).toBe(0);
    expect(help.text).toContain('Usage: rotator');
    await using typo = new TerminalCommand(home, ['sttus']);
    expect(await typo.ended).toBe(2);
    expect(typo.text).toContain('did you mean "status"?');
    expect((await home.run([])).stdout).toContain('Usage: rotator');
  });
});
