/** Keys, and where they are for. */
import { findProvider } from '../../providers/index.ts';
import type { Provider } from '../../providers/provider.ts';
import { Secret } from '../../shared/secret.ts';
import { add, type Found, type Outcome, type Rule, set, skip } from './outcome.ts';
import { hasKey, providerOf } from './provider-name.ts';

/** What the project's setup writes and its sample file has; everybody knows them. */
const PUBLIC_KEY = 'VerysecretKey';
const isPlaceholder = (value: string): boolean => /^YOUR_[A-Z0-9_]+$/.test(value);

const VERSIONED = 'with its version segment';
const STILL_PLACEHOLDER = 'it still holds the text of the sample file';

export const keyRules: readonly Rule[] = [
  { pattern: /^PROXY_API_KEY$/, takesEmpty: true, translate: ({ value }) => [clientKey(value)] },
  { pattern: /^G4F(?:_MAIN)?_API_BASE$/, translate: ({ value }) => [g4fBase(['providers', 'g4f', 'base_url'], value)] },
  {
    pattern: /^G4F_(GROQ|GROK|GEMINI|NVIDIA)_API_BASE$/,
    translate: ({ value, parts: [family = ''] }) => [
      g4fBase(['providers', 'g4f', 'bases', family.toLowerCase()], value),
    ],
  },
  {
    pattern: /^G4F_(?:GROQ|GROK|GEMINI|NVIDIA)_API_KEY(?:_\d+)?$/,
    translate: () => [skip('all bases of g4f get the keys of G4F_API_KEY')],
  },
  { pattern: /^G4F_API_KEY(?:_\d+)?$/, takesEmpty: true, translate: g4fKey },
  {
    pattern: /^AZURE_API_VERSION$/,
    translate: ({ value }) => [set(['providers', 'azure', 'api_version'], value)],
  },
  { pattern: /^(.+)_API_BASE$/, translate: providerBase },
  { pattern: /^(.+?)_API_KEY(?:_(\d+))?$/, translate: providerKey },
  {
    pattern: /^.+?_API_KEY(?:S|_FILE|_PATH|_NAME|_ID)$/,
    translate: () => [skip('it does not hold one key; rotator keys add takes them one by one')],
  },
  { pattern: /^(.+?)_API_KEY_(.+)$/, translate: labelledKey },
];

function clientKey(value: string): Outcome {
  if (value === '') {
    return skip('the proxy was open; rotator makes a client key of its own, in <state>/client-key');
  }
  if (isPlaceholder(value)) return skip(`${STILL_PLACEHOLDER}; rotator makes a client key of its own`);
  const change =
    value === PUBLIC_KEY ? 'this key is the same for everybody who did not change it: choose another' : null;
  return add(['server', 'client_keys'], { name: 'proxy', key: new Secret(value) }, change);
}

function providerKey({ value, parts: [prefix = ''] }: Found): readonly Outcome[] {
  return [apiKey(prefix, value)];
}

/** The project takes whatever has `_API_KEY` in its name for a key. */
function labelledKey({ value, parts: [prefix = '', label = ''] }: Found): readonly Outcome[] {
  if (isPlaceholder(value)) return [skip(STILL_PLACEHOLDER)];
  const entry = { key: new Secret(value), label: label.toLowerCase() };
  return [add(['providers', providerOf(prefix), 'keys'], entry, 'the rest of its name is its label')];
}

function apiKey(prefix: string, value: string): Outcome {
  if (isPlaceholder(value)) return skip(STILL_PLACEHOLDER);
  return add(['providers', providerOf(prefix), 'keys'], new Secret(value));
}

/** A blank key meant: without one. */
function g4fKey({ name, value, variables }: Found): readonly Outcome[] {
  if (value !== '') return [apiKey('G4F', value)];
  if (hasKey('G4F', variables) || name !== 'G4F_API_KEY') return [skip('it is empty')];
  return [set(['providers', 'g4f', 'keys'], 'none', 'an empty key means that none is sent')];
}

function providerBase({ value, variables, parts: [prefix = ''] }: Found): readonly Outcome[] {
  const id = providerOf(prefix);
  const path = ['providers', id, 'base_url'];
  const known = findProvider(id);
  const outcome = known ? vendorBase(path, value, known) : base(path, value);
  if (outcome.kind === 'skip' || known || hasKey(prefix, variables)) return [outcome];
  return [outcome, set(['providers', id, 'keys'], 'none', 'there is no key for it, so none is sent')];
}

/** The project leaves the version of a vendor's own protocol to a library, which appends it by itself. */
function vendorBase(path: readonly string[], value: string, { protocol, baseUrl }: Provider): Outcome {
  const version = /\/v\d\w*$/;
  const segment = version.exec(baseUrl ?? '')?.[0];
  const url = value.replace(/\/+$/, '');
  if (protocol === 'openai-chat' || segment === undefined || version.test(url)) return base(path, url);
  return base(path, url + segment, VERSIONED);
}

/** The fork puts a `/v1` behind every base without one; the paths of single providers, below `/api/`, have none. */
function g4fBase(path: readonly string[], value: string): Outcome {
  const url = value.replace(/\/+$/, '');
  if (url.endsWith('/v1') || url.includes('/api/')) return base(path, url);
  return base(path, `${url}/v1`, VERSIONED);
}

function base(path: readonly string[], value: string, change: string | null = null): Outcome {
  // The fork's sample has such addresses, and takes them for none.
  if (/\bexample\.com\b/.test(value)) return skip('example.com is the address of the sample file');
  return set(path, value.replace(/\/+$/, ''), change);
}
