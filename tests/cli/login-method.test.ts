import { describe, expect, test } from 'bun:test';
import { hasBrowser } from '../../src/cli/browser.ts';
import { loginMethod, type LoginSurroundings } from '../../src/cli/login-method.ts';

const desktop: LoginSurroundings = {
  hasPage: true,
  hasDeviceCode: false,
  mayOpenBrowser: true,
  wantsPaste: false,
  isJson: false,
  isInteractive: true,
};

describe('a login goes', () => {
  test.each([
    ['by the browser on a desktop', {}, { kind: 'loopback', opensBrowser: true, canPaste: false }],
    [
      'by hand or by a tunnel over SSH',
      { mayOpenBrowser: false },
      { kind: 'loopback', opensBrowser: false, canPaste: true },
    ],
    [
      'by a code over SSH where the service has one',
      { mayOpenBrowser: false, hasDeviceCode: true },
      { kind: 'device', opensBrowser: false },
    ],
    [
      'by the browser on a desktop though there are codes',
      { hasDeviceCode: true },
      { kind: 'loopback', opensBrowser: true, canPaste: false },
    ],
    ['by hand when asked to', { wantsPaste: true, hasDeviceCode: true }, { kind: 'paste' }],
    ['in two commands without a terminal', { wantsPaste: true, isInteractive: false }, { kind: 'hand-over' }],
    ['in two commands for a program', { isJson: true, isInteractive: false }, { kind: 'hand-over' }],
    [
      'by a code where there is no page',
      { hasPage: false, hasDeviceCode: true },
      { kind: 'device', opensBrowser: true },
    ],
    [
      'by a code for a program, opening nothing',
      { hasPage: false, hasDeviceCode: true, isJson: true },
      { kind: 'device', opensBrowser: false },
    ],
    [
      'by the port alone where nobody can answer',
      { mayOpenBrowser: false, isInteractive: false },
      { kind: 'loopback', opensBrowser: false, canPaste: false },
    ],
  ] as const)('%s', (_, around, expected) => expect(loginMethod({ ...desktop, ...around })).toEqual(expected));
});

describe('there is a browser', () => {
  const nothing = () => false;
  test.each([
    ['on a screen', { DISPLAY: ':0' }, 'linux', true],
    ['on Wayland', { WAYLAND_DISPLAY: 'w' }, 'linux', true],
    ['without a screen', {}, 'linux', false],
    ['over SSH with a forwarded screen', { DISPLAY: ':10', SSH_CONNECTION: 'x' }, 'linux', false],
    ['in CI', { DISPLAY: ':0', CI: 'true' }, 'linux', false],
    ['when asked not to', { DISPLAY: ':0', NO_BROWSER: 'true' }, 'linux', false],
    ['on a Mac', {}, 'darwin', true],
    ['on a Mac over SSH', { SSH_TTY: '/dev/ttys0' }, 'darwin', false],
    ['on Windows', { SESSIONNAME: 'Console' }, 'win32', true],
    ['in a Windows service', { SESSIONNAME: 'Services' }, 'win32', false],
  ] as const)('%s', (_, env, platform, expected) => expect(hasBrowser(env, platform, nothing)).toBe(expected));

  test('in no container, unless it names one', () => {
    expect(hasBrowser({ DISPLAY: ':0' }, 'linux', (path) => path === '/.dockerenv')).toBe(false);
    expect(hasBrowser({ DISPLAY: ':0', BROWSER: 'b' }, 'linux', (path) => path === '/.dockerenv')).toBe(true);
  });
});
