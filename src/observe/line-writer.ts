import { write as writeTo } from 'node:fs';
import { type Clock, systemClock } from '../shared/clock.ts';

export type LineWriter = {
  /** Returns at once, whatever the reader does. Adds the newline. */
  write(line: string): void;
  /** Resolves when everything is written, or when the reader has not taken any for `closeMs`. */
  close(): Promise<void>;
};

export type LineWriterOptions = {
  /** 1 or 2, or an open file. */
  readonly fd: number;
  /** Bytes kept for a reader that does not read. Lines beyond are dropped and counted. Default 4 MB. */
  readonly maxBytes?: number;
  /** Milliseconds that lines are gathered before a write. Default 10. */
  readonly gatherMs?: number;
  /** Milliseconds without progress after which `close` gives up. Default 1000. */
  readonly closeMs?: number;
  readonly clock?: Clock;
};

const RETRY_MS = 10;

/**
 * Log lines out of the request path. `console.log` and a terminal's or pipe's writeSync block the whole process while
 * the reader is stuck; here one write at a time runs outside the event loop, and lines gather meanwhile.
 */
export function createLineWriter(options: LineWriterOptions): LineWriter {
  const { fd, maxBytes = 4 * 1024 * 1024, gatherMs = 10, closeMs = 1000, clock = systemClock } = options;
  let lines: string[] = [];
  let queuedBytes = 0;
  let dropped = 0;
  /** What the operating system has not taken yet of the write under way. */
  let rest: Uint8Array = new Uint8Array(0);
  let isWriting = false;
  let isScheduled = false;
  let isBroken = false;
  let onIdle: (() => void) | null = null;
  let onProgress: (() => void) | null = null;

  const gather = () => {
    if (dropped > 0) {
      lines.push(`${dropped} log lines were dropped: nobody read them\n`);
      dropped = 0;
    }
    rest = Buffer.from(lines.join(''));
    lines = [];
    queuedBytes = 0;
  };
  const pump = () => {
    if (isWriting || isBroken) return;
    if (rest.length === 0) gather();
    if (rest.length === 0) return onIdle?.();
    isWriting = true;
    writeTo(fd, rest, 0, rest.length, null, (error, written) => {
      isWriting = false;
      if (!error) {
        rest = rest.subarray(written);
        onProgress?.();
        pump();
      } else if (error.code === 'EAGAIN' || error.code === 'EINTR') {
        // A pipe that another process has made non-blocking, and that is full.
        clock.schedule(RETRY_MS, pump);
      } else {
        // The reader is gone (EPIPE) or the disk is full: a log must not end the process.
        isBroken = true;
        rest = new Uint8Array(0);
        lines = [];
        onIdle?.();
      }
    });
  };

  return {
    write(line) {
      if (isBroken) return;
      if (queuedBytes + line.length > maxBytes) {
        dropped++;
        return;
      }
      lines.push(`${line}\n`);
      queuedBytes += line.length + 1;
      if (isScheduled) return;
      isScheduled = true;
      clock.schedule(gatherMs, () => {
        isScheduled = false;
        pump();
      });
    },
    close() {
      return new Promise((resolve) => {
        let cancel = () => {};
        const finish = () => {
          cancel();
          onIdle = onProgress = null;
          resolve();
        };
        onProgress = () => {
          cancel();
          cancel = clock.schedule(closeMs, finish);
        };
        onIdle = finish;
        if (isBroken) return finish();
        onProgress();
        pump();
      });
    },
  };
}
