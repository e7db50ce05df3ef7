/** Accounts: files to copy, and accounts made of variables. */
import { profiles } from '../../oauth/profiles/index.ts';
import { Secret } from '../../shared/secret.ts';
import { type Found, type Outcome, type Rule, set, setNumber, skip } from './outcome.ts';
import { providerOf } from './provider-name.ts';

const FIELDS = [
  'ACCESS_TOKEN',
  'REFRESH_TOKEN',
  'SCOPE',
  'TOKEN_TYPE',
  'ID_TOKEN',
  'EXPIRY_DATE',
  'CLIENT_ID',
  'CLIENT_SECRET',
  'TOKEN_URI',
  'UNIVERSE_DOMAIN',
  'API_KEY',
  'EMAIL',
  'ACCOUNT_ID',
  'PROJECT_ID',
  'TIER',
  'TIER_FULL',
  'RESOURCE_URL',
  'DEVICE_ID',
  'LABEL',
];

const SERVICES = profiles.map(({ envPrefix }) => envPrefix).join('|');
const fields = FIELDS.join('|');

export const accountRules: readonly Rule[] = [
  {
    pattern: /^(.+)_OAUTH_\d+$/,
    translate: ({ value }) => [{ kind: 'account', source: { kind: 'file', path: value } }],
  },
  {
    pattern: /^(.+)_OAUTH_PORT$/,
    translate: ({ value, parts: [prefix = ''] }) => [
      setNumber(['providers', providerOf(prefix), 'oauth', 'redirect_port'], value),
    ],
  },
  { pattern: new RegExp(`^((?:${SERVICES})_\\d+_)(${fields})$`), translate: accountField },
  // Without a number they may as well be settings of the service, and a key may be a key.
  { pattern: new RegExp(`^((?:${SERVICES})_)(ACCESS_TOKEN|REFRESH_TOKEN)$`), translate: accountField },
  { pattern: new RegExp(`^(${SERVICES})_(PROJECT_ID|CLIENT_ID|CLIENT_SECRET)$`), translate: serviceSetting },
  {
    pattern: new RegExp(`^((?:${SERVICES})_)(${FIELDS.filter((field) => field !== 'API_KEY').join('|')})$`),
    translate: accountField,
  },
];

const isWhole = (prefix: string, variables: ReadonlyMap<string, string>): boolean =>
  [`${prefix}ACCESS_TOKEN`, `${prefix}REFRESH_TOKEN`].every((name) => (variables.get(name) ?? '') !== '');

function accountField({ variables, parts: [prefix = '', field = ''] }: Found): readonly Outcome[] {
  if (!isWhole(prefix, variables)) {
    return [skip(`an account needs ${prefix}ACCESS_TOKEN and ${prefix}REFRESH_TOKEN`)];
  }
  if (field !== 'REFRESH_TOKEN') return [{ kind: 'part', of: `${prefix}REFRESH_TOKEN` }];
  const service = prefix.replace(/_(\d+_)?$/, '');
  const values = FIELDS.flatMap((name) => {
    const value = variables.get(prefix + name) ?? '';
    return value === '' ? [] : [[`${service}_1_${name}`, new Secret(value)] as const];
  });
  return [{ kind: 'account', source: { kind: 'variables', values: new Map(values) } }];
}

function serviceSetting({ value, variables, parts: [service = '', field = ''] }: Found): readonly Outcome[] {
  if (isWhole(`${service}_`, variables)) return [{ kind: 'part', of: `${service}_REFRESH_TOKEN` }];
  return [set(['providers', providerOf(service), 'oauth', field.toLowerCase()], value)];
}
