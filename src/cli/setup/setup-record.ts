import { createHash } from 'node:crypto';
import { constants, copyFileSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { changeFile } from '../../config/replace-file.ts';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { changeClientText, readClientText } from './client-text.ts';
import { type Change, type ClientFile, type Json, resolvePath, type Setting, type Step, valueAt } from './setting.ts';

/** What became of one file. */
export type FileOutcome = {
  readonly path: string;
  readonly state: 'written' | 'unchanged' | 'restored' | 'removed' | 'kept';
  /** The copy of what it held before. */
  readonly backup: string | null;
};

/** What was there before the first `--write`, so that `--undo` can put it back: `<state>/setup/CLIENT.json`. */
type SetupRecord = { readonly version: 1; readonly files: readonly FileRecord[] };

type FileRecord = {
  readonly path: string;
  readonly format: ClientFile['format'];
  /** Null: the file was made by us. */
  readonly backup: string | null;
  /** Of the text as it was left. */
  readonly sha256: string;
  readonly settings: readonly RecordedSetting[];
};

/** `before` absent: the place was not there. */
type RecordedSetting = Setting & { readonly before?: Json };

export const recordPath = (stateDir: string, client: string) => join(stateDir, 'setup', `${client}.json`);

/** Merges the settings into the client's files, after a backup of each. Nothing is changed when one of them cannot be. */
export async function writeSetup(
  record: string,
  files: readonly ClientFile[],
  now: Date,
): Promise<readonly FileOutcome[]> {
  const old = readRecord(record);
  const planned = files.map((file) => {
    const before = textOf(file.path);
    const after = changeClientText(file.format, before ?? '', file.settings, file.path);
    return { file, before, after };
  });
  const outcomes: FileOutcome[] = [];
  for (const { file, before, after } of planned) {
    if (after === before) {
      outcomes.push({ path: file.path, state: 'unchanged', backup: null });
      continue;
    }
    const backup = before === null ? null : backUp(file.path, now);
    const earlier = old?.files.find(({ path }) => path === file.path);
    // What an earlier write has put there is not what was there before.
    const entry: FileRecord = {
      path: file.path,
      format: file.format,
      backup: earlier ? earlier.backup : backup,
      sha256: sha256(after),
      settings: recorded(file, before ?? '', earlier?.settings ?? []),
    };
    // The way back is known before anything is changed.
    await changeFile(record, (text) => withFile(text, entry));
    await changeFile(file.path, (text) => changeClientText(file.format, text ?? '', file.settings, file.path));
    outcomes.push({ path: file.path, state: 'written', backup });
  }
  return outcomes;
}

/**
 * Puts the files back. One that nobody has changed since gets its old bytes; in any other only our settings go back to
 * what they were, where they still say what we wrote. Throws a `CliError` when there is nothing to undo.
 */
export async function undoSetup(record: string, client: string): Promise<readonly FileOutcome[]> {
  const old = readRecord(record);
  if (!old)
    throw new CliError(
      ExitCode.failed,
      'nothing_to_undo',
      `rotator setup ${client} --write has changed nothing here, so there is nothing to undo`,
    );
  const outcomes: FileOutcome[] = [];
  for (const file of old.files) outcomes.push(await undoFile(file));
  rmSync(record, { force: true });
  return outcomes;
}

async function undoFile(file: FileRecord): Promise<FileOutcome> {
  const { path, backup } = file;
  const text = textOf(path);
  const original = backup === null ? null : textOf(backup);
  if (text === null && original === null) return { path, state: 'removed', backup: null };
  if (text === null || sha256(text) === file.sha256) {
    if (backup === null) {
      rmSync(path, { force: true });
      return { path, state: 'removed', backup: null };
    }
    if (original !== null) {
      await changeFile(path, () => original);
      rmSync(backup, { force: true });
      return { path, state: 'restored', backup: null };
    }
  }
  const changes = undoing(file, text ?? '');
  if (changes.length === 0) return { path, state: 'kept', backup };
  const undone = (current: string | null) => {
    const after = changeClientText(file.format, current ?? '', changes, path);
    return changeClientText(file.format, after, emptied(file, after, original ?? ''), path);
  };
  // Of a file that we have made nothing is left behind when nothing of anybody else's is in it.
  if (backup === null && /^\s*(\{\s*\}\s*)?$/.test(undone(text))) {
    rmSync(path, { force: true });
    return { path, state: 'removed', backup: null };
  }
  await changeFile(path, undone);
  return { path, state: 'restored', backup };
}

/** Takes away what was only there to hold our settings: what is empty now and was not there before. */
function emptied({ format, path: shown, settings }: FileRecord, text: string, before: string): readonly Change[] {
  const [tree, original] = [readClientText(format, text, shown), readClientText(format, before, shown)];
  const around = settings.flatMap(({ path }) => path.slice(1).map((_, i) => path.slice(0, i + 1)));
  const holds = (path: readonly Step[]) => {
    const value = valueAt(tree, resolvePath(tree, path));
    return value !== undefined && !isVoid(value);
  };
  return around
    .filter((path) => valueAt(original, resolvePath(original, path)) === undefined && !holds(path))
    .map((path) => ({ path, value: undefined }))
    .toReversed();
}

/** Nothing but empty mappings. */
const isVoid = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isVoid);

/** Only where the file still says what we wrote: what was changed since is the person's own. */
function undoing(file: FileRecord, text: string): readonly Change[] {
  const tree = readClientText(file.format, text, file.path);
  return file.settings
    .filter(({ path, value }) => Bun.deepEquals(valueAt(tree, resolvePath(tree, path)), value))
    .map(({ path, before }) => ({ path, value: before }))
    .toReversed();
}

function recorded(file: ClientFile, text: string, earlier: readonly RecordedSetting[]): readonly RecordedSetting[] {
  const tree = readClientText(file.format, text, file.path);
  const isSame = (path: readonly Step[]) => (other: RecordedSetting) => Bun.deepEquals(other.path, path);
  const fresh = file.settings.map((setting): RecordedSetting => {
    const known = earlier.find(isSame(setting.path));
    const before = known ? known.before : valueAt(tree, resolvePath(tree, setting.path));
    return before === undefined ? setting : { ...setting, before: before as Json }; // Read from JSON, TOML or YAML.
  });
  return [...fresh, ...earlier.filter(({ path }) => !fresh.some(isSame(path)))];
}

function withFile(text: string | null, entry: FileRecord): string {
  const files = parseRecord(text)?.files.filter(({ path }) => path !== entry.path) ?? [];
  const record: SetupRecord = { version: 1, files: [...files, entry] };
  return `${JSON.stringify(record, null, 2)}\n`;
}

const readRecord = (path: string): SetupRecord | null => parseRecord(textOf(path));

/** Our own file; one that somebody has damaged is as good as none. */
function parseRecord(text: string | null): SetupRecord | null {
  try {
    const value: unknown = JSON.parse(text ?? '');
    const isRecord = typeof value === 'object' && value !== null && 'files' in value && Array.isArray(value.files);
    return isRecord ? (value as SetupRecord) : null; // Nobody else writes it.
  } catch {
    return null;
  }
}

function textOf(path: string): string | null {
  if (!existsSync(path)) return null;
  return readFileSync(path, 'utf8');
}

function backUp(path: string, now: Date): string {
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  for (let n = 0; ; n++) {
    const backup = `${path}.rotator-${stamp}${n === 0 ? '' : `-${n}`}.bak`;
    if (existsSync(backup)) continue;
    copyFileSync(path, backup, constants.COPYFILE_EXCL);
    return backup;
  }
}

/** May others on this machine read the file, which holds the client key now? */
export function isOpenToOthers(path: string, platform: NodeJS.Platform = process.platform): boolean {
  return platform !== 'win32' && existsSync(path) && (statSync(path).mode & 0o044) !== 0;
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
