/** A vendor's login, and the small calls around it, by script: every odd answer that a standard server would not give. */
export type VendorRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly body: string;
  /** The body's fields, whether it was a form or JSON. */
  readonly fields: Readonly<Record<string, string>>;
  /** Number of this call among those of the same path, from 1. */
  readonly call: number;
};

export type VendorAnswer = {
  readonly status?: number;
  readonly json?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type VendorScript = (request: VendorRequest) => VendorAnswer | Promise<VendorAnswer>;

export type VendorServer = AsyncDisposable & {
  readonly origin: string;
  readonly requests: readonly VendorRequest[];
  /** Those of one path. */
  at(path: string): readonly VendorRequest[];
};

/** Path → script; a path that is not listed is 404. */
export function startVendor(scripts: Readonly<Record<string, VendorScript>>): VendorServer {
  const requests: VendorRequest[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      const body = await request.text();
      const call = requests.filter((other) => other.path === pathname).length + 1;
      const fields = fieldsOf(body);
      const { method, headers } = request;
      const received = { method, path: pathname, query: searchParams, headers, body, fields, call };
      requests.push(received);
      const answer = (await scripts[pathname]?.(received)) ?? { status: 404, json: { error: 'not_found' } };
      return new Response(answer.text ?? JSON.stringify(answer.json ?? {}), {
        status: answer.status ?? 200,
        headers: { 'content-type': answer.text === undefined ? 'application/json' : 'text/html', ...answer.headers },
      });
    },
  });
  return {
    origin: `http://127.0.0.1:${server.port}`,
    requests,
    at: (path) => requests.filter((request) => request.path === path),
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

function fieldsOf(body: string): Readonly<Record<string, string>> {
  try {
    const json: unknown = JSON.parse(body);
    return typeof json === 'object' && json !== null
      ? Object.fromEntries(Object.entries(json).map(([name, value]) => [name, String(value)]))
      : {};
  } catch {
    return Object.fromEntries(new URLSearchParams(body));
  }
}

/** An unsigned JWT with these claims. */
export const jwt = (claims: unknown): string =>
  `${encode({ alg: 'none' })}.${encode(claims)}.${Buffer.from('signature').toString('base64url')}`;

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
