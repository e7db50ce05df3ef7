import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { systemClock } from '../../shared/clock.ts';
import { assertNever } from '../../shared/assert-never.ts';
import type { Context } from '../context.ts';
import { Interrupted } from '../interrupted.ts';
import type { ServerOperations } from '../remote.ts';
import { glyphs } from '../ui/glyphs.ts';
import { keyPresses } from './key-press.ts';
import { ENTER, LEAVE, paintLines } from './painter.ts';
import { pageOf, screen } from './screen.ts';
import { initialState, type Order, pressed, type WatchState, withReport } from './watch-state.ts';

/** Who is asked now. Asked for before every report, so that a server that starts, stops or moves is followed. */
export type Source = () => Promise<{ readonly operations: ServerOperations; readonly url: string | null }>;

const EVERY_MS = 1000;

/** The live screen, until the person leaves. Whatever ends it, the terminal is as it was before. */
export async function watchStatus(context: Context, source: Source): Promise<void> {
  const { io, output } = context;
  if (!io.isTerminal.stdin || !io.isTerminal.stdout)
    throw new CliError(
      ExitCode.usage,
      'no_terminal',
      '--watch needs a terminal',
      'rotator status --json gives one report; with --watch --json one a second',
    );
  const left = Promise.withResolvers<void>();
  const stopped = new AbortController();
  let state: WatchState = initialState;
  let shown: readonly string[] | null = null;

  const draw = () => {
    const view = { paint: output.paint, glyphs: glyphs(io.env), now: Date.now() };
    const lines = screen(state, io.terminal.size(), view);
    io.stdout.write(paintLines(shown, lines));
    shown = lines;
  };
  const change = (next: WatchState) => {
    if (stopped.signal.aborted) return;
    state = next;
    draw();
  };
  /** A mistake in here must end the screen like everything else: it may not leave the terminal as it is. */
  const guarded =
    <Args extends readonly unknown[]>(run: (...args: Args) => void) =>
    (...args: Args) => {
      try {
        run(...args);
      } catch (error) {
        left.reject(error);
      }
    };

  const onKeys = guarded((bytes: Buffer | string) => {
    for (const key of keyPresses(bytes.toString())) {
      const step = pressed(state, key, pageOf(io.terminal.size()));
      switch (step.kind) {
        case 'go-on':
          change(step.state);
          break;
        case 'order':
          change(step.state);
          void carryOut(source, step.order).then((message) => change({ ...state, message }));
          break;
        case 'leave':
          return left.resolve();
        case 'interrupt':
          return left.reject(new Interrupted(130));
        default:
          assertNever(step);
      }
    }
  });
  const stops = [
    io.onSignal('SIGINT', () => left.reject(new Interrupted(130))),
    io.onSignal('SIGTERM', () => left.reject(new Interrupted(143))),
    io.onSignal('SIGHUP', () => left.reject(new Interrupted(143))),
    io.terminal.onResize(
      guarded(() => {
        shown = null;
        draw();
      }),
    ),
  ];
  output.closed.addEventListener('abort', () => left.resolve());
  io.stdin.on('data', onKeys);
  // Keys that nobody can press any more: the terminal is gone.
  io.stdin.on('end', left.resolve);
  io.terminal.setRaw(true);
  io.stdin.resume();
  io.stdout.write(ENTER);
  try {
    draw();
    const polling = poll(source, stopped.signal, (seen) => {
      if ('problem' in seen) change({ ...state, problem: seen.problem });
      else change(withReport(state, seen.report, seen.url, Date.now()));
    });
    await Promise.race([left.promise, polling]);
  } finally {
    stopped.abort();
    io.stdout.write(LEAVE);
    io.terminal.setRaw(false);
    io.stdin.off('data', onKeys).off('end', left.resolve).pause();
    for (const stop of stops) stop();
  }
}

type Seen =
  | { readonly report: Awaited<ReturnType<ServerOperations['status']>>; readonly url: string | null }
  | { readonly problem: string };

/** Ends when the signal aborts. A server that does not answer is asked again. */
export async function poll(source: Source, signal: AbortSignal, see: (seen: Seen) => void): Promise<void> {
  while (!signal.aborted) {
    const seen = await source()
      .then(async ({ operations, url }): Promise<Seen> => ({ report: await operations.status(), url }))
      .catch((error: unknown): Seen => ({ problem: messageOf(error) }));
    if (!signal.aborted) see(seen);
    await systemClock.sleep(EVERY_MS, signal);
  }
}

/** What came of it, in one line. */
async function carryOut(source: Source, { kind, id }: Order): Promise<string> {
  try {
    const { operations } = await source();
    switch (kind) {
      case 'reset':
        return (await operations.reset([id])) ? `reset ${id}` : gone(id);
      case 'enable':
      case 'disable':
        return (await operations.setEnabled(id, kind === 'enable')) ? `${id} is ${kind}d` : gone(id);
      case 'test': {
        const result = await operations.test(id);
        if (result === null) return gone(id);
        return `${id}: ${result.ok ? 'accepted' : `${result.result}: ${result.message}`}`;
      }
      default:
        return assertNever(kind);
    }
  } catch (error) {
    return messageOf(error);
  }
}

const gone = (id: string) => `${id} is not there any more`;

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
