/** A result that is a failure, where no field says so: one that looks like a success misleads. */
export const failureText = (text: string): string => (/^\s*error/i.test(text) ? text : `Error: ${text}`);
