import { join } from 'node:path';
import { startNode } from './node-process.ts';
import type { TempHome } from './temp-home.ts';

/** One request that a program made to what it took for the internet. */
export type VendorRequest = {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
};

export type VendorProxy = AsyncDisposable & {
  /** Makes a program send its https requests here, and believe the answers. */
  readonly env: Readonly<Record<string, string>>;
  readonly requests: () => readonly VendorRequest[];
};

/** A TLS-intercepting proxy, so that real host names can be called without leaving the machine. */
export async function startVendorProxy(home: TempHome): Promise<VendorProxy> {
  const ca = join(home.dir, 'proxy-ca.pem');
  const child = await startNode('vendor-proxy.mjs', [ca], (line) => line.startsWith('ready '));
  return {
    env: { HTTPS_PROXY: `http://127.0.0.1:${child.firstLine.slice('ready '.length)}`, NODE_EXTRA_CA_CERTS: ca },
    requests: () => child.lines.map((line): VendorRequest => JSON.parse(line)),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
