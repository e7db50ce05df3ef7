/**
 * From its third generation on the format itself differs by model: calls must come back signed, thinking is asked for by
 * level, and results of calls hold media. Nothing but the model's name says which generation it is.
 */
export const isThirdGeneration = (model: string): boolean => /(?:^|\/)gemini-(?:[3-9]|[1-9]\d)(?:[.-]|$)/i.test(model);

/**
 * Before it, tools and a JSON answer exclude each other: "Function calling with a response mime type: 'application/json' is
 * unsupported" (400, still so for 2.5 in 2026).
 */
export const refusesJsonBesideTools = (model: string): boolean => /(?:^|\/)gemini-[12](?:[.-]|$)/i.test(model);
