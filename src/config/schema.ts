/**
 * The config, field by field. Types, validation, the JSON Schema for editors, `config show` and the generated reference
 * all come from here. Names are YAML's own; durations are milliseconds, sizes bytes, keys `Secret`s.
 */
import * as z from 'zod';
import {
  apiVersion,
  baseUrl,
  capAmount,
  capRest,
  capWindow,
  choice,
  count,
  duration,
  flag,
  headerValue,
  integer,
  jsonValue,
  type Leaf,
  number,
  origin,
  proxyUrl,
  resourceName,
  secret,
  size,
  text,
  timeOfDay,
  timeZone,
  zeroRule,
} from './leaf.ts';
import { isLoopbackHost } from './loopback.ts';
import { ownProtocols } from './own-protocols.ts';
import { isSendable } from './sendable.ts';
import { written } from './written.ts';

/** A field with a default, given as the user would write it. */
const field = <T>(schema: Leaf<T>, standard: string | number | boolean, description: string) =>
  schema.prefault(written(standard)).meta({ description, default: standard });

/** A field that is null when it is absent. */
const absent = <T>(schema: Leaf<T>, description: string, example: unknown) =>
  schema
    .nullable()
    .default(null)
    .meta({ description, default: null, examples: [example] });

/** A field whose absence means: as in the section of the same name at the top. */
const override = <T>(schema: Leaf<T>, description: string, example: unknown) =>
  schema.optional().meta({ description, examples: [example] });

const list = <T>(schema: Leaf<T>, description: string, example: readonly unknown[]) =>
  z
    .array(schema)
    .default([])
    .meta({ description, default: [], examples: [example] });

const SHA256 = /^sha256:[0-9a-f]{64}$/i;

export const clientKeySchema = z.strictObject({
  name: absent(text('a name'), 'What logs call the application that uses this key.', 'laptop'),
  key: secret('a client key: literal, ${NAME}, or sha256: and 64 hex digits', (value) =>
    value.toLowerCase().startsWith('sha256:') && !SHA256.test(value) ? 'sha256: and 64 hex digits' : null,
  ).meta({
    description: 'The key: literal, `${NAME}`, or `sha256:` and the hex digest of the key.',
    examples: ['${LAPTOP_CLIENT_KEY}'],
  }),
  models: list(
    text('a model pattern'),
    'Allow-list of the models this key may use: `provider/model` with wildcards, or the name of an alias; empty means all. A fallback is checked, too.',
    ['gemini/*', 'groq/llama-*'],
  ),
  limits: z
    .strictObject({
      rpm: absent(count(1), 'Requests per minute.', 60),
      tpm: absent(count(1), 'Tokens per minute, input and output.', '200k'),
      rpd: absent(count(1), 'Requests per day, from one `rotation.daily_reset` to the next.', 2000),
      usd_per_day: absent(number(0, true), 'US dollars per day. What has no known price counts as nothing.', 5),
      usd_per_month: absent(number(0, true), 'US dollars per calendar month, in `rotation.timezone`.', 50),
    })
    .prefault({})
    .meta({
      description:
        'What this key may use, on every surface; needs a `name`. Above it the client gets 429 with `Retry-After` and the code `client_limit`.',
      examples: [{ rpm: 60, tpm: '200k', rpd: 2000, usd_per_day: 5, usd_per_month: 50 }],
    }),
});

const server = z
  .strictObject({
    host: field(
      text('a host name or address'),
      '127.0.0.1',
      'Address to listen on. `client_keys: none` together with a host that is not loopback is refused. Needs a restart.',
    ),
    port: field(integer(0, 65_535), 8000, 'Port to listen on; 0 takes a free one. Needs a restart.'),
    client_keys: z
      .union([choice(['none']), z.array(clientKeySchema).min(1)], { error: 'expected a list of client keys, or none' })
      .nullable()
      .default(null)
      .meta({
        examples: [[{ name: 'laptop', key: '${LAPTOP_CLIENT_KEY}' }]],
        description:
          'Keys that applications send to rotator; they never go upstream. Absent: `ROTATOR_CLIENT_KEY`, else one is made in `<state>/client-key`. `none`: open, on loopback only.',
        default: null,
      }),
    cors: list(origin(), 'Origins of web pages that may call; all others are refused.', ['https://app.example.com']),
    allowed_hosts: list(text('a host name'), 'Further `Host` names accepted on a loopback address.', ['rotator.local']),
    max_body: field(size(), '32mb', 'Largest request body, after decompression.'),
    hold: field(
      duration(),
      '15s',
      'Longest time a streaming client waits for the status line; then it gets 200 and heartbeats while rotation goes on.',
    ),
    heartbeat: field(
      duration({ isZeroAllowed: true }),
      '15s',
      'Silence in a stream after which a heartbeat is sent; 0 turns heartbeats off.',
    ),
    expose_route: flag()
      .nullable()
      .default(null)
      .meta({
        description:
          'Show clients the target, the credential and the attempts (`x-rotator-*` headers, `error.rotator`). Absent: true on loopback, false elsewhere.',
        default: null,
        examples: [true],
      }),
  })
  .transform((fields) => ({ ...fields, expose_route: fields.expose_route ?? isLoopbackHost(fields.host) }))
  .prefault({})
  .meta({ description: 'The HTTP server that applications talk to.' });

/** Fields that stand at the top and again in every provider. */
type FieldTable = Readonly<
  Record<string, readonly [schema: Leaf<unknown>, standard: string | number | boolean, description: string]>
>;
type ValueOf<Schema> = Schema extends Leaf<infer Value> ? Value : never;

const mapped = <Row, Result>(rows: Readonly<Record<string, Row>>, make: (row: Row) => Result) =>
  Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, make(row)]));

const timeoutFields = {
  acquire: [duration(), '30s', 'Longest wait for a free credential.'],
  connect: [duration(), '10s', 'DNS, TCP and TLS together.'],
  first_byte: [duration(), '2m', 'Streaming attempts: silence before the first event.'],
  total: [duration(), '10m', 'Attempts that do not stream.'],
  idle: [duration(), '5m', 'Silence inside a stream.'],
  request: [
    duration(),
    '10m',
    'The whole request until its answer begins to reach the client; a stream that has begun is ended only by `idle`.',
  ],
} as const satisfies FieldTable;

/** The fields of a section at the top. */
const standards = <Fields extends FieldTable>(fields: Fields) =>
  mapped(fields, ([schema, standard, description]) => field(schema, standard, description)) as {
    // `mapped` keeps the names, and `field` the type of each leaf.
    readonly [Name in keyof Fields]: ReturnType<typeof field<ValueOf<Fields[Name][0]>>>;
  };
/** The same fields in a provider, where each may be absent. */
const overrides = <Fields extends FieldTable>(fields: Fields) =>
  mapped(fields, ([schema, standard, description]) => override(schema, description, standard)) as {
    // As above.
    readonly [Name in keyof Fields]: ReturnType<typeof override<ValueOf<Fields[Name][0]>>>;
  };

const timeouts = z
  .strictObject(standards(timeoutFields))
  .prefault({})
  .meta({ description: 'How long to wait for what. Each can be overridden in `providers.X.timeouts`.' });

const timeoutOverrides = z
  .strictObject(overrides(timeoutFields))
  .prefault({})
  .meta({ description: 'Overrides of `timeouts` for this provider.', examples: [{ first_byte: '5m' }] });

const rotationFields = {
  mode: [
    choice(['balanced', 'sequential']),
    'balanced',
    'How the next credential is chosen: `balanced` spreads the load, `sequential` stays with one until it is exhausted.',
  ],
  balance_by: [
    choice(['requests', 'tokens', 'cost']),
    'requests',
    'What `balanced` spreads, per credential and model since the last daily reset. `cost` goes by tokens where no price is known.',
  ],
  tolerance: [number(0), 3, '0 is strict least-used, larger is more random.'],
  affinity: [flag(), true, 'A conversation stays with the credential that served it, for the vendor’s prompt cache.'],
  retries_same_key: [integer(0, 10), 1, 'Further tries on the same credential after an upstream error.'],
  wait_same_key: [
    duration({ isZeroAllowed: true }),
    '10s',
    'A `Retry-After` shorter than this is waited for when no other credential is ready.',
  ],
  max_waiting: [count(), 1000, 'Requests that may wait for a credential of one provider; above, 503 at once.'],
  daily_reset: [
    timeOfDay(),
    '00:00',
    'When day counters roll and ladders and guessed blocks are cleared; blocks with a time from the vendor stay.',
  ],
  timezone: [
    timeZone(),
    'UTC',
    'Time zone of `daily_reset`, an IANA name. Provider `gemini` goes by Google’s midnight in America/Los_Angeles, unless its own `rotation` names a time or a zone.',
  ],
} as const satisfies FieldTable;

const cooldownFields = {
  rate_limit: [duration(), '60s', 'After a 429 that does not say how long.'],
  auth: [duration(), '5m', 'After a rejected key, before it is tried again.'],
  transient: [duration(), '30s', 'After an upstream error that another credential did not have.'],
} as const satisfies FieldTable;

const LADDER = ['10s', '30s', '60s', '120s', '300s'] as const;
const ladderDescription = 'Rests after failures in a row that nobody explains: the first, the second, and so on.';
const ladder = z.array(duration()).min(1);

const rotation = z
  .strictObject({
    ...standards(rotationFields),
    cooldowns: z
      .strictObject({
        ladder: ladder
          .prefault(LADDER.map((step) => written(step)))
          .meta({ description: ladderDescription, default: [...LADDER] }),
        ...standards(cooldownFields),
      })
      .prefault({})
      .meta({ description: 'How long a credential rests after a failure when the vendor does not say.' }),
  })
  .prefault({})
  .meta({ description: 'How credentials take turns. Each can be overridden in `providers.X.rotation`.' });

const rotationOverrides = z
  .strictObject({
    ...overrides(rotationFields),
    cooldowns: z
      .strictObject({
        ladder: ladder.optional().meta({ description: ladderDescription, examples: [['10s', '60s']] }),
        ...overrides(cooldownFields),
      })
      .prefault({})
      .meta({ description: 'Overrides of `rotation.cooldowns`.' }),
  })
  .prefault({})
  .meta({ description: 'Overrides of `rotation` for this provider.', examples: [{ tolerance: 0 }] });

const apiKey = () =>
  secret('an API key, or ${NAME} to take it from the environment', (key) =>
    isSendable(key) ? null : 'an API key of printable ASCII characters in one line: nothing else can be sent',
  );

export const longKey = z.strictObject({
  key: apiKey().meta({
    description: 'The key itself, or `${NAME}` to take it from the environment.',
    examples: ['${GEMINI_API_KEY_2}'],
  }),
  label: absent(text('a label'), 'A name for people; commands take it instead of the id.', 'work'),
  priority: field(integer(1), 10, '1 is best; all keys of a better priority are used before the next.'),
  tier_name: absent(
    text('a name'),
    'Tier of the account: `caps` with the same `tier_name` are for this key, besides those without one.',
    'free',
  ),
  weight: field(number(0, true), 1, 'Share of the load relative to the other keys of the same priority.'),
  models: list(text('a model pattern'), 'This key serves only these models; empty means all.', ['gemini-2.5-*']),
  proxy: absent(
    proxyUrl(),
    'Outbound proxy of this key: `http`, `https`, `socks5` or `socks5h`.',
    'socks5://127.0.0.1:1080',
  ),
  quota_pool: absent(
    text('a name'),
    'Keys with the same name draw on one quota (keys of one project) and share quota blocks.',
    'project-a',
  ),
  limits: z
    .strictObject({
      rpm: absent(count(1), 'Requests per minute.', 10),
      tpm: absent(count(1), 'Tokens per minute, input and output.', '250k'),
      rpd: absent(count(1), 'Requests per day, from one `daily_reset` to the next.', 250),
      tpd: absent(count(1), 'Tokens per day.', '5m'),
      concurrency: absent(integer(1), 'Requests at the same time; goes before `concurrency.max_per_key`.', 2),
    })
    .prefault({})
    .meta({
      description:
        'Limits of this key, kept before anything is sent: of your own, or the vendor’s where it does not tell.',
      examples: [{ rpm: 10, tpm: '250k', rpd: 250, tpd: '5m', concurrency: 2 }],
    }),
  enabled: field(flag(), true, 'False takes the key out of rotation without removing it.'),
});

export const capSchema = z.strictObject({
  models: list(
    text('a model pattern'),
    'Models that it counts together; empty means all. One that is in a quota group, or the group’s name, stands for the group.',
    ['gemini-2.5-pro'],
  ),
  tier_name: absent(text('a name'), 'Only for keys with this `tier_name`. Absent: for every key.', 'free'),
  max_requests: capAmount().meta({
    description:
      'Requests of one key in a window: a count, or `80%`, `"+5"`, `"-5"` against the limit that is known (from `limits` of the key, the provider’s headers or its quota). While none is known such a cap does not apply, and `status` says so.',
    examples: ['80%'],
  }),
  window: field(
    capWindow(),
    'daily',
    'A duration begins with the first request. `daily`, `weekly` (Monday) and `monthly` (the 1st) end at `rotation.daily_reset` in `rotation.timezone`. `authoritative`: the provider’s own window, as its quota or its headers tell when that ends.',
  ),
  on_reached: field(
    capRest(),
    'until_reset',
    'How long the key rests for these models: until the window ends, so much longer (`until_reset+1h`), or for a duration from that moment (`2h`), after which it is counted from zero.',
  ),
});

/** What the short form stands for, but for its key. */
export const shortKey = longKey.parse({ key: written('key') });

const key = z.union([apiKey().transform((secretKey) => ({ ...shortKey, key: secretKey })), longKey], {
  error: 'expected a key, or a mapping with the field key',
});

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Set by HTTP itself; a second value would break the request or smuggle another. */
const OWN_HEADERS = /^(host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|proxy-.*)$/i;

const headerName = z
  .string()
  .refine((name) => HEADER_NAME.test(name), { error: 'is no header name', abort: true })
  .refine((name) => !OWN_HEADERS.test(name), { error: 'is a header that cannot be set' });

const requestFields = (description: string, example: Readonly<Record<string, unknown>>) =>
  z
    .record(z.string().min(1), jsonValue())
    .default({})
    .meta({ description, default: {}, examples: [example] });

const groupName = z.string().regex(/^[\w.-]+$/, { error: 'is no name; expected letters, digits, "-", "_" and "."' });

const zeroDescription =
  'What goes upstream where a client asks for temperature 0, which some vendors refuse: `keep` it, `remove` it, or a number to send instead.';

export const providerSchema = z
  .strictObject({
    tier: absent(
      integer(1),
      'Place in the fallback order, 1 first. Absent: the vendor’s own; a provider without one neither falls back nor is a fallback.',
      3,
    ),
    keys: z
      .union([choice(['none']), z.array(key)], { error: 'expected a list of keys, or none' })
      .nullable()
      .default(null)
      .meta({
        description:
          'API keys, in short form (the key) or long form (a mapping). `none`: the server takes no key. Absent: see `discover_env`. A key whose variable is not set is skipped with a warning.',
        default: null,
      }),
    base_url: absent(
      baseUrl(),
      "Where the API is, with its version segment. Needed for a name that is no known provider; otherwise it replaces the vendor's.",
      'http://127.0.0.1:8001/v1',
    ),
    protocol: field(choice(ownProtocols), 'openai-chat', 'Wire format of a server of your own.'),
    headers: z
      .record(headerName, headerValue())
      .default({})
      .meta({ description: 'Further headers sent upstream.', default: {}, examples: [{ 'x-extra': '1' }] }),
    proxy: absent(
      proxyUrl(),
      'Outbound proxy for all keys of this provider: `http`, `https`, `socks5` or `socks5h`.',
      'http://proxy.example.com:3128',
    ),
    http2: field(flag(), false, 'Speak HTTP/2 to the provider.'),
    stream_usage: field(flag(), true, 'Ask for token usage in streams.'),
    timeouts: timeoutOverrides,
    rotation: rotationOverrides,
    concurrency: z
      .strictObject({
        max_per_key: field(integer(0), 0, 'Requests at the same time on one key, a hard limit; 0 is unlimited.'),
        optimal_per_key: absent(
          integer(0),
          'Spread over other keys before one key has more than this at the same time; 0 is no such wish. Absent: 1 in mode `balanced`, 0 in mode `sequential`.',
          1,
        ),
        priority_multipliers: z
          .record(z.string().regex(/^[1-9]\d*$/, { error: 'is no priority; expected 1, 2, …' }), number(0, true))
          .default({})
          .meta({
            description: 'Priority → factor on both numbers above.',
            default: {},
            examples: [{ 1: 3, 2: 2 }],
          }),
      })
      .prefault({})
      .meta({ description: 'How many requests one key serves at the same time.' }),
    quota_groups: z
      .record(groupName, z.array(text('a model pattern')))
      .default({})
      .meta({
        description:
          'Models that draw on one allowance, by a name of your own: they share blocks and windows. A model is of the first group with a pattern that fits. An empty list takes away a group that the provider comes with.',
        default: {},
        examples: [{ pro: ['gemini-2.5-pro', 'gemini-3-pro*'] }],
      }),
    caps: z
      .array(capSchema)
      .default([])
      .meta({
        description:
          'Limits of your own below the provider’s, counted per key. They are never passed, also not by requests at the same time.',
        default: [],
        examples: [[{ models: ['gemini-2.5-pro'], tier_name: 'free', max_requests: '80%', window: 'daily' }]],
      }),
    fair_cycle: z
      .strictObject({
        enabled: absent(flag(), 'Absent: in mode `sequential` only.', true),
        scope: field(
          choice(['group', 'credential']),
          'group',
          '`group`: a cycle for every quota group, or model that is in none. `credential`: one for everything that a key serves.',
        ),
        cross_tier: field(flag(), false, 'One cycle for all priorities instead of one for each.'),
        duration: field(duration(), '7d', 'A cycle that began so long ago is over.'),
        threshold: field(duration(), '5m', 'A block of at least this means that the key is used up.'),
        quota_threshold: field(
          number(0, true),
          1,
          'So does this share of a limit per day or longer: 0.5 is half of it.',
        ),
        reset_guard: field(
          duration({ isZeroAllowed: true }),
          '90s',
          'When nobody but used-up keys could serve, a block that ends within this is waited for before the cycle ends.',
        ),
      })
      .prefault({})
      .meta({
        description:
          'Use every key up once before any is used again: one that was used up sits out until the others are, too.',
      }),
    models: z
      .strictObject({
        allow: list(
          text('a model pattern'),
          'Alone: only these models. Together with `deny`: exceptions to it. Wildcards `*` `?` `[..]`, case-insensitive, with or without the provider.',
          ['gemini-2.5-*', 'gemini-3*'],
        ),
        deny: list(text('a model pattern'), 'All models but these.', ['*-preview']),
        define: z
          .record(
            z.string(),
            z
              .strictObject({
                id: absent(
                  text('a model id'),
                  'The name that goes upstream. Absent: the entry’s own.',
                  'gemini-2.5-pro',
                ),
                options: requestFields(
                  'Fields that a request for this model gets where the client did not give them, in the words of the provider’s protocol.',
                  { temperature: 0.2 },
                ),
              })
              .prefault({}),
          )
          .default({})
          .meta({
            description: 'Models of your own naming, added to the provider’s list.',
            default: {},
            examples: [{ smart: { id: 'gemini-2.5-pro', options: { temperature: 0.2 } } }],
          }),
      })
      .prefault({})
      .meta({ description: 'Which models can be listed and called.' }),
    url_variables: z
      .record(z.string().regex(/^[A-Z][A-Z0-9_]*$/, { error: 'is no name such as CLOUDFLARE_ACCOUNT_ID' }), text())
      .default({})
      .meta({
        description:
          'For vendors whose URL holds an account, a region or a host of your own (docs/providers.md says which): its name and value. One that is absent is taken from the environment variable of that name.',
        default: {},
        examples: [{ CLOUDFLARE_ACCOUNT_ID: '0123456789abcdef' }],
      }),
    resource: absent(
      resourceName(),
      'Azure: name of the resource, the first part of its host. Absent: `AZURE_RESOURCE_NAME` from the environment, or `base_url`.',
      'my-resource',
    ),
    api_version: absent(
      apiVersion(),
      'Azure: version of the API for calls of single deployments, or `v1` for the API without versions. Absent: 2024-10-21.',
      '2024-10-21',
    ),
    deployments: z
      .record(z.string().min(1), text('the name of a deployment'))
      .default({})
      .meta({
        description:
          'Azure: model → deployment. These are the models that are listed; any other name is taken for a deployment’s own.',
        default: {},
        examples: [{ 'gpt-4o': 'my-gpt4o' }],
      }),
    entra: z
      .strictObject({
        tenant: text('a tenant').meta({ description: 'Id or domain of the directory.', examples: ['contoso.example'] }),
        client_id: text('a client id').meta({ description: 'Id of the application.', examples: ['my-application'] }),
        client_secret: secret('a client secret, or ${NAME} to take it from the environment').meta({
          description: 'Its secret.',
          examples: ['${AZURE_CLIENT_SECRET}'],
        }),
        token_url: absent(
          baseUrl(),
          'Where tokens are given. Absent: the tenant’s at login.microsoftonline.com.',
          'https://login.example.com/oauth2/token',
        ),
      })
      .nullable()
      .default(null)
      .meta({
        description: 'Azure: an application of Entra ID that signs in with its secret, instead of `keys`.',
        default: null,
        examples: [
          {
            tenant: 'contoso.example',
            client_id: 'my-application',
            client_secret: '${AZURE_CLIENT_SECRET}',
            token_url: 'https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token',
          },
        ],
      }),
    bases: z
      .strictObject(
        Object.fromEntries(
          Object.entries({
            gemini: 'Gemini models',
            grok: 'Grok models',
            nvidia: 'models of NVIDIA’s',
            groq: 'Llama, Mixtral and Gemma models',
          }).map(([family, models]) => [
            family,
            absent(baseUrl(), `Where ${models} are asked for.`, `http://127.0.0.1:1337/api/${family}`),
          ]),
        ),
      )
      .prefault({})
      .meta({ description: 'G4F: base URLs for families of models; all others go to `base_url`.' }),
    auth: absent(
      choice(['none', 'secret', 'key']),
      'G4F: what is sent as its key: nothing, the word `secret` (which a server without a key of its own takes for nothing), or the `keys` of this provider. Absent: a key where there is one.',
      'none',
    ),
    path_style: field(
      choice(['v1', 'api']),
      'v1',
      'G4F: `v1` puts `/v1` behind a base URL that has none and no `/api/`; `api` takes base URLs as they are.',
    ),
    temperature_zero: override(zeroRule(), `Override of \`temperature_zero\` for this provider.`, 'remove'),
    oauth: z
      .strictObject({
        client_id: absent(
          text('a client id'),
          'The OAuth client as which rotator asks. Absent: `NAME_CLIENT_ID` from the environment, else the one the service expects.',
          'my-client',
        ),
        client_secret: absent(
          secret('a client secret, or ${NAME} to take it from the environment'),
          'Its secret, for the services that want one. Absent: `NAME_CLIENT_SECRET` from the environment, else that of the vendor’s own tool where it is installed.',
          'a-secret-of-mine',
        ),
        authorize_url: absent(baseUrl(), 'The page to log in at.', 'https://accounts.example.com/oauth2/auth'),
        token_url: absent(
          baseUrl(),
          'Where tokens are given and renewed.',
          'https://accounts.example.com/oauth2/token',
        ),
        device_url: absent(
          baseUrl(),
          'Where device codes are given.',
          'https://accounts.example.com/oauth2/device/code',
        ),
        api_url: absent(
          baseUrl(),
          'The API that accounts are for. Without a path it means the vendor’s own path there.',
          'https://api.example.com/v1internal',
        ),
        redirect_port: absent(
          integer(0, 65_535),
          'Port on 127.0.0.1 to which the browser returns; 0 takes a free one. Absent: the one registered with the service.',
          8085,
        ),
        project_id: absent(
          text('a project id'),
          'Google Cloud project that calls belong to. Absent: the account’s own.',
          'my-project',
        ),
      })
      .prefault({})
      .meta({
        description:
          'Login with an account (`rotator oauth login`). With a URL of its own here, none of the vendor’s is used for the login.',
      }),
  })
  .prefault({});

const usdPerMillion = (what: string, example: number) => absent(number(0), `USD per million tokens ${what}.`, example);

const price = z.strictObject({
  input: usdPerMillion('of the prompt', 0.5),
  output: usdPerMillion('of the answer', 1.5),
  cache_read: usdPerMillion('read from the provider’s cache. Absent: as `input`', 0.05),
  cache_write: usdPerMillion('written to it. Absent: as `input`', 0.625),
  reasoning: usdPerMillion('of reasoning. Absent: as `output`', 1.5),
  audio_input: usdPerMillion('of sound in the prompt. Absent: as `input`', 10),
  audio_output: usdPerMillion('of sound in the answer. Absent: as `output`', 20),
});

const pricing = z
  .strictObject({
    refresh: field(
      duration({ isZeroAllowed: true, isOffAllowed: true }),
      '6h',
      'How often prices and facts of models are read from the public catalogue models.dev, in the background. 0 or `off`: never; then what ships with the program counts. It is not asked while only servers of your own are configured.',
    ),
    overrides: z
      .record(z.string(), price)
      .default({})
      .meta({
        description:
          'Your own prices, by `provider/model` with wildcards `*` `?` `[..]`; the first that fits counts, before every other source. A server of your own has no price without one.',
        default: {},
        examples: [
          {
            'my-vllm/*': { input: 0, output: 0 },
            'my-gateway/large-*': {
              input: 2.5,
              output: 10,
              cache_read: 0.25,
              cache_write: 3.125,
              reasoning: 10,
              audio_input: 40,
              audio_output: 80,
            },
          },
        ],
      }),
  })
  .prefault({})
  .meta({ description: 'What tokens cost.' });

/** A provider of which nothing is said. */
export const providerDefaults = providerSchema.parse({});

const aliasTarget = () => text('a target such as groq/llama-3.3-70b-versatile');

export const aliasSchema = z.strictObject({
  targets: z
    .array(aliasTarget())
    .min(1)
    .meta({
      description: 'What the name stands for, each as `provider/model`: tried in this order.',
      examples: [['groq/llama-3.3-70b-versatile', 'gemini/gemini-2.5-flash']],
    }),
  strategy: field(
    choice(['order', 'cheapest', 'fastest']),
    'order',
    '`cheapest`: by price, unknown prices last. `fastest`: by the time until the answer began, as it was measured of late.',
  ),
  on_context: field(
    choice(['next', 'stop']),
    'next',
    'After “context too long”: try the `next` target with a larger known context, or `stop`.',
  ),
});

/** What the short form leaves unsaid. */
const shortAlias = aliasSchema.parse({ targets: [written('provider/model')] });

const alias = z.union([aliasTarget().transform((target) => ({ ...shortAlias, targets: [target] })), aliasSchema], {
  error: 'expected a target such as groq/llama-3.3-70b-versatile, or a mapping with the field targets',
});

export const requestRuleSchema = z.strictObject({
  match: text('a model pattern').meta({
    description: 'Which requests: a pattern on `provider/model`, or on the model alone.',
    examples: ['groq/*'],
  }),
  set: requestFields('Fields that are set, whatever the client gave.', { service_tier: 'auto' }),
  default: requestFields('Fields that are set where the client gave none.', { temperature: 1 }),
  remove: list(text('the name of a field'), 'Fields that do not go upstream.', ['logit_bias']),
});

export const configSchema = z.strictObject({
  server,
  timeouts,
  rotation,
  fallback: z
    .strictObject({
      enabled: field(flag(), true, 'Try the next target when every key of one fails or is unavailable.'),
      max_targets: field(integer(1), 5, 'Targets that are really tried for one request.'),
    })
    .prefault({})
    .meta({
      description:
        'What is tried when a target cannot serve: the further targets of an alias, else the same model at other providers, in the order of their tiers.',
    }),
  providers: z.record(z.string(), providerSchema).default({}).meta({
    description:
      'Providers by name. A name that is no known provider is a server of your own and needs a `base_url`. `-` and `_` are the same in names.',
    default: {},
  }),
  aliases: z
    .record(z.string().min(1), alias)
    .default({})
    .meta({
      description:
        'Names of your own for models. Short form: one target. A name with wildcards (`*` `?` `[..]`) stands for every name that fits, for clients whose model names change.',
      default: {},
      examples: [
        {
          fast: {
            targets: ['groq/llama-3.3-70b-versatile', 'gemini/gemini-2.5-flash'],
            strategy: 'order',
            on_context: 'next',
          },
          'claude-*': 'gemini/gemini-2.5-pro',
        },
      ],
    }),
  requests: z
    .array(requestRuleSchema)
    .default([])
    .meta({
      description:
        'Changes of request bodies, in order, in the words of the provider’s protocol: the last thing that happens to a body before it goes upstream. Every change is told in `test-route` and in `x-rotator-warnings`.',
      default: [],
      examples: [
        [{ match: 'groq/*', set: { service_tier: 'auto' }, default: { temperature: 1 }, remove: ['logit_bias'] }],
      ],
    }),
  temperature_zero: field(zeroRule(), 'keep', zeroDescription),
  chat: z
    .strictObject({
      model: absent(text('a model'), 'Model of `rotator chat` when `-m` is not given.', 'groq/llama-3.3-70b-versatile'),
    })
    .prefault({})
    .meta({ description: 'The command `rotator chat`.' }),
  embeddings: z
    .strictObject({
      batch: field(
        flag(),
        true,
        'Inputs of embedding requests that ask one client key’s model for the same go upstream together; each request gets its own vectors back.',
      ),
      batch_size: field(
        integer(1),
        64,
        'Most inputs of one upstream call; fewer where the vendor takes fewer. Longer requests are cut. With `batch: false` only the vendor’s limit cuts.',
      ),
      batch_wait: field(
        duration({ isZeroAllowed: true }),
        '20ms',
        'How long the first input of a batch waits for others.',
      ),
    })
    .prefault({})
    .meta({ description: 'How embeddings are asked for.' }),
  pricing,
  responses: z
    .strictObject({
      store: field(
        choice(['memory', 'disk', 'off']),
        'memory',
        'Where answers of `/v1/responses` are kept for `previous_response_id` and for `GET`: `memory` until a restart, `disk` in the state database, `off` nowhere.',
      ),
      ttl: field(duration(), '24h', 'How long an answer is kept after its last use.'),
      max_size: field(size(), '256mb', 'All kept answers together; above it the least lately used go.'),
    })
    .prefault({})
    .meta({ description: 'Answers of the Responses surface that clients come back to. Each client key sees its own.' }),
  logging: z
    .strictObject({
      level: field(choice(['debug', 'info', 'warn', 'error']), 'info', 'Least severe messages to show.'),
      format: field(choice(['auto', 'pretty', 'json']), 'auto', '`auto`: pretty on a terminal, json elsewhere.'),
      requests: field(
        choice(['off', 'metadata', 'bodies']),
        'metadata',
        'One line per request, without its content. `bodies`: also what was asked and answered, secrets redacted, in files under `<state>/logs`, for a week and up to 1 GB. `off` never stops the counting of use.',
      ),
    })
    .prefault({})
    .meta({ description: 'What is logged, on standard error.' }),
  observe: z
    .strictObject({
      otlp: baseUrl()
        .nullable()
        .default(null)
        .meta({
          description:
            'An OpenTelemetry collector: one span for each request and each upstream call goes to `/v1/traces` below it, as OTLP over HTTP. What it asks for in headers is taken from `OTEL_EXPORTER_OTLP_HEADERS`.',
          default: null,
          examples: ['http://127.0.0.1:4318'],
        }),
    })
    .prefault({})
    .meta({ description: 'Traces.' }),
  storage: z
    .strictObject({
      dir: absent(
        text('a directory'),
        'State directory; relative to this file. Absent: `$XDG_STATE_HOME/rotator` (`~/.local/state/rotator`, on Windows `%LOCALAPPDATA%\\rotator`). `--state` and `ROTATOR_STATE` go before. Needs a restart.',
        '~/.local/state/rotator',
      ),
      retention: field(duration(), '90d', 'How long usage by hour and the request log are kept. Needs a restart.'),
    })
    .prefault({})
    .meta({ description: 'Where rotator keeps its state, and for how long.' }),
  discover_env: field(
    choice(['auto', 'all', 'off']),
    'auto',
    'Keys from the environment (`GROQ_API_KEY`, `GROQ_API_KEY_1`, …). `auto`: for providers named here without keys, and for all when there is no config file. `all`: for all known providers, and for `NAME_API_KEY` beside `NAME_API_BASE`. `off`: never.',
  ),
});

export type Config = z.output<typeof configSchema>;
export type ProviderConfig = z.output<typeof providerSchema>;
export type KeyConfig = z.output<typeof longKey>;

/** JSON Schema (draft-07) of the file, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
    // zod leaves defaults and examples of transformed values out, not knowing that these are given as they are written.
    override: ({ zodSchema, jsonSchema }) => {
      const { default: standard, examples } = z.globalRegistry.get(zodSchema) ?? {};
      if (standard !== undefined) Object.assign(jsonSchema, { default: standard });
      else if (typeof jsonSchema.default === 'string') delete jsonSchema.default;
      if (Array.isArray(examples)) jsonSchema.examples = examples;
    },
  });
  return { title: 'rotator.yaml', ...schema };
}
