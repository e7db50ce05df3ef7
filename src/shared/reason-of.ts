/** What something thrown says, which in JavaScript can be anything. */
export const reasonOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
