/** The bytes of a config file as text, or why it cannot be one. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { ConfigError } from './problems.ts';

const MAX_BYTES = 8 * 1024 * 1024;
const TOO_LARGE = 'is larger than 8 MB; that is no config';

/** As a person would type it: relative inside the current directory. */
export function shownPath(file: string, cwd: string): string {
  const relative = path.relative(cwd, file);
  return relative === '' || relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
}

/** Text without a byte order mark. Throws `ConfigError` for what cannot be read, is empty or is no text. */
export function readConfigFile(file: string, shown: string): string {
  const fail = (message: string, hint?: string) =>
    new ConfigError(shown, [{ path: '', place: null, message: `${shown} ${message}` }], hint);
  let bytes: Buffer;
  try {
    const stat = statSync(file);
    // Some devices never end, and a file of gigabytes would fill the memory before it is found too long.
    if (stat.isCharacterDevice() || stat.isBlockDevice()) throw fail('is a device; expected a file');
    if (stat.size > MAX_BYTES) throw fail(TOO_LARGE);
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = errorCode(error);
    if (code === 'ENOENT')
      throw fail('does not exist', 'rotator config init makes a config; rotator keys add does, too');
    if (code === 'EISDIR') throw fail('is a directory; expected a file');
    if (code === 'EACCES' || code === 'EPERM') throw fail('may not be read by this user');
    throw fail(`cannot be read (${code})`);
  }
  if (bytes.length > MAX_BYTES) throw fail(TOO_LARGE);
  if (bytes.length >= 2 && ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))) {
    throw fail('is UTF-16; save it as UTF-8');
  }
  const text = decode(bytes);
  if (text === null || /\u0000/.test(text)) throw fail('is not text in UTF-8');
  if (text.trim() === '') throw fail('is empty');
  return text;
}

/** Can others on this machine read the file? False where file modes mean nothing. */
export function isReadableByOthers(file: string, platform: NodeJS.Platform = process.platform): boolean {
  if (platform === 'win32') return false;
  try {
    return (statSync(file).mode & 0o044) !== 0;
  } catch {
    return false;
  }
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

function decode(bytes: Uint8Array): string | null {
  try {
    // The decoder takes a byte order mark away.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
