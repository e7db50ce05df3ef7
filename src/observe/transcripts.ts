import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { reasonOf } from '../shared/reason-of.ts';
import type { Log } from './log.ts';
import { type HeaderList, Transcript, type TranscriptBudget } from './transcript.ts';
import { dayName, transcriptPath, transcriptsDirectory } from './transcript-place.ts';
import { transcriptFiles } from './transcript-text.ts';

/** What all that is gathered and not yet written may take in memory. Beyond it bodies are cut, and requests go on. */
const MAX_MEMORY_BYTES = 64 * 1024 * 1024;
/** The last frames of an answer leave after its record is made. */
const LINGER_MS = 500;
const SWEEP_MS = 60 * 60_000;
const DAY_MS = 24 * 60 * 60_000;

export type TranscriptsOptions = {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Default a week. */
  readonly maxDays?: number;
  /** On the disk. Default 1 GB. */
  readonly maxBytes?: number;
};

/**
 * The bodies of requests in files, for whoever looks for an error: `<state>/logs/<day>/<id>/`. Everything is gathered in
 * memory and written when the request is over, so that no request ever waits for a disk.
 */
export class Transcripts {
  readonly #options: Required<TranscriptsOptions>;
  readonly #budget: TranscriptBudget = { left: MAX_MEMORY_BYTES };
  readonly #lingering = new Map<Transcript, () => void>();
  #queue: Promise<void> = Promise.resolve();
  #cancelSweep: () => void;
  #hasTroubleBeenTold = false;

  constructor(options: TranscriptsOptions) {
    this.#options = { maxDays: 7, maxBytes: 1024 * 1024 * 1024, ...options };
    this.#cancelSweep = options.clock.schedule(LINGER_MS, () => this.#sweepAndRepeat());
  }

  begin(asked: { readonly headers: HeaderList; readonly body: Uint8Array }): Transcript {
    return new Transcript(asked, this.#budget, (transcript) => {
      const cancel = this.#options.clock.schedule(LINGER_MS, () => this.#enqueue(transcript));
      this.#lingering.set(transcript, cancel);
    });
  }

  /** Writes what is over. */
  async close(): Promise<void> {
    this.#cancelSweep();
    for (const [transcript, cancel] of [...this.#lingering]) {
      cancel();
      this.#enqueue(transcript);
    }
    await this.#queue;
  }

  #enqueue(transcript: Transcript): void {
    this.#lingering.delete(transcript);
    this.#queue = this.#queue.then(() => this.#write(transcript)).catch((error: unknown) => this.#tell(error));
  }

  async #write(transcript: Transcript): Promise<void> {
    const { record } = transcript;
    try {
      if (!record) return;
      const directory = await this.#makeDirectory(record.id, record.at);
      for await (const { name, text } of transcriptFiles(transcript, pause))
        await writeFile(join(directory, name), text, { mode: 0o600 });
      this.#hasTroubleBeenTold = false;
    } finally {
      transcript.release();
    }
  }

  /** An id that the client has chosen may come twice. */
  async #makeDirectory(id: string, at: number): Promise<string> {
    const { stateDir } = this.#options;
    await mkdir(join(transcriptsDirectory(stateDir), dayName(at)), { recursive: true, mode: 0o700 });
    const path = transcriptPath(stateDir, id, at);
    for (let count = 1; ; count++) {
      const directory = count === 1 ? path : `${path}-${count}`;
      try {
        await mkdir(directory, { mode: 0o700 });
        // The umask may have taken more away, and must not leave more.
        await chmod(directory, 0o700);
        return directory;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
    }
  }

  #sweepAndRepeat(): void {
    this.#queue = this.#queue.then(() => this.#sweep()).catch((error: unknown) => this.#tell(error));
    this.#cancelSweep = this.#options.clock.schedule(SWEEP_MS, () => this.#sweepAndRepeat());
  }

  /** Old days go as a whole; above the size limit the oldest requests go. */
  async #sweep(): Promise<void> {
    const { stateDir, clock, maxDays, maxBytes } = this.#options;
    const root = transcriptsDirectory(stateDir);
    const oldest = dayName(clock.now() - maxDays * DAY_MS);
    const days = (await readdir(root).catch(() => [])).filter((name) => /^\d{4}-\d\d-\d\d$/.test(name)).sort();
    const kept: { readonly path: string; readonly at: number; readonly bytes: number }[] = [];
    for (const day of days) {
      const path = join(root, day);
      if (day < oldest) await rm(path, { recursive: true, force: true });
      else for (const name of await readdir(path)) kept.push(await measured(join(path, name)));
    }
    let bytes = kept.reduce((sum, one) => sum + one.bytes, 0);
    for (const one of kept.sort((a, b) => a.at - b.at)) {
      if (bytes <= maxBytes) return;
      await rm(one.path, { recursive: true, force: true });
      bytes -= one.bytes;
    }
  }

  #tell(error: unknown): void {
    if (this.#hasTroubleBeenTold) return;
    this.#hasTroubleBeenTold = true;
    const reason = reasonOf(error);
    this.#options.log.warn('the bodies of requests cannot be written', { reason });
  }
}

async function measured(path: string): Promise<{ path: string; at: number; bytes: number }> {
  let bytes = 0;
  for (const name of await readdir(path).catch(() => [])) bytes += (await stat(join(path, name))).size;
  return { path, at: (await stat(path)).mtimeMs, bytes };
}

/** Lets what waits run: a long text is redacted a slice at a time. */
const pause = () => new Promise<void>((resolve) => setImmediate(resolve));
