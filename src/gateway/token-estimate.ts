/**
 * How many tokens a request will cost, before it is sent: what is reserved of a credential's limits until the real usage
 * is known. A guess within a factor of two is enough, and all that is worth its time.
 */

/** English, code and JSON have about four bytes for a token; other scripts have as many, in more bytes for each letter. */
const BYTES_PER_TOKEN = 4;
/** An image, a page of a file, a minute of sound: vendors count them by size and not by letters. */
const TOKENS_PER_BASE64_RUN = 1500;
/** A shorter run costs no more as text. */
const MIN_RUN_BYTES = TOKENS_PER_BASE64_RUN * BYTES_PER_TOKEN;
/** Before a model's first answer. */
const UNSEEN_OUTPUT_TOKENS = 500;

/**
 * Input and output together. `maxOutput`: what the client allows for the answer; null when it says nothing. `meanOutput`:
 * of this model's answers so far; null when there was none.
 */
export function estimateTokens(body: Uint8Array, maxOutput: number | null, meanOutput: number | null): number {
  const output = Math.min(maxOutput ?? Number.POSITIVE_INFINITY, meanOutput ?? UNSEEN_OUTPUT_TOKENS);
  return estimateInput(body) + Math.ceil(output);
}

const QUOTE = 34;
const BACKSLASH = 92;
/** Data URLs, and the fields of sound and files that hold base64 and nothing else. */
const DATA_URL = Buffer.from(';base64,');
const DATA_FIELD = Buffer.from('"data"');

/** Of a request body: bytes of text / 4, each run of base64 a flat 1,500. */
export function estimateInput(body: Uint8Array): number {
  // What is this short can hold no run.
  if (body.length < MIN_RUN_BYTES) return Math.ceil(body.length / BYTES_PER_TOKEN);
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let runs = 0;
  let runBytes = 0;
  let url = bytes.indexOf(DATA_URL);
  let field = bytes.indexOf(DATA_FIELD);
  while (url >= 0 || field >= 0) {
    const isUrl = field < 0 || (url >= 0 && url < field);
    const start = isUrl ? url + DATA_URL.length : valueStart(bytes, field + DATA_FIELD.length);
    const end = runEnd(bytes, start);
    if (end === null) {
      // A data URL under the name of data is a field without base64, and counts when its own mark is reached.
      if (isUrl) url = bytes.indexOf(DATA_URL, url + 1);
      else field = bytes.indexOf(DATA_FIELD, field + 1);
      continue;
    }
    runs++;
    runBytes += end - start;
    // Whatever marks are within a run, its bytes count once.
    if (url >= 0 && url < end) url = bytes.indexOf(DATA_URL, end);
    if (field >= 0 && field < end) field = bytes.indexOf(DATA_FIELD, end);
  }
  return Math.ceil((bytes.length - runBytes) / BYTES_PER_TOKEN) + runs * TOKENS_PER_BASE64_RUN;
}

/** Behind the opening quote of a field's text; the end when it is none. */
function valueStart(bytes: Buffer, nameEnd: number): number {
  const open = bytes.subarray(0, nameEnd + 9).indexOf(QUOTE, nameEnd);
  return open < 0 ? bytes.length : open + 1;
}

/** Where the text that begins here ends, if it is base64 and long enough to count flat; null: it is not. */
function runEnd(bytes: Buffer, start: number): number | null {
  if (!isBase64(bytes, start)) return null;
  const close = bytes.indexOf(QUOTE, start);
  const end = close < 0 ? bytes.length : close;
  return end - start >= MIN_RUN_BYTES ? end : null;
}

/** By its first letters: text has a space or a sign among so many. `\` may escape a `/`. */
function isBase64(bytes: Uint8Array, start: number): boolean {
  for (let at = start; at < start + 64; at++) {
    const code = bytes[at] ?? 0;
    const isLetter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || (code >= 47 && code <= 57);
    // `+`, and the `-` and `_` of the dialect for URLs.
    if (!isLetter && code !== 43 && code !== 45 && code !== 95 && code !== BACKSLASH) return false;
  }
  return true;
}

/** How long the answers of each model are: a running mean, of the models that answered last. */
export class OutputMeans {
  readonly #means = new Map<string, { mean: number; count: number }>();
  readonly #maxModels: number;

  constructor(maxModels = 1000) {
    this.#maxModels = maxModels;
  }

  /** Null: it has not answered yet. */
  meanOf(provider: string, model: string): number | null {
    return this.#means.get(keyOf(provider, model))?.mean ?? null;
  }

  /** `outputTokens` null: nobody said. */
  add(provider: string, model: string, outputTokens: number | null): void {
    if (outputTokens === null) return;
    const key = keyOf(provider, model);
    const known = this.#means.get(key);
    if (known) this.#means.delete(key);
    else if (this.#means.size >= this.#maxModels) this.#forgetOldest();
    const entry = known ?? { mean: 0, count: 0 };
    // The last answers count most: what a model is used for changes.
    entry.count = Math.min(entry.count + 1, WINDOW);
    entry.mean += (outputTokens - entry.mean) / entry.count;
    this.#means.set(key, entry);
  }

  #forgetOldest(): void {
    for (const key of this.#means.keys()) {
      this.#means.delete(key);
      return;
    }
  }
}

const WINDOW = 32;

const keyOf = (provider: string, model: string) => `${provider}/${model}`;
