/**
 * Begins the id of thoughts that another protocol's model had. OpenAI looks up by its id what comes back without encrypted
 * content, and refuses a whole request for one that it has not issued.
 */
export const UNSIGNED_PREFIX = 'rs_rotator';

const MARK = Buffer.from(`"${UNSIGNED_PREFIX}_`);

export const holdsOthers = (conversation: Buffer): boolean => conversation.includes(MARK);
