import { isObject, objectsIn } from '../shared/json-shape.ts';
import { compatible } from './compatible.ts';
import { isEditable } from './editable-json.ts';
import { type ErrorFacts, readError } from './error-body.ts';
import { forbidden, modelMissing, rateLimited, upstreamError } from './failure-from.ts';
import { readRows, modelRows } from './model-list.ts';
import type { FieldEdit, JsonObject, Provider } from './provider.ts';
import { effortOf, isOff } from './reasoning-effort.ts';
import { fixToolCalls } from './tool-call-finish.ts';
import type { VendorSettings } from './vendor-settings.ts';
import { readWaitHint } from './wait-hint.ts';

/**
 * A server of gpt4free: somebody's websites behind an OpenAI-shaped door, and so the last resort. By itself it is the
 * user's own server; nothing is sent to a public one unless its address is written into the config.
 */

/** What it takes, and its own switches. `api_key` and `conversation` of a client's body go nowhere. */
const FIELDS: readonly string[] = [
  'model',
  'messages',
  'stream',
  'temperature',
  'max_tokens',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'stop',
  'tools',
  'tool_choice',
  'reasoning_effort',
  'provider',
  'web_search',
  'tool_emulation',
];

/** In this order: a name may fit several. */
const FAMILIES: readonly (readonly [family: string, models: RegExp])[] = [
  ['gemini', /gemini/i],
  ['grok', /grok/i],
  ['nvidia', /nvidia|nemotron/i],
  ['groq', /llama|mixtral|gemma/i],
];

const EFFORTS: Readonly<Record<string, string>> = { minimal: 'low', xhigh: 'x-high', max: 'x-high' };

function editEffort(effort: string | null): FieldEdit | undefined {
  if (effort === null) return undefined;
  const known = isOff(effort) ? 'none' : (EFFORTS[effort] ?? effort);
  return known === effort
    ? undefined
    : { set: { reasoning_effort: known }, changes: [`reasoning_effort ${effort} → ${known}`] };
}

/** Usage is the number of chunks where the site behind tells none: the prompt then has no tokens at all. */
function markEstimate(body: JsonObject): boolean {
  const { usage } = body;
  if (!isEditable(usage) || usage.prompt_tokens !== 0 || usage.estimated === true) return false;
  usage.estimated = true;
  return true;
}

function adapter(): (body: JsonObject) => boolean {
  const fix = fixToolCalls();
  return (body) => {
    const isMarked = markEstimate(body);
    return fix(body) || isMarked;
  };
}

/** The words of one provider behind it, or a line for each that was tried: then the worst counts. */
function classify(error: ErrorFacts, wait: () => ReturnType<typeof readWaitHint>) {
  const { status, text } = error;
  // Missing logins and cookies of the site behind; the key that is asked for here has words of its own.
  if (status === 401 && /MissingAuth|NoValidHarFile|\.har\b|cookies/i.test(text)) return forbidden(error, 'model');
  if (status === 403) return forbidden(error, 'model');
  if (/ModelNotFoundError|ProviderNotFoundError|ModelNotSupportedError/.test(text)) return modelMissing(error);
  // 402 and 504 of the sites behind come as 429, too.
  if (status === 429) return rateLimited(error, wait(), { scope: 'model' });
  if (status === 500 && /^(?:\w+: )?.*\b(?:RateLimitError|ResponseStatusError: (?:Response )?429)\b/m.test(text))
    return rateLimited(error, wait(), { scope: 'model' });
  return status === 500 ? upstreamError(error) : undefined;
}

const HOME = 'http://localhost:1337/v1';

export const g4f = {
  ...compatible(
    {
      id: 'g4f',
      names: ['gpt4free'],
      title: 'G4F (gpt4free)',
      baseUrl: HOME,
      keyEnv: ['G4F_API_KEY'],
      key: 'optional',
      isLocal: true,
      isListPublic: true,
      tier: 9,
      docUrl: 'https://g4f.dev/docs',
      fields: ['bases', 'auth', 'path_style'],
      // Usage comes unasked, and `stream_options` is not known.
      streamUsage: false,
      bodyRules: { allow: FIELDS },
      editFields: (index) => {
        const effort = editEffort(effortOf(index));
        const choice = index.get('tool_choice');
        if (!isObject(choice)) return effort;
        // A text alone is taken here.
        return {
          set: { ...effort?.set, tool_choice: 'required' },
          changes: [...(effort?.changes ?? []), 'tool_choice {…} → required'],
        };
      },
      replyMarks: ['"tool_calls"', '"prompt_tokens":0', '"prompt_tokens": 0'],
      adaptReply: (reply) => adapter()(reply),
      adaptEvents: adapter,
      classify: (reply) => {
        const error = readError(reply);
        return error.isPage ? undefined : classify(error, () => readWaitHint(reply, error));
      },
      readModels: (page) => {
        // Names of sites are listed among the models; some models make pictures alone.
        const rows = modelRows(page).filter((row) => row.provider !== true && row.image !== true);
        return { models: readRows(rows).map(({ created: _, ...model }) => model) };
      },
    },
    [
      {
        marks: ['"tool"'],
        apply: (message) => {
          if (message.role !== 'tool' || !Array.isArray(message.content)) return undefined;
          const texts = objectsIn(message.content).map((part) => (typeof part.text === 'string' ? part.text : ''));
          message.content = texts.join('\n');
          return 'tool results → text';
        },
      },
    ],
  ),
  configure,
} satisfies Provider;

function configure({ baseUrl, bases, auth, pathStyle }: VendorSettings): Provider {
  const main = (baseUrl ?? HOME).replace(/\/+$/, '');
  const families = FAMILIES.flatMap(([family, models]) => {
    const base = bases[family];
    return base === undefined ? [] : [{ models, base: base + versionOf(base, pathStyle) }];
  });
  return {
    ...g4f,
    paths: { models: `${versionOf(main, pathStyle)}/models` },
    baseFor: (model) => families.find(({ models }) => models.test(model))?.base ?? main + versionOf(main, pathStyle),
    // Any word but `secret` is passed on to the site behind as its key.
    ...(auth === 'secret' && { headers: { authorization: 'Bearer secret' } }),
    ...(auth !== null && auth !== 'key' && { authorize: () => undefined }),
  };
}

/** `/api/NAME/v1/chat/completions` would make `v1` a conversation that all callers share. */
function versionOf(base: string, style: VendorSettings['pathStyle']): '' | '/v1' {
  const { pathname } = new URL(base);
  return style === 'api' || /\/v1$|\/api(?:\/|$)/.test(pathname) ? '' : '/v1';
}
