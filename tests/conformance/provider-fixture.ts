import { readFileSync } from 'node:fs';
import type { JsonObject, ListedModel, Provider } from '../../src/providers/provider.ts';
import type { VendorSettings } from '../../src/providers/vendor-settings.ts';
import { ownEntries, ownProvider } from '../../src/providers/index.ts';

/** What stands in one file of `tests/fixtures/providers`; its README says what the fields mean. */
export type ProviderFixture = {
  /** Of a vendor that is configured before it is called. */
  readonly settings?: Partial<VendorSettings>;
  readonly calls: { readonly chat: string; readonly models: string };
  readonly tier: number | null;
  readonly key?: Readonly<Record<string, string>>;
  readonly requests: readonly {
    readonly name: string;
    readonly model: string;
    readonly isStream: boolean;
    readonly body: JsonObject;
    readonly sent: JsonObject;
    readonly changes: readonly string[];
  }[];
  readonly replies: readonly {
    readonly name: string;
    readonly body: JsonObject;
    readonly adapted: JsonObject | null;
  }[];
  readonly streams: readonly {
    readonly name: string;
    readonly events: readonly JsonObject[];
    readonly adapted: readonly (JsonObject | null)[];
  }[];
  /** Streams that are not the protocol's own: their data, and that of what becomes of them. */
  readonly rewrites?: readonly {
    readonly name: string;
    readonly frames: readonly unknown[];
    readonly rewritten: readonly unknown[];
  }[];
  readonly models: readonly {
    readonly page: unknown;
    readonly models: readonly ListedModel[];
    readonly next?: string;
  }[];
  readonly errors: readonly {
    readonly name: string;
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly model: string;
    readonly json?: unknown;
    readonly text?: string;
    readonly failure: JsonObject;
  }[];
  /** Absent where a provider cannot be asked. */
  readonly quotas?: readonly {
    readonly name: string;
    readonly request: JsonObject;
    readonly json: unknown;
    readonly windows: readonly JsonObject[] | null;
  }[];
};

/** When the recorded errors are read: 2026-04-28 23:00:00 UTC. */
export const RECORDED_AT = Date.UTC(2026, 3, 28, 23);

/** A config that says no more than a key. */
export const nothingSaid: VendorSettings = {
  baseUrl: null,
  urlVariables: {},
  resource: null,
  apiVersion: null,
  deployments: {},
  bases: {},
  auth: null,
  pathStyle: 'v1',
  application: null,
};

/** Every entry of the registry and a server of the user's own, each with its recorded bodies. */
export const recorded: readonly { readonly provider: Provider; readonly fixture: ProviderFixture }[] = [
  ...ownEntries.map((entry) => {
    const fixture = read(entry.id);
    return { provider: entry.configure?.({ ...nothingSaid, ...fixture.settings }) ?? entry, fixture };
  }),
  { provider: ownProvider('my-vllm', 'openai-chat'), fixture: read('own') },
];

function read(name: string): ProviderFixture {
  const text = readFileSync(new URL(`../fixtures/providers/${name}.json`, import.meta.url), 'utf8');
  return JSON.parse(text) as ProviderFixture;
}
