/**
 * What the config's documentation speaks of and this version cannot do. It is refused by name, so that nobody believes
 * that it works. Whoever builds a feature takes its name out of here.
 */

/** Vendors that need more than a base URL and a key. With a `base_url` such a name is a server of the user's own. */
export const LATER_PROVIDERS: ReadonlySet<string> = new Set(['antigravity', 'gemini_cli']);
