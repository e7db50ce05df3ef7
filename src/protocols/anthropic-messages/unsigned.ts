/**
 * Stands for the signature of thoughts that another protocol's model had. Anthropic refuses thoughts that it has not signed
 * itself, an empty signature included; other vendors of this protocol sign with nothing and want it back. So what was
 * written here must be known again when a client brings it to either of them.
 */
export const UNSIGNED = 'rotator-unsigned';

const MARK = Buffer.from(`"${UNSIGNED}"`);
const RESULT_ID = Buffer.from('"tool_use_id"');
const QUOTE = 34;

export function holdsOthers(conversation: Buffer): boolean {
  if (conversation.includes(MARK)) return true;
  for (let at = conversation.indexOf(RESULT_ID); at >= 0; at = conversation.indexOf(RESULT_ID, at)) {
    at = conversation.indexOf(QUOTE, at + RESULT_ID.length) + 1;
    if (at === 0) return false;
    while (isIdByte(conversation[at])) at++;
    if (conversation[at] !== QUOTE) return true;
  }
  return false;
}

/** Letters, digits, `_` and `-`. Kimi's ids hold dots and colons, which Anthropic refuses. */
function isIdByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (
    (byte >= 97 && byte <= 122) ||
    (byte >= 48 && byte <= 57) ||
    (byte >= 65 && byte <= 90) ||
    byte === 95 ||
    byte === 45
  );
}
