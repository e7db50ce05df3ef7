/**
 * A multipart form over its raw bytes (RFC 7578): where each part's content starts and ends. It lets the proxy change one
 * short field of an upload and leave every other byte as it came, the boundary included.
 */
export type FormPart = {
  /** Null: it has none. */
  readonly name: string | null;
  readonly start: number;
  readonly end: number;
};

/** Nobody's form has more; a body of nothing but boundaries must not become millions of objects. */
const MAX_PARTS = 1000;
/** Of one part. */
const MAX_HEADER_BYTES = 16 * 1024;

const HEADERS_END = Buffer.from('\r\n\r\n');
const DASH = 45;

export class MultipartForm {
  readonly #bytes: Uint8Array;
  readonly #parts: readonly FormPart[];

  private constructor(bytes: Uint8Array, parts: readonly FormPart[]) {
    this.#bytes = bytes;
    this.#parts = parts;
  }

  /** Null when the bytes are not the form that the content type announces. */
  static of(bytes: Uint8Array, contentType: string): MultipartForm | null {
    const boundary = boundaryOf(contentType);
    const parts = boundary === null ? null : partsOf(bytes, boundary);
    return parts && new MultipartForm(bytes, parts);
  }

  /** The content of a text field; of a repeated one the last. Undefined when there is none. */
  get(name: string): string | undefined {
    const part = this.#parts.findLast((one) => one.name === name);
    return part && new TextDecoder().decode(this.#bytes.subarray(part.start, part.end));
  }

  /** A copy with another content of this field, wherever it stands: a second one cannot smuggle the old value past. */
  with(name: string, value: string): Uint8Array {
    const content = new TextEncoder().encode(value);
    const pieces: Uint8Array[] = [];
    let from = 0;
    for (const part of this.#parts) {
      if (part.name !== name) continue;
      pieces.push(this.#bytes.subarray(from, part.start), content);
      from = part.end;
    }
    return Buffer.concat([...pieces, this.#bytes.subarray(from)]);
  }
}

export const isMultipart = (contentType: string): boolean => /^multipart\/form-data\s*(;|$)/i.test(contentType);

/** At most 70 characters, none of them a line's end: RFC 2046 §5.1.1. */
function boundaryOf(contentType: string): string | null {
  const boundary = parametersOf(contentType).get('boundary');
  return boundary !== undefined && /^[\x20-\x7e]{1,70}$/.test(boundary) ? boundary : null;
}

function partsOf(form: Uint8Array, boundary: string): readonly FormPart[] | null {
  const bytes = Buffer.from(form.buffer, form.byteOffset, form.byteLength);
  const opening = `--${boundary}`;
  const delimiter = Buffer.from(`\r\n${opening}`);
  let at: number;
  if (bytes.subarray(0, opening.length).equals(Buffer.from(opening))) at = opening.length;
  else {
    // What stands before the first boundary is nobody's.
    const first = bytes.indexOf(delimiter);
    if (first < 0) return null;
    at = first + delimiter.length;
  }
  const parts: FormPart[] = [];
  for (;;) {
    if (bytes[at] === DASH && bytes[at + 1] === DASH) return parts;
    const headersEnd = bytes.indexOf(HEADERS_END, at);
    if (headersEnd < 0 || headersEnd - at > MAX_HEADER_BYTES || parts.length >= MAX_PARTS) return null;
    const start = headersEnd + HEADERS_END.length;
    // An empty content has its delimiter right behind the headers, sharing nothing with them.
    const end = bytes.indexOf(delimiter, start);
    if (end < 0) return null;
    parts.push({ name: nameIn(bytes.toString('utf8', at, headersEnd)), start, end });
    at = end + delimiter.length;
  }
}

function nameIn(headers: string): string | null {
  const line = headers.split('\r\n').find((one) => /^content-disposition\s*:/i.test(one));
  return line === undefined ? null : (parametersOf(line).get('name') ?? null);
}

/** One after the other, so that what looks like a parameter inside a quoted file name is none. */
function parametersOf(header: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', quoted, plain] of header.matchAll(
    /;\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g,
  )) {
    found.set(name.toLowerCase(), quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1'));
  }
  return found;
}
