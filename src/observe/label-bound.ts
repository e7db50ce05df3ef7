/** Every label value is a time series for good, and clients make model names up: beyond a bound they share one. */

/** So many of names that no list holds. */
const MAX_UNLISTED = 50;
/** And of all together; nobody calls more. */
const MAX_LISTED = 1000;

export class LabelBound {
  readonly #isListed: (target: string) => boolean;
  readonly #listed = new Set<string>();
  readonly #unlisted = new Set<string>();

  constructor(isListed: (target: string) => boolean) {
    this.#isListed = isListed;
  }

  /** `provider/model`, or `provider/other` for what is beyond the bound. A provider is one that is configured. */
  label(target: string): string {
    if (this.#listed.has(target) || this.#unlisted.has(target)) return target;
    const [names, bound] = this.#isListed(target) ? [this.#listed, MAX_LISTED] : [this.#unlisted, MAX_UNLISTED];
    if (names.size >= bound) return `${target.slice(0, target.indexOf('/'))}/other`;
    names.add(target);
    return target;
  }
}
