import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type OidcServer, startOidcServer } from '../support/oidc-server.mjs';
import { eventually } from '../support/eventually.ts';
import { visit } from '../support/person.ts';
import { startVendor } from '../support/vendor-server.ts';
import { Home } from './support/home.ts';
import { TerminalCommand } from './support/terminal.ts';

let home: Home;
let server: OidcServer;

beforeEach(async () => {
  home = new Home();
  server = await startOidcServer();
  const urls = `client_id: ${server.clientId}, authorize_url: "${server.authorizeUrl}", token_url: "${server.tokenUrl}", redirect_port: 0`;
  home.config(`providers:
  codex: { oauth: { ${urls} } }
  claude: { oauth: { ${urls} } }
`);
});
afterEach(async () => {
  await server.close();
  home[Symbol.dispose]();
});

const ENTER = '\r';
const CTRL_C = '\u0003';
const SSH = { SSH_CONNECTION: '10.0.0.1 1 10.0.0.2 22' };

const addressOn = (command: TerminalCommand) => {
  // The terminal has broken the line; an address has no blanks.
  const text = command.text.slice(command.text.indexOf('http://127')).split(/\r?\n\r?\n/)[0] ?? '';
  return text.replace(/\s/g, '');
};

const account = () => JSON.parse(readFileSync(join(home.stateDir, 'oauth/codex-1.json'), 'utf8'));

describe('on a terminal over SSH', () => {
  test('the address is shown with a way through a tunnel, and what the browser ends at is pasted', async () => {
    await using command = new TerminalCommand(home, ['oauth', 'login', 'codex'], SSH);
    await command.shows('Paste the address');
    expect(command.text).toMatch(/ssh -L (\d+):127\.0\.0\.1:\1 /);
    command.type('no code, sorry');
    command.type(ENTER);
    await command.shows('that holds no code');
    command.type(await visit(addressOn(command)));
    command.type(ENTER);
    expect(await command.ended).toBe(0);
    expect(command.text).toContain('logged in: codex-1 (an…@pe….test)');
    for (const secret of [account().access_token, account().refresh_token]) expect(command.text).not.toContain(secret);
  }, 20_000);

  test('a browser that comes through the tunnel is as good, and takes the question away', async () => {
    await using command = new TerminalCommand(home, ['oauth', 'login', 'codex', '--no-browser']);
    await command.shows('Paste the address');
    const callback = await visit(addressOn(command));
    await fetch(callback.replace('localhost', '127.0.0.1'));
    expect(await command.ended).toBe(0);
    expect(command.text).toContain('logged in: codex-1');
  }, 20_000);

  test('Ctrl-C at the question is 130, and nothing is kept', async () => {
    await using command = new TerminalCommand(home, ['oauth', 'login', 'codex', '--paste'], SSH);
    await command.shows('Paste the address');
    command.type(CTRL_C);
    expect(await command.ended).toBe(130);
    expect(existsSync(join(home.stateDir, 'oauth'))).toBe(false);
  }, 20_000);
});

describe('on a desktop', () => {
  test('the browser is opened, comes back, and the person is asked nothing', async () => {
    // What the opener starts: it leaves the address where the test finds it.
    const opened = join(home.path, 'opened');
    const browser = home.write(
      'bin/browser',
      `#!/bin/sh\nprintf '%s' "$1" > ${opened}.part && mv ${opened}.part ${opened}\n`,
    );
    chmodSync(browser, 0o755);
    const env = { DISPLAY: ':0', BROWSER: browser, CI: '', DEBIAN_FRONTEND: '' };
    await using command = new TerminalCommand(home, ['oauth', 'login', 'codex'], env);
    await command.shows('Waiting for the browser');
    await eventually('the browser is started', () => existsSync(opened));
    const address = readFileSync(opened, 'utf8');
    expect(address).toStartWith(server.authorizeUrl);
    const callback = await visit(address);
    await fetch(callback.replace('localhost', '127.0.0.1'));
    expect(await command.ended).toBe(0);
    expect(command.text).toContain('logged in: codex-1');
  }, 20_000);

  test('a restricted service is asked about first, and no means no', async () => {
    await using command = new TerminalCommand(home, ['oauth', 'login', 'claude'], SSH);
    await command.shows('Log in all the same?');
    expect(command.text).toContain('Anthropic allows the login of a subscription in its own products only');
    command.type(ENTER);
    expect(await command.ended).toBe(1);
    expect(command.text).toContain('nothing was done');
  }, 20_000);

  describe('an account without a name', () => {
    const kept = (id: string) => JSON.parse(readFileSync(join(home.stateDir, `oauth/${id}.json`), 'utf8'));
    const kimi = () =>
      startVendor({
        '/device/code': () => ({
          json: {
            device_code: 'd',
            user_code: 'AB-CD',
            verification_uri: 'https://v.test/',
            expires_in: 60,
            interval: 0.01,
          },
        }),
        '/token': ({ call }) => ({
          json: { access_token: `at-${call}`, refresh_token: `rt-${call}`, expires_in: 3600 },
        }),
      });
    const atVendor = ({ origin }: { readonly origin: string }) =>
      home.config(`providers:
  kimi: { oauth: { device_url: "${origin}/device/code", token_url: "${origin}/token" } }
`);

    test('is asked for one, which nobody else has', async () => {
      await using vendor = kimi();
      atVendor(vendor);
      home.write(
        '.local/state/rotator/oauth/kimi-1.json',
        JSON.stringify({ access_token: 'x', _rotator: { label: 'mine' } }),
      );
      await using command = new TerminalCommand(home, ['oauth', 'login', 'kimi'], SSH);
      await command.shows('AB-CD');
      await command.shows('A name for this account');
      command.type('mine');
      command.type(ENTER);
      await eventually('it is asked for another', () =>
        (command.text.split('is that of kimi-1')[1] ?? '').includes('A name for this account'),
      );
      command.type('my kimi');
      command.type(ENTER);
      expect(await command.ended).toBe(0);
      expect(kept('kimi-2')).toMatchObject({ refresh_token: 'rt-1', _rotator: { label: 'my kimi' } });
    }, 20_000);

    test('is kept when the question for it is left with Ctrl-C', async () => {
      await using vendor = kimi();
      atVendor(vendor);
      await using command = new TerminalCommand(home, ['oauth', 'login', 'kimi'], SSH);
      await command.shows('A name for this account');
      command.type(CTRL_C);
      expect(await command.ended).toBe(130);
      expect(kept('kimi-1')).toMatchObject({ refresh_token: 'rt-1' });
    }, 20_000);
  });
});
