/**
 * Control characters as escapes, those of the terminal's second set and Unicode's line and direction marks included:
 * what a client or an upstream has written must not steer a terminal.
 */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
