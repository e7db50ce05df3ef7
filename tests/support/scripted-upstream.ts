import { createServer, type Socket } from 'node:net';

/**
 * An upstream made of raw bytes on a real loopback socket. It answers by script (per key, per call, or by a function),
 * records what it was sent, and can do what an HTTP library would never do: stop in the middle of a head, cut a chunk,
 * reset the connection, or say nothing at all.
 */

/** One request as it arrived. */
export type Received = {
  /** Position among all requests of this upstream, from 0. */
  readonly order: number;
  /** Which connection carried it, from 0. */
  readonly connection: number;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Headers;
  /** Names and values as they stood on the wire. */
  readonly rawHeaders: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  readonly text: string;
  /** The key, from whichever header the protocol has it in, or null. */
  readonly key: string | null;
  /** Number of this call among those with the same method, path and key, from 1. */
  readonly call: number;
  /** Resolves when the other side goes away before the reply is finished. */
  readonly gone: Promise<void>;
  readonly isGone: () => boolean;
};

/** Writes one reply. It resolves when the reply is over. */
export type Answer = (wire: Wire, request: Received) => Promise<void>;

/** One answer for every call, or one per call with the last repeated. */
export type Script = Answer | readonly Answer[];

export type UpstreamOptions = {
  /** By key. A key that is not listed gets 401, as at a real vendor, unless `answer` is given. */
  readonly keys?: Readonly<Record<string, Script>>;
  /** For calls no key script covers. */
  readonly answer?: (request: Received) => Answer;
  /** Reply to `GET …/models`: ids, or an answer of its own. */
  readonly models?: readonly string[] | Answer;
  /** A port to listen on, for an upstream that comes up late; default a free one. */
  readonly port?: number;
};

export type ScriptedUpstream = AsyncDisposable & {
  readonly port: number;
  readonly origin: string;
  /** `origin` + `/v1`: what a provider's `base_url` should say. */
  readonly baseUrl: string;
  readonly keys: readonly string[];
  /** Everything that arrived, in order of arrival. */
  readonly requests: readonly Received[];
  /** The model calls among them: every POST. */
  readonly calls: readonly Received[];
  /** Keys of the model calls, in order of arrival. */
  readonly keysUsed: readonly (string | null)[];
  /** The most replies that were open at one time for a key; null counts them all. */
  mostAtOnce(key: string | null): number;
  /** Replies being written now. */
  readonly open: number;
  close(): Promise<void>;
};

/** The other side has closed the connection. Ends an answer quietly. */
class Gone extends Error {}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytesOf = (value: string | Uint8Array) => (typeof value === 'string' ? encoder.encode(value) : value);

/** The sending half of one connection, for one reply. */
export class Wire {
  readonly #socket: Socket;
  readonly #gone: Promise<void>;
  /** Payload bytes handed to the kernel so far. */
  written = 0;
  isClosed = false;

  constructor(socket: Socket, gone: Promise<void>) {
    this.#socket = socket;
    this.#gone = gone;
  }

  /** Raw bytes. Resolves when the socket has room again, so that an unread reply stops here. */
  async raw(value: string | Uint8Array): Promise<void> {
    if (this.#socket.destroyed) throw new Gone();
    const bytes = bytesOf(value);
    const hasRoom = this.#socket.write(bytes);
    this.written += bytes.length;
    if (hasRoom) return;
    await Promise.race([new Promise<void>((resolve) => this.#socket.once('drain', resolve)), this.#gone]);
    if (this.#socket.destroyed) throw new Gone();
  }

  async head(status: number, headers: HeaderLines = {}): Promise<void> {
    const list: (readonly [string, string])[] = isPairs(headers) ? [...headers] : Object.entries(headers);
    await this.raw(
      `HTTP/1.1 ${status} Scripted\r\n${list.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
  }

  /** One chunk of a chunked body. */
  async chunk(value: string | Uint8Array): Promise<void> {
    const bytes = bytesOf(value);
    const size = encoder.encode(`${bytes.length.toString(16)}\r\n`);
    const framed = new Uint8Array(size.length + bytes.length + 2);
    framed.set(size);
    framed.set(bytes, size.length);
    framed.set([13, 10], framed.length - 2);
    await this.raw(framed);
  }

  /** The regular end of a chunked body. */
  async lastChunk(): Promise<void> {
    await this.raw('0\r\n\r\n');
  }

  /** Waits for a gate; stops the answer when the other side goes away first. */
  async pause(at: Gate): Promise<void> {
    await Promise.race([at.arrive(), this.#gone]);
    if (this.#socket.destroyed) throw new Gone();
  }

  /** Ends the connection in good order (FIN), whatever state the reply is in. */
  fin(): void {
    this.isClosed = true;
    this.#socket.end();
  }

  /** Resets the connection (RST). */
  reset(): void {
    this.isClosed = true;
    this.#socket.resetAndDestroy();
  }
}

export type HeaderLines = Readonly<Record<string, string>> | readonly (readonly [string, string])[];
const isPairs = (headers: HeaderLines): headers is readonly (readonly [string, string])[] => Array.isArray(headers);

/** A point in a script that the test opens. */
export type Gate = {
  /** Resolves when a reply has come to this point. */
  readonly reached: Promise<void>;
  open(): void;
  arrive(): Promise<void>;
};

export function gate(): Gate {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    open: () => opened.resolve(),
    arrive: () => {
      reached.resolve();
      return opened.promise;
    },
  };
}

/** A whole reply with a content length. Objects become JSON. */
export function reply(status: number, body: string | Uint8Array | object, headers: HeaderLines = {}): Answer {
  const bytes = body instanceof Uint8Array || typeof body === 'string' ? bytesOf(body) : bytesOf(JSON.stringify(body));
  return async (wire) => {
    const given = isPairs(headers) ? headers : Object.entries(headers);
    const hasType = given.some(([name]) => name.toLowerCase() === 'content-type');
    await wire.head(status, [
      ...(hasType ? [] : [['content-type', 'application/json'] as const]),
      ...given,
      ['content-length', String(bytes.length)],
    ]);
    await wire.raw(bytes);
  };
}

/** An error in OpenAI's envelope. */
export function refusal(
  status: number,
  error: { message?: string; type?: string | null; code?: string | number | null; param?: string | null } = {},
  headers: HeaderLines = {},
): Answer {
  return reply(
    status,
    { error: { message: error.message ?? `scripted ${status}`, type: null, param: null, code: null, ...error } },
    headers,
  );
}

export function completion(text: string, more: Record<string, unknown> = {}): object {
  return {
    id: 'chatcmpl-scripted',
    object: 'chat.completion',
    created: 1_760_000_000,
    model: 'upstream-model',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    ...more,
  };
}

/** A whole chat answer. */
export const answer = (text: string, more: Record<string, unknown> = {}, headers: HeaderLines = {}): Answer =>
  reply(200, completion(text, more), headers);

/** One chat chunk as a frame. */
export function frame(delta: Record<string, unknown>, finish: string | null = null, index = 0): string {
  return `data: ${JSON.stringify({
    id: 'chatcmpl-scripted',
    object: 'chat.completion.chunk',
    created: 1_760_000_000,
    model: 'upstream-model',
    choices: [{ index, delta, finish_reason: finish }],
  })}\n\n`;
}

export const roleFrame = () => frame({ role: 'assistant', content: '' });
export const textFrame = (text: string) => frame({ content: text });
export const finishFrame = (reason = 'stop') => frame({}, reason);
export const doneFrame = () => 'data: [DONE]\n\n';

export function usageFrame(): string {
  return `data: ${JSON.stringify({
    id: 'chatcmpl-scripted',
    object: 'chat.completion.chunk',
    created: 1_760_000_000,
    model: 'upstream-model',
    choices: [],
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
  })}\n\n`;
}

/** The frames of a whole, well-formed stream. */
export const chatFrames = (...texts: string[]): string[] => [
  roleFrame(),
  ...texts.map(textFrame),
  finishFrame(),
  doneFrame(),
];

export type StreamOptions = {
  readonly headers?: HeaderLines;
  /** How the body is framed: HTTP chunks (default), or everything until the connection closes. */
  readonly framing?: 'chunked' | 'until-close';
  /**
   * How the stream ends: in good order (default); `fin` and `reset` break the connection, for `chunked` without the
   * last chunk; `half-chunk` announces a chunk and closes in the middle of it.
   */
  readonly end?: 'clean' | 'fin' | 'reset' | 'half-chunk';
};

/** An event stream. Each string or byte array is one write; a gate holds the rest back until the test opens it. */
export function stream(parts: readonly (string | Uint8Array | Gate)[], options: StreamOptions = {}): Answer {
  const isChunked = options.framing !== 'until-close';
  return async (wire) => {
    const given = options.headers ?? {};
    await wire.head(200, [
      ['content-type', 'text/event-stream; charset=utf-8'],
      ...(isPairs(given) ? given : Object.entries(given)),
      isChunked ? ['transfer-encoding', 'chunked'] : ['connection', 'close'],
    ]);
    for (const part of parts) {
      if (typeof part === 'object' && 'arrive' in part) await wire.pause(part);
      else if (isChunked) await wire.chunk(part);
      else await wire.raw(part);
    }
    switch (options.end ?? 'clean') {
      case 'clean':
        return isChunked ? wire.lastChunk() : wire.fin();
      case 'fin':
        return wire.fin();
      case 'reset':
        return wire.reset();
      case 'half-chunk':
        await wire.raw('1000\r\ndata: {"choices":[{"index":0,"delta":{"content":"never');
        return wire.fin();
    }
  };
}

/** A well-formed chat stream of these texts. */
export const chatStream = (...texts: string[]): Answer => stream(chatFrames(...texts));

/** Reads the request and never says a word. Over when the other side gives up. */
export const silence: Answer = (_, request) => request.gone;

/** Closes the connection (FIN) without a byte of a reply. */
export const hangUp: Answer = async (wire) => wire.fin();

/** Resets the connection (RST) without a byte of a reply. */
export const resetAtOnce: Answer = async (wire) => wire.reset();

/** Half a head, then the end of the connection. */
export const halfHead: Answer = async (wire) => {
  await wire.raw('HTTP/1.1 200 OK\r\ncontent-ty');
  wire.fin();
};

/** Waits at a gate before it answers. */
export function after(at: Gate, then: Answer): Answer {
  return async (wire, request) => {
    await wire.pause(at);
    await then(wire, request);
  };
}

export async function startUpstream(options: UpstreamOptions = {}): Promise<ScriptedUpstream> {
  const requests: Received[] = [];
  const sockets = new Set<Socket>();
  const openByKey = new Map<string | null, number>();
  const mostByKey = new Map<string | null, number>();
  const failures: unknown[] = [];
  let connections = 0;
  let isClosing = false;

  function count(key: string | null, by: number): void {
    for (const name of key === null ? [null] : [null, key]) {
      const now = (openByKey.get(name) ?? 0) + by;
      openByKey.set(name, now);
      mostByKey.set(name, Math.max(mostByKey.get(name) ?? 0, now));
    }
  }

  function choose(request: Received): Answer {
    if (request.method === 'GET' && request.path.split('?')[0]?.endsWith('/models')) {
      const models = options.models ?? ['m'];
      if (typeof models === 'function') return models;
      return reply(200, { object: 'list', data: models.map((id) => ({ id, object: 'model', owned_by: 'scripted' })) });
    }
    const script = request.key === null ? undefined : options.keys?.[request.key];
    if (typeof script === 'function') return script;
    const scripted = script && (script[request.call - 1] ?? script.at(-1));
    if (scripted) return scripted;
    if (options.answer) return options.answer(request);
    return refusal(401, {
      message: 'Incorrect API key provided',
      type: 'invalid_request_error',
      code: 'invalid_api_key',
    });
  }

  async function serve(socket: Socket, connection: number): Promise<void> {
    const incoming = new Incoming(socket);
    for (;;) {
      const message = await incoming.next();
      if (!message) return;
      const gone = Promise.withResolvers<void>();
      let isAnswered = false;
      let isGone = false;
      const onClose = () => {
        if (isAnswered) return;
        isGone = true;
        gone.resolve();
      };
      socket.once('close', onClose);
      const key =
        /^bearer (.+)$/i.exec(message.headers.get('authorization') ?? '')?.[1] ??
        message.headers.get('x-api-key') ??
        message.headers.get('x-goog-api-key');
      const path = message.path;
      const request: Received = {
        ...message,
        order: requests.length,
        connection,
        text: decoder.decode(message.body),
        key,
        call:
          1 + requests.filter((old) => old.key === key && old.path === path && old.method === message.method).length,
        gone: gone.promise,
        isGone: () => isGone,
      };
      requests.push(request);
      count(key, 1);
      const wire = new Wire(socket, gone.promise);
      try {
        await choose(request)(wire, request);
      } catch (error) {
        // A script that fails for another reason than a closed connection is a fault of the test: close() tells.
        if (!(error instanceof Gone)) failures.push(error);
        socket.destroy();
      } finally {
        isAnswered = true;
        count(key, -1);
        socket.off('close', onClose);
      }
      if (wire.isClosed || socket.destroyed) return;
    }
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    // Resets are part of the play; what they mean is seen on `close`.
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    void serve(socket, connections++);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the upstream has no port');
  const origin = `http://127.0.0.1:${address.port}`;

  const close = async () => {
    if (isClosing) return;
    isClosing = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
    if (failures.length > 0) throw new AggregateError(failures, 'a scripted answer failed');
  };
  return {
    port: address.port,
    origin,
    baseUrl: `${origin}/v1`,
    keys: Object.keys(options.keys ?? {}),
    requests,
    get calls() {
      return requests.filter((request) => request.method === 'POST');
    },
    get keysUsed() {
      return requests.filter((request) => request.method === 'POST').map((request) => request.key);
    },
    mostAtOnce: (key) => mostByKey.get(key) ?? 0,
    get open() {
      return openByKey.get(null) ?? 0;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

type Message = {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly rawHeaders: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
};

/** Reads HTTP/1.1 requests from a socket, one after the other. */
class Incoming {
  #bytes: Buffer = Buffer.alloc(0);
  #isEnded = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.#bytes = this.#bytes.length === 0 ? data : Buffer.concat([this.#bytes, data]);
      this.#wake();
    });
    socket.on('close', () => {
      this.#isEnded = true;
      this.#wake();
    });
  }

  /** Null when the connection has ended. */
  async next(): Promise<Message | null> {
    for (;;) {
      const message = this.#take();
      if (message) return message;
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #take(): Message | null {
    const headEnd = this.#bytes.indexOf('\r\n\r\n');
    if (headEnd < 0) return null;
    const [start = '', ...lines] = this.#bytes.subarray(0, headEnd).toString('latin1').split('\r\n');
    const [method = '', path = ''] = start.split(' ');
    const rawHeaders = lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
    });
    const headers = new Headers();
    for (const [name, value] of rawHeaders) headers.append(name, value);
    const from = headEnd + 4;
    const read = headers.get('transfer-encoding')?.includes('chunked')
      ? readChunked(this.#bytes, from)
      : readSized(this.#bytes, from, Number(headers.get('content-length') ?? 0));
    if (!read) return null;
    this.#bytes = this.#bytes.subarray(read.end);
    return { method, path, headers, rawHeaders, body: read.body };
  }
}

function readSized(bytes: Buffer, from: number, length: number): { body: Uint8Array; end: number } | null {
  const end = from + length;
  return bytes.length < end ? null : { body: new Uint8Array(bytes.subarray(from, end)), end };
}

function readChunked(bytes: Buffer, from: number): { body: Uint8Array; end: number } | null {
  const parts: Buffer[] = [];
  let at = from;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16);
    const start = lineEnd + 2;
    if (bytes.length < start + size + 2) return null;
    if (size === 0) return { body: new Uint8Array(Buffer.concat(parts)), end: start + 2 };
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}
