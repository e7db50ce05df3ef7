import { describe, expect, test } from 'bun:test';
import { helpText } from '../../../src/cli/ui/help-text.ts';

const PAGE = `Usage: rotator x [options]

do something

Options:
  -h, --help  print help, and this is a line that is wider than the terminal is

One sentence that was broken by hand at a place
that is no good here.

Short prose.

Examples:
  $ rotator x --with-an-option and-a-value --and-another
`;

describe('a help page', () => {
  test('is as written where nobody knows a width, or where it fits', () => {
    expect(helpText(PAGE, null)).toBe(PAGE);
    expect(helpText(PAGE, 100)).toBe(PAGE);
  });

  test('has its prose broken anew where it is narrow, and nothing else', () => {
    const prose = 'One sentence that was broken by hand at a place\nthat is no good here.';
    const narrow = 'One sentence that was broken by hand at\na place that is no good here.';
    expect(helpText(PAGE, 40)).toBe(PAGE.replace(prose, narrow));
  });

  test('may end with prose', () => {
    expect(helpText('a b\nc d e f\n', 6)).toBe('a b c\nd e f\n');
  });
});
