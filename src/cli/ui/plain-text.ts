/**
 * Text of others (a vendor's model names, a label of a file that was found here) for one line of a terminal: what would
 * move the cursor, clear the screen, break the line or turn the reading direction is replaced.
 */
export const plainText = (text: string): string => text.replace(IN_ONE_LINE, '\ufffd');

/** A name that a client may have made up: what is longer than any real one is cut in the middle. */
export const shortName = (name: string): string =>
  name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME - 20)}…${name.slice(-19)}`;

const LONGEST_NAME = 120;

export const plainName = (name: string): string => shortName(plainText(name));

/** The same for text of several lines, such as an answer, in which any script may say where it turns direction. */
export const plainLines = (text: string): string => text.replaceAll('\r', '').replace(IN_LINES, '\ufffd');

const IN_ONE_LINE = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;
const IN_LINES = /[^\P{Cc}\n\t]/gu;
