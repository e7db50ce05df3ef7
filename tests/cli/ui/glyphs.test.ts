import { expect, test } from 'bun:test';
import { glyphs } from '../../../src/cli/ui/glyphs.ts';

test.each([
  [{}, '–'],
  [{ LANG: 'de_DE.UTF-8' }, '–'],
  [{ LANG: 'C' }, '-'],
  [{ LANG: 'C', LC_ALL: 'C.utf8' }, '–'],
  [{ LANG: 'en_US.UTF-8', LC_CTYPE: 'POSIX' }, '-'],
  [{ LANG: 'en_US.UTF-8', LC_ALL: '' }, '–'],
  [{ LANG: 'en_US.UTF-8', TERM: 'linux' }, '-'],
  [{ LANG: 'en_US.UTF-8', TERM: 'dumb' }, '-'],
])('in %j a number that nobody knows is %s', (env, unknown) => expect(glyphs(env).unknown).toBe(unknown));
