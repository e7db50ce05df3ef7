/**
 * Stands for the signature of thoughts that another protocol's model had. Anthropic refuses thoughts that it has not signed
 * itself, an empty signature included; other vendors of this protocol sign with nothing and want it back. So what was
 * written here must be known again when a client brings it to either of them.
 */
export const UNSIGNED = 'rotator-unsigned';

const MARK = Buffer.from(`"${UNSIGNED}"`);
const RESULT_ID = Buffer.from('"tool_use_id"');
// White space and a colon stand before it. Kimi's ids hold dots and colons, which Anthropic refuses.
const FOREIGN_ID = /^\s*:\s*"[\w-]*[^\w"-]/;
const MAX_LOOK_BYTES = 256;

export function holdsOthers(conversation: Buffer): boolean {
  if (conversation.includes(MARK)) return true;
  for (let at = conversation.indexOf(RESULT_ID); at >= 0; at = conversation.indexOf(RESULT_ID, at)) {
    at += RESULT_ID.length;
    if (FOREIGN_ID.test(conversation.toString('latin1', at, at + MAX_LOOK_BYTES))) return true;
  }
  return false;
}
