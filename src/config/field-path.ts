/** A field's path as people write it: `providers.groq.keys[0].label`, `aliases."gpt-4.1"`. */
import { CliError, ExitCode } from '../shared/cli-error.ts';
import type { Path } from './problems.ts';

const STEP = /^(?:\[(\d{1,6})\]|\[?"((?:[^"\\]|\\.)*)"\]?|\[?'([^']*)'\]?|([^.[\]"']+))/;

/** Throws a usage error that shows how a path is written. */
export function parsePath(written: string): Path {
  const path: (string | number)[] = [];
  let rest = written.trim();
  while (rest !== '') {
    const step = STEP.exec(rest);
    if (!step) throw unreadable(written);
    const [whole, index, double, single, bare] = step;
    path.push(
      index === undefined ? (double?.replace(/\\(["\\])/g, '$1') ?? single ?? bare?.trim() ?? '') : Number(index),
    );
    rest = rest.slice(whole.length);
    const isDot = rest.startsWith('.');
    if (rest !== '' && !isDot && !rest.startsWith('[')) throw unreadable(written);
    if (isDot) rest = rest.slice(1);
    if (isDot && rest === '') throw unreadable(written);
  }
  if (path.length === 0 || path.includes('')) throw unreadable(written);
  return path;
}

/** The same path written so that `parsePath` reads it, and a shell needs no more than one pair of quotes. */
export function writePath(path: Path): string {
  let out = '';
  for (const step of path) {
    if (typeof step === 'number') out += `[${step}]`;
    else out += `${out === '' ? '' : '.'}${/^[\w*-]+$/.test(step) ? step : JSON.stringify(step)}`;
  }
  return out;
}

const unreadable = (written: string) =>
  new CliError(
    ExitCode.usage,
    'usage',
    `"${written}" is no path of a field`,
    'for example: server.port, providers.groq.keys[0].label, \'aliases."gpt-4.1"\'',
  );
