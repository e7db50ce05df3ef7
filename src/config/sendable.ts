/** Can this text stand in an HTTP header as it is? A key that cannot would break every request it is taken for. */
export const isSendable = (key: string): boolean => /^[\x20-\x7e]+$/.test(key);
