/**
 * Text of others (a vendor's model names, a label of a file that was found here) for one line of a terminal: what would
 * move the cursor, clear the screen, break the line or turn the reading direction is replaced.
 */
export const plainText = (text: string): string => text.replace(IN_ONE_LINE, '\ufffd');

/** The same for text of several lines, such as an answer, in which any script may say where it turns direction. */
export const plainLines = (text: string): string => text.replaceAll('\r', '').replace(IN_LINES, '\ufffd');

const IN_ONE_LINE = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;
const IN_LINES = /[^\P{Cc}\n\t]/gu;
