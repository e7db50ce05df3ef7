import { Interrupted } from './interrupted.ts';
import type { Io } from './io.ts';

/** Does work that Ctrl-C may end at any time: its signal is aborted then, and the person's own word is what is thrown. */
export async function untilInterrupted<Result>(
  io: Io,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const interrupted = new AbortController();
  const stopListening = (['SIGINT', 'SIGTERM'] as const).map((name) =>
    io.onSignal(name, () => interrupted.abort(new Interrupted(name === 'SIGINT' ? 130 : 143))),
  );
  try {
    return await work(interrupted.signal);
  } catch (thrown) {
    throw interrupted.signal.aborted ? interrupted.signal.reason : thrown;
  } finally {
    for (const stop of stopListening) stop();
  }
}
