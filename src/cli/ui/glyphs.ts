/** Signs beyond ASCII, and what stands for them where they would come out as rubbish. */
export type Glyphs = {
  /** In the place of a number that nobody knows. */
  readonly unknown: string;
  readonly separator: string;
  /** Where a line was too long. */
  readonly cut: string;
  /** There is nothing beyond ASCII. */
  readonly isPlain: boolean;
};

/**
 * By the locale, as POSIX orders its variables: one that is named and not UTF-8 has no such signs, and neither has the
 * Linux console. Without any it is taken for a modern terminal.
 */
export function glyphs(env: Readonly<Record<string, string | undefined>>): Glyphs {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  const isPlain = (locale !== '' && !/utf-?8/i.test(locale)) || env.TERM === 'linux' || env.TERM === 'dumb';
  return isPlain
    ? { unknown: '-', separator: ', ', cut: '~', isPlain }
    : { unknown: '–', separator: ' · ', cut: '…', isPlain };
}
