/** The credentials that a config and the environment bring, with stable ids that reveal no key. */
import { findProvider, normalizeProviderId, ownProvider, ownsKeyVariable, providers } from '../providers/index.ts';
import type { Provider } from '../providers/provider.ts';
import { Secret } from '../shared/secret.ts';
import { clientKeysOf, digestOfKey, sha256Hex } from './client-keys.ts';
import type { Env } from './environment.ts';
import { isSendable } from './sendable.ts';
import { type Config, type KeyConfig, type ProviderConfig, providerDefaults, shortKey } from './schema.ts';
import { configured } from './vendor-settings.ts';

export type ConfiguredKey = {
  /** `provider-` and at least ten hex digits, or `provider-none`. */
  readonly id: string;
  /** Null: the server takes no key. */
  readonly key: Secret | null;
  readonly label: string | null;
  readonly priority: number;
  readonly weight: number;
  /** Patterns; empty means all. */
  readonly models: string[];
  readonly proxy: Secret | null;
  readonly limits: KeyConfig['limits'];
  /** Which caps are for it. */
  readonly tierName: string | null;
  /** Keys of one provider with the same name share quota blocks. */
  readonly quotaPool: string | null;
  readonly isEnabled: boolean;
  readonly source: 'config' | 'env';
  /** The variable's name, for keys from the environment. */
  readonly sourceName: string | null;
};

/** A provider's fields with what `timeouts` and `rotation` of the top, and the vendor's entry, give filled in. */
export type ProviderSettings = Omit<
  ProviderConfig,
  'timeouts' | 'rotation' | 'concurrency' | 'keys' | 'temperature_zero'
> & {
  readonly temperature_zero: Config['temperature_zero'];
  readonly timeouts: Config['timeouts'];
  readonly rotation: Config['rotation'];
  readonly concurrency: Omit<ProviderConfig['concurrency'], 'optimal_per_key'> & { readonly optimal_per_key: number };
};

export type ConfiguredProvider = {
  /** As shown: built-in ids with `_`, a user's own as written. */
  readonly id: string;
  readonly provider: Provider;
  readonly settings: ProviderSettings;
  readonly keys: ConfiguredKey[];
};

export type Credentials = {
  readonly providers: Map<string, ConfiguredProvider>;
  /** Keys taken from the environment, by variable. */
  readonly found: { provider: string; name: string }[];
  /** What the user should know: the same key twice, a client key among the keys. */
  readonly notes: string[];
};

/**
 * `clientKeys`: further client keys (literal or `sha256:<hex>`) besides those of the config. `withAccounts`: ids of the
 * providers that have accounts, and are served although the config does not name them.
 */
export function credentialsOf(
  config: Config,
  env: Env,
  clientKeys: readonly string[],
  withAccounts: ReadonlySet<string> = new Set(),
): Credentials {
  const found: Credentials['found'] = [];
  const notes: string[] = [];
  const result = new Map<string, ConfiguredProvider>();
  const isClientKey = clientKeyTest(config, clientKeys);
  const isMeant = variableReader(config);

  const add = (id: string, known: Provider, fields: ProviderConfig, isNamed: boolean) => {
    const given = Array.isArray(fields.keys) ? fields.keys : [];
    const discovers =
      config.discover_env === 'all' ? fields.keys !== 'none' : config.discover_env === 'auto' && fields.keys === null;
    const variables = discovers ? keyVariables(known, env, (name) => isMeant(known, name)) : [];
    const collector = new KeyCollector(id, notes);
    for (const [i, key] of given.entries()) collector.addConfigured(key, i);
    if (fields.entra) collector.addApplication(fields.entra.client_secret);
    for (const { name, value } of variables) {
      if (isClientKey(value)) notes.push(`${name} is not used for ${id}: it holds a client key`);
      else if (!isSendable(value)) notes.push(`${name} is not used for ${id}: only printable ASCII can be a key`);
      else if (collector.addFound(name, value)) found.push({ provider: id, name });
    }
    const isKeyless = fields.keys === 'none' || (fields.keys === null && known.key === 'optional' && isNamed);
    if (isKeyless && collector.keys.length === 0) collector.addNone();
    if (!isNamed && collector.keys.length === 0 && !withAccounts.has(known.id)) return;
    const base = variables.length > 0 && fields.base_url === null ? baseFromEnvironment(known, env) : null;
    if (base) notes.push(`the base URL of ${id} comes from ${base.name}`);
    const placed = base ? { ...fields, base_url: base.value } : fields;
    const provider = configured(known, placed, env);
    if (placed.base_url === null && provider.baseUrl === null && known.needs) {
      // In a config that is an error; keys that happen to be in the environment are none.
      const names = known.needs.map((need) => need.env).join(', ');
      notes.push(`${variables[0]?.name ?? id} is not used: ${id} needs ${names}, too`);
      return;
    }
    result.set(id, { id, provider, settings: settingsOf(config, provider, placed), keys: collector.keys });
  };

  for (const [name, fields] of Object.entries(config.providers)) {
    const known = findProvider(name);
    add(known?.id ?? name, known ?? ownProvider(name, fields.protocol), fields, true);
  }
  const taken = new Set([...result.keys()].map(normalizeProviderId));
  if (config.discover_env === 'all') {
    for (const provider of providers) {
      if (!taken.has(normalizeProviderId(provider.id))) add(provider.id, provider, providerDefaults, false);
    }
    for (const { id, baseUrl } of serversInEnvironment(env, notes)) {
      if (taken.has(normalizeProviderId(id))) continue;
      add(id, ownProvider(id, 'openai-chat'), { ...providerDefaults, base_url: baseUrl }, false);
    }
  } else {
    for (const provider of providers) {
      if (taken.has(provider.id) || !withAccounts.has(provider.id)) continue;
      add(provider.id, provider, { ...providerDefaults, keys: [] }, false);
    }
  }
  return { providers: result, found: found.filter(({ provider }) => result.has(provider)), notes };
}

/**
 * `provider-` and the first ten hex digits of SHA-256(provider, NUL, key); more digits while another credential of
 * `taken` has the same.
 */
export function credentialId(provider: string, key: string, taken: ReadonlySet<string> = new Set()): string {
  const digest = sha256Hex(`${provider}\0${key}`);
  for (let length = 10; length < digest.length; length++) {
    const id = `${provider}-${digest.slice(0, length)}`;
    if (!taken.has(id)) return id;
  }
  return `${provider}-${digest}`;
}

/** Collects one provider's keys, each value once. */
class KeyCollector {
  readonly keys: ConfiguredKey[] = [];
  readonly #provider: string;
  readonly #notes: string[];
  /** Key → where it was seen first. */
  readonly #byValue = new Map<string, string>();
  readonly #ids = new Set<string>();

  constructor(provider: string, notes: string[]) {
    this.#provider = provider;
    this.#notes = notes;
  }

  addConfigured({ enabled, quota_pool, tier_name, ...rest }: KeyConfig, index: number): boolean {
    const where = `providers.${this.#provider}.keys[${index}]`;
    return this.#add(where, rest.key.reveal(), {
      ...rest,
      tierName: tier_name,
      quotaPool: quota_pool,
      isEnabled: enabled,
      source: 'config',
      sourceName: null,
    });
  }

  addFound(name: string, value: string): boolean {
    return this.#add(name, value, {
      key: new Secret(value),
      ...UNLABELLED,
      source: 'env',
      sourceName: name,
    });
  }

  /** An application that signs in: its secret stands for it in lists, and is sent to nobody but the directory. */
  addApplication(key: Secret): void {
    const where = `providers.${this.#provider}.entra`;
    this.#add(where, key.reveal(), { key, ...UNLABELLED, label: 'entra', source: 'config', sourceName: null });
  }

  addNone(): void {
    const id = `${this.#provider}-none`;
    this.keys.push({ id, key: null, ...UNLABELLED, source: 'config', sourceName: null });
  }

  #add(where: string, value: string, fields: Omit<ConfiguredKey, 'id'>): boolean {
    const twin = this.#byValue.get(value);
    if (twin !== undefined) {
      this.#notes.push(`${where} holds the same key as ${twin}; it is one credential`);
      return false;
    }
    this.#byValue.set(value, where);
    const id = credentialId(this.#provider, value, this.#ids);
    this.#ids.add(id);
    this.keys.push({ id, ...fields });
    return true;
  }
}

const { enabled: isEnabled, quota_pool: quotaPool, tier_name: tierName, key: _key, ...keyDefaults } = shortKey;
const UNLABELLED = { ...keyDefaults, tierName, quotaPool, isEnabled };

/** The environment's keys of a provider: `NAME_API_KEY`, then `_1`, `_2`… in order, gaps allowed, empty ones ignored. */
function keyVariables(
  provider: Provider,
  env: Env,
  isMeant: (base: string) => boolean,
): { name: string; value: string }[] {
  return provider.keyEnv.flatMap((base) => {
    const found = isAllowedName(base) ? numbered(base, env) : [];
    return found.length > 0 && isMeant(base) ? found : [];
  });
}

/**
 * Vendors of one family read the same variable, and a key is good at one of them alone: it is the one's that the config
 * names; where it names several, or none, its owner's.
 */
function variableReader({ providers: named }: Config): (provider: Provider, base: string) => boolean {
  const silent = Object.entries(named).filter(([, { keys }]) => keys === null);
  const ids = new Set(silent.map(([name]) => findProvider(name)?.id ?? normalizeProviderId(name)));
  return (provider, base) => {
    const family = providers.filter(({ keyEnv }) => keyEnv.includes(base));
    // A server of the user's own shares nothing.
    if (!family.includes(provider)) return true;
    const wanted = family.filter(({ id }) => ids.has(id));
    const owner = (wanted.length > 0 ? wanted : family).find((one) => ownsKeyVariable(one, base));
    return provider === (owner ?? wanted[0]);
  };
}

function numbered(base: string, env: Env): { name: string; value: string }[] {
  return Object.entries(env)
    .flatMap(([name, value]) => {
      const trimmed = value?.trim();
      if (!trimmed || !name.startsWith(base)) return [];
      const rest = name.slice(base.length);
      if (rest !== '' && !/^_\d+$/.test(rest)) return [];
      return [{ name, value: trimmed, order: rest === '' ? -1 : Number(rest.slice(1)) }];
    })
    .sort((a, b) => a.order - b.order)
    .map(({ name, value }) => ({ name, value }));
}

/** rotator's own variables, and those of a proxy in front of it, never hold a vendor's key. */
const isAllowedName = (name: string): boolean => !/^(ROTATOR|PROXY)_/.test(name);

/** `NAME_API_BASE` beside a vendor's `NAME_API_KEY`. */
export function baseFromEnvironment(provider: Provider, env: Env): { name: string; value: string } | null {
  for (const keyName of provider.keyEnv) {
    const name = keyName.replace(/_API_KEY$/, '_API_BASE');
    const value = name === keyName ? undefined : readBase(env[name]);
    if (value) return { name, value };
  }
  return null;
}

/** Servers of the user's own: `NAME_API_KEY` beside `NAME_API_BASE`. */
function serversInEnvironment(env: Env, notes: string[]): { id: string; baseUrl: string }[] {
  return Object.keys(env)
    .sort()
    .flatMap((name) => {
      const prefix = /^([A-Z0-9][A-Z0-9_]*)_API_BASE$/.exec(name)?.[1];
      if (!prefix || !isAllowedName(name) || !env[name]?.trim()) return [];
      const id = prefix.toLowerCase();
      const isKnown =
        findProvider(id) !== undefined || providers.some((provider) => provider.keyEnv.includes(`${prefix}_API_KEY`));
      if (isKnown || id === 'demo' || numbered(`${prefix}_API_KEY`, env).length === 0) return [];
      const baseUrl = readBase(env[name]);
      if (baseUrl) return [{ id, baseUrl }];
      notes.push(`${name} is not used: it is no http or https URL`);
      return [];
    });
}

function readBase(value: string | undefined): string | null {
  const trimmed = value?.trim().replace(/\/+$/, '');
  if (!trimmed || !URL.canParse(trimmed)) return null;
  const { protocol, username, password } = new URL(trimmed);
  return ['http:', 'https:'].includes(protocol) && !username && !password ? trimmed : null;
}

function settingsOf(config: Config, provider: Provider, fields: ProviderConfig): ProviderSettings {
  const { timeouts, rotation, keys: _, ...rest } = fields;
  const { cooldowns, ...rotationRest } = rotation;
  return {
    ...rest,
    concurrency: {
      ...rest.concurrency,
      optimal_per_key: optimalPerKey(config, fields),
    },
    quota_groups: quotaGroups(rest.quota_groups, provider),
    temperature_zero: fields.temperature_zero ?? config.temperature_zero,
    timeouts: { ...config.timeouts, ...withoutUndefined(timeouts) },
    rotation: {
      ...config.rotation,
      ...dayOf(provider, fields),
      ...withoutUndefined(rotationRest),
      cooldowns: { ...config.rotation.cooldowns, ...withoutUndefined(cooldowns) },
    },
  };
}

/** A day that begins at another midnight than the vendor's would hold a key for hours after its quota is there again. */
function dayOf({ midnightIn }: Provider, { rotation }: ProviderConfig) {
  if (midnightIn === undefined || rotation.daily_reset !== undefined || rotation.timezone !== undefined) return {};
  return { daily_reset: { hour: 0, minute: 0 }, timezone: midnightIn };
}

/** Who wants one credential after the other does not want them side by side. */
export function optimalPerKey(config: Config, { concurrency, rotation }: ProviderConfig): number {
  const mode = rotation.mode ?? config.rotation.mode;
  return concurrency.optimal_per_key ?? (mode === 'balanced' ? 1 : 0);
}

/** The user's groups go first, so that theirs is the one a model is found in; an empty one takes the vendor's away. */
function quotaGroups(own: ProviderConfig['quota_groups'], provider: Provider): Record<string, string[]> {
  const vendors = Object.entries(provider.quotaGroups ?? {}).filter(([name]) => !Object.hasOwn(own, name));
  const groups = [...Object.entries(own), ...vendors].filter(([, models]) => models.length > 0);
  return Object.fromEntries(groups.map(([name, models]) => [name, [...models]]));
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** An absent field must not hide the one it would override. */
function withoutUndefined<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>; // Just filtered.
}

function clientKeyTest(config: Config, further: readonly string[]): (value: string) => boolean {
  const configured = clientKeysOf(config);
  const digests = new Set(further.map(digestOfKey));
  if (Array.isArray(configured)) for (const { sha256 } of configured) digests.add(sha256);
  return (value) => digests.has(digestOfKey(value));
}
