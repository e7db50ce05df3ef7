import { afterEach, beforeEach, expect, test } from 'bun:test';
import { Home } from './support/home.ts';
import { freeTier } from './support/reports.ts';
import { serveReports } from './support/served-reports.ts';

let home: Home;

beforeEach(() => {
  home = new Home();
});

afterEach(() => home[Symbol.dispose]());

/** `isOn`: it listens to signals once this was printed, or asked of the server. */
const commands: [argv: string, isServed: boolean, isOn: RegExp][] = [
  ['status --watch --json', true, /"providers"/],
  ['status --watch --json', false, /"providers"/],
  ['logs --follow', true, /^\/admin\/events$/],
  ['logs --follow', false, /no server runs here/],
];
const signals = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

// As shells, `tail -f` and README's exit codes have it: who ended the command knows, and so can a script.
test.each(commands.flatMap((command) => signals.map((signal) => [...command, ...signal] as const)))(
  '%s (of a server: %p) goes on until it is interrupted, and then says so by its exit code alone',
  async (argv, isServed, isOn, signal, exitCode) => {
    using stack = new DisposableStack();
    const asked = Promise.withResolvers<void>();
    const onRequest = (path: string) => {
      if (isOn.test(path)) asked.resolve();
    };
    if (isServed) stack.use(await serveReports(home, { status: async () => freeTier }, onRequest));
    const command = home.start(argv.split(' '));
    await Promise.race([command.stdout.until(isOn), command.stderr.until(isOn), asked.promise]);
    const said = command.stderr.text;
    command.signal(signal);
    expect(await command.ended).toMatchObject({ exitCode, stderr: said });
  },
);
