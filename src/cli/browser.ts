/** Whether there is a browser to open on this machine, and opening it. */
import { existsSync } from 'node:fs';

type Env = Readonly<Record<string, string | undefined>>;

const CI = [
  'CI',
  'GITHUB_ACTIONS',
  'GITLAB_CI',
  'JENKINS_URL',
  'CIRCLECI',
  'TRAVIS',
  'BUILDKITE',
  'DRONE',
  'TEAMCITY_VERSION',
  'TF_BUILD',
  'CODEBUILD_BUILD_ID',
];
const REMOTE = ['SSH_CONNECTION', 'SSH_CLIENT', 'SSH_TTY'];
const SCREENS = ['DISPLAY', 'WAYLAND_DISPLAY', 'MIR_SOCKET'];
const CONTAINER_MARKS = ['/.dockerenv', '/run/.containerenv'];

/** A browser that is opened where nobody sits would leave the person waiting for it. */
export function hasBrowser(
  env: Env,
  platform: NodeJS.Platform = process.platform,
  isThere: (path: string) => boolean = existsSync,
): boolean {
  const isSet = (name: string) => Boolean(env[name]);
  if (/^(1|true|yes)$/i.test(env.NO_BROWSER ?? '') || env.BROWSER === 'www-browser') return false;
  if (env.DEBIAN_FRONTEND === 'noninteractive' || CI.some(isSet) || REMOTE.some(isSet)) return false;
  if (platform === 'win32') return !/^(services|rdp-tcp)/i.test(env.SESSIONNAME ?? '');
  if (platform === 'darwin') return true;
  // Who names a browser inside a container has one that is reached from there.
  return SCREENS.some(isSet) && (isSet('BROWSER') || !CONTAINER_MARKS.some(isThere));
}

/** False when nothing here can open a page. */
export async function openBrowser(url: string): Promise<boolean> {
  try {
    const { default: open } = await import('open');
    const child = await open(url);
    // Where the opener is missing this comes as an event, after the fact: the address is on the screen anyway.
    child.once('error', () => {});
    child.unref();
    return true;
  } catch {
    return false;
  }
}
