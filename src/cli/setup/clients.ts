import { join } from 'node:path';
import type { ChosenModels } from './choose-models.ts';
import type { ClientFile } from './setting.ts';

/** What a client has to know of the server. */
export type Connection = {
  /** Without a slash at the end and without `/v1`. */
  readonly url: string;
  /** The client key, or what stands for it where it is not shown. */
  readonly key: string;
  readonly models: ChosenModels;
};

/** Where a client keeps what it knows. */
export type ClientPlaces = {
  readonly home: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly exists: (path: string) => boolean;
};

export type Client = {
  readonly id: string;
  readonly title: string;
  /** The program, by which an installed client is found; null: it is no program of its own. */
  readonly program: string | null;
  /** Kinds of models that it was made for. */
  readonly models: readonly RegExp[];
  /** Its own files with what they have to say; none: it has no file that could be written. */
  readonly files: (connection: Connection, places: ClientPlaces) => readonly ClientFile[];
  /** For a client that is code or a command. */
  readonly snippet?: (connection: Connection) => string;
  /** What is to be known besides, one sentence each. */
  readonly notes: (connection: Connection) => readonly string[];
};

const NO_NOTES = () => [];

const ifKnown = <Value, Result>(value: Value | null, make: (value: Value) => Result): readonly Result[] =>
  value === null ? [] : [make(value)];

const CLAUDE = [/claude-sonnet/, /claude-opus/, /claude/];
const GPT = [/gpt-[\d.]+-codex$/, /gpt-[5-9][\d.]*$/];
const GEMINI = [/gemini-[\d.]+-pro/, /gemini-[\d.]+-flash$/, /gemini/];

const claudeCode: Client = {
  id: 'claude-code',
  title: 'Claude Code',
  program: 'claude',
  models: CLAUDE,
  files: ({ url, key, models }, { home, env }) => {
    const setting = (name: string, value: string) => ({ path: ['env', name], value });
    return [
      {
        path: join(env.CLAUDE_CONFIG_DIR || join(home, '.claude'), 'settings.json'),
        format: 'json',
        settings: [
          setting('ANTHROPIC_BASE_URL', url),
          // Unlike ANTHROPIC_API_KEY this one is taken without a question at the first start.
          setting('ANTHROPIC_AUTH_TOKEN', key),
          setting('ANTHROPIC_MODEL', models.main),
          setting('ANTHROPIC_DEFAULT_OPUS_MODEL', models.main),
          setting('ANTHROPIC_DEFAULT_SONNET_MODEL', models.main),
          setting('ANTHROPIC_DEFAULT_HAIKU_MODEL', models.small),
          // It takes a model that it does not know for one of a million tokens.
          ...ifKnown(models.contextLength, (tokens) => setting('CLAUDE_CODE_MAX_CONTEXT_TOKENS', String(tokens))),
        ],
      },
    ];
  },
  notes: NO_NOTES,
};

const codex: Client = {
  id: 'codex',
  title: 'Codex',
  program: 'codex',
  models: GPT,
  files: ({ url, key, models }, { home, env }) => {
    const provider = ['model_providers', 'rotator'];
    return [
      {
        path: join(env.CODEX_HOME || join(home, '.codex'), 'config.toml'),
        format: 'toml',
        settings: [
          { path: ['model'], value: models.main },
          { path: ['model_provider'], value: 'rotator' },
          ...ifKnown(models.contextLength, (value) => ({ path: ['model_context_window'], value })),
          { path: [...provider, 'name'], value: 'rotator' },
          { path: [...provider, 'base_url'], value: `${url}/v1` },
          { path: [...provider, 'wire_api'], value: 'responses' },
          { path: [...provider, 'experimental_bearer_token'], value: key },
        ],
      },
    ];
  },
  notes: NO_NOTES,
};

const geminiCli: Client = {
  id: 'gemini-cli',
  title: 'Gemini CLI',
  program: 'gemini',
  models: GEMINI,
  files: ({ url, key, models }, { home }) => [
    {
      path: join(home, '.gemini', 'settings.json'),
      format: 'json',
      settings: [
        { path: ['security', 'auth', 'selectedType'], value: 'gemini-api-key' },
        { path: ['model', 'name'], value: models.main },
      ],
    },
    {
      path: join(home, '.gemini', '.env'),
      format: 'env',
      settings: [
        { path: ['GEMINI_API_KEY'], value: key },
        { path: ['GOOGLE_GEMINI_BASE_URL'], value: url },
      ],
    },
  ],
  notes: () => ['A .env or .gemini/.env in a project goes before ~/.gemini/.env.'],
};

/** As many as one still finds one's way in. */
const LISTED_MODELS = 50;

const opencode: Client = {
  id: 'opencode',
  title: 'opencode',
  program: 'opencode',
  models: [],
  files: ({ url, key, models }, { home, env, exists }) => {
    const directory = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'opencode');
    const names = ['opencode.jsonc', 'opencode.json', 'config.json'].map((name) => join(directory, name));
    const list = Object.fromEntries(models.all.slice(0, LISTED_MODELS).map((id) => [id, { name: id }]));
    return [
      {
        path: names.find(exists) ?? join(directory, 'opencode.json'),
        format: 'json',
        settings: [
          {
            path: ['provider', 'rotator'],
            value: {
              npm: '@ai-sdk/openai-compatible',
              name: 'rotator',
              options: { baseURL: `${url}/v1`, apiKey: key },
              models: list,
            },
          },
          { path: ['model'], value: `rotator/${models.main}` },
          { path: ['small_model'], value: `rotator/${models.small}` },
        ],
      },
    ];
  },
  notes: NO_NOTES,
};

const aider: Client = {
  id: 'aider',
  title: 'aider',
  program: 'aider',
  models: [],
  files: ({ url, key, models }, { home }) => [
    {
      path: join(home, '.aider.conf.yml'),
      format: 'yaml',
      settings: [
        { path: ['openai-api-base'], value: `${url}/v1` },
        { path: ['openai-api-key'], value: key },
        // It takes what stands before the first slash for the kind of API.
        { path: ['model'], value: `openai/${models.main}` },
        { path: ['weak-model'], value: `openai/${models.small}` },
      ],
    },
  ],
  notes: () => ['A .aider.conf.yml in a project goes before the one in the home directory.'],
};

const continueClient: Client = {
  id: 'continue',
  title: 'Continue',
  program: 'cn',
  models: [],
  files: ({ url, key, models }, { home, exists }) => {
    const path = join(home, '.continue', 'config.yaml');
    const head = [
      { path: ['name'], value: 'Local config' },
      { path: ['version'], value: '1.0.0' },
      { path: ['schema'], value: 'v1' },
    ];
    const model = (name: string, id: string, roles: readonly string[]) => ({
      path: ['models', { name }],
      value: { name, provider: 'openai', model: id, apiBase: `${url}/v1`, apiKey: key, roles },
    });
    return [
      {
        path,
        format: 'yaml',
        settings: [
          // What the person's file is called stays theirs.
          ...(exists(path) ? [] : head),
          model('rotator', models.main, ['chat', 'edit', 'apply']),
          model('rotator small', models.small, ['summarize']),
        ],
      },
    ];
  },
  notes: () => ['Continue reads the file again when it is saved.'],
};

const cline: Client = {
  id: 'cline',
  title: 'Cline',
  program: 'cline',
  models: CLAUDE,
  files: ({ url, key, models }, { home }) => [
    {
      path: join(home, '.cline', 'data', 'settings', 'providers.json'),
      format: 'json',
      settings: [
        { path: ['version'], value: 1 },
        { path: ['lastUsedProvider'], value: 'openai-compatible' },
        ...Object.entries({
          provider: 'openai-compatible',
          apiKey: key,
          model: models.main,
          baseUrl: `${url}/v1`,
        }).map(([name, value]) => ({ path: ['providers', 'openai-compatible', 'settings', name], value })),
        { path: ['providers', 'openai-compatible', 'tokenSource'], value: 'manual' },
        // Without a date the entry is dropped in silence; which one it is matters to nobody.
        { path: ['providers', 'openai-compatible', 'updatedAt'], value: '2026-01-01T00:00:00.000Z' },
      ],
    },
  ],
  notes: ({ url, models }) => [
    `The extension of an editor keeps its own settings. There: API provider "OpenAI Compatible", base URL ${url}/v1, model ${models.main}, and the client key.`,
  ],
};

const openWebUi: Client = {
  id: 'open-webui',
  title: 'Open WebUI',
  program: 'open-webui',
  models: [],
  files: ({ url, key }, { cwd }) => [
    {
      path: join(cwd, '.env'),
      format: 'env',
      settings: [
        { path: ['ENABLE_OPENAI_API'], value: 'true' },
        { path: ['OPENAI_API_BASE_URL'], value: `${url}/v1` },
        { path: ['OPENAI_API_KEY'], value: key },
      ],
    },
  ],
  notes: () => [
    'Start it in this directory, or hand the file to a container: docker run --env-file .env …',
    'A container does not reach 127.0.0.1 of its host: there, write host.docker.internal and let rotator listen on a host that the container reaches.',
    'A connection that was once saved in its admin settings goes before these variables.',
  ],
};

const sdkFile = ({ url, key }: Connection, { cwd }: ClientPlaces): readonly ClientFile[] => [
  {
    path: join(cwd, '.env'),
    format: 'env',
    settings: [
      { path: ['OPENAI_BASE_URL'], value: `${url}/v1` },
      { path: ['OPENAI_API_KEY'], value: key },
    ],
  },
];

const quoteShell = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

const curl: Client = {
  id: 'curl',
  title: 'curl',
  program: 'curl',
  models: [],
  files: () => [],
  snippet: ({ url, key, models }) => {
    const body = JSON.stringify({ model: models.main, messages: [{ role: 'user', content: 'Say hello.' }] });
    // What a shell is to fill in stands in double quotes.
    return `curl ${url}/v1/chat/completions \\
  -H "authorization: Bearer ${key}" \\
  -H "content-type: application/json" \\
  -d ${quoteShell(body)}
`;
  },
  notes: NO_NOTES,
};

const openaiPython: Client = {
  id: 'openai-python',
  title: 'OpenAI SDK for Python',
  program: null,
  models: [],
  files: sdkFile,
  snippet: ({ models }) => `from openai import OpenAI

client = OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY
answer = client.chat.completions.create(
    model=${JSON.stringify(models.main)},
    messages=[{"role": "user", "content": "Say hello."}],
)
print(answer.choices[0].message.content)
`,
  notes: () => ['Python does not read .env by itself: set -a; . ./.env; set +a, or the package python-dotenv.'],
};

const openaiNode: Client = {
  id: 'openai-node',
  title: 'OpenAI SDK for Node',
  program: null,
  models: [],
  files: sdkFile,
  snippet: ({ models }) => `import OpenAI from 'openai';

const client = new OpenAI(); // reads OPENAI_BASE_URL and OPENAI_API_KEY
const answer = await client.chat.completions.create({
  model: ${JSON.stringify(models.main)},
  messages: [{ role: 'user', content: 'Say hello.' }],
});
console.log(answer.choices[0].message.content);
`,
  notes: () => ['Node reads the file with node --env-file=.env; Bun does without being told.'],
};

export const clients: readonly Client[] = [
  claudeCode,
  codex,
  geminiCli,
  opencode,
  aider,
  continueClient,
  cline,
  openWebUi,
  curl,
  openaiPython,
  openaiNode,
];
