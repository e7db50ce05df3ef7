import { JsonIndex } from '../shared/json-bytes.ts';
import { countOr, isObject, objectsIn } from '../shared/json-shape.ts';
import {
  classifyCodeAssist,
  CODE_ASSIST_URL,
  codeAssistPaths,
  inEnvelope,
  outOfEnvelope,
  sharesLeft,
} from './code-assist.ts';
import type { Provider } from './provider.ts';
import { endpointUrl } from './request.ts';

const PRO = ['gemini-3.1-pro-preview', 'gemini-3-pro-preview', 'gemini-2.5-pro'];
const FLASH = ['gemini-3.5-flash', 'gemini-3-flash-preview', 'gemini-2.5-flash'];
const LITE = ['gemini-3.1-flash-lite', 'gemini-3.1-flash-lite-preview', 'gemini-2.5-flash-lite'];

/** Google's models from 2025-2026; it has no list that could be asked for. */
const MODELS = [
  ...PRO,
  'gemini-3.1-pro-preview-customtools',
  ...FLASH,
  ...LITE,
  'gemma-4-31b-it',
  'gemma-4-26b-a4b-it',
];

/** Of the third generation the large ones are for those who pay. */
const FREE_MODELS = ['gemini-2*', 'gemini-3*flash*', 'gemma-*'];

const QUOTA_GROUPS = {
  pro: [...PRO, 'gemini-3.1-pro-preview-customtools'],
  '25-flash': ['gemini-2.0-flash', 'gemini-2.5-flash', 'gemini-2.5-flash-lite'],
  '3-flash': ['gemini-3-flash-preview'],
};

const DAY_MS = 86_400_000;

/** Gemini with the accounts of Google's own command line tool (Code Assist). */
export const geminiCli: Provider = {
  id: 'gemini_cli',
  title: 'Gemini CLI (Code Assist)',
  protocol: 'gemini',
  baseUrl: CODE_ASSIST_URL,
  keyEnv: [],
  key: 'account',
  tier: 3,
  paths: { gemini: codeAssistPaths },
  models: MODELS.map((id) => ({ id, ownedBy: 'google' })),
  family: (model) => [PRO, FLASH, LITE].find((family) => family.includes(model))?.filter((one) => one !== model) ?? [],
  accounts: {
    wrap: (body, { model, account, conversation, requestId }) => {
      const project = account.project_id;
      const session = conversation === null ? {} : { session_id: conversation };
      const asked = JsonIndex.of(body);
      const named = asked && !asked.has('session_id') ? asked.edit({ set: session }) : body;
      return inEnvelope(named, { model, ...(project && { project }), user_prompt_id: requestId });
    },
    unwrap: outOfEnvelope,
    models: (tier) => (tier === 'FREE' ? FREE_MODELS : []),
  },
  counting: {
    path: ':countTokens',
    // Neither the project nor settings are taken, and no thoughts.
    body: ({ contents }, model) => ({ request: { model: `models/${model}`, contents: withoutThoughts(contents) } }),
    read: (reply) => countOr(reply.totalTokens),
  },
  quotaGroups: QUOTA_GROUPS,
  pollQuota: {
    request: ({ baseUrl, account }) => ({
      method: 'POST',
      url: endpointUrl(baseUrl, ':retrieveUserQuota', ''),
      body: { ...(account?.project_id && { project: account.project_id }) },
    }),
    read: ({ json }) => {
      if (!isObject(json) || !Array.isArray(json.buckets)) return null;
      const shares = objectsIn(json.buckets).flatMap(({ modelId, remainingFraction, resetTime }) =>
        typeof modelId === 'string' ? [{ model: modelId, fraction: remainingFraction, resetTime }] : [],
      );
      return sharesLeft(shares, QUOTA_GROUPS, { name: 'day', lengthMs: DAY_MS });
    },
  },
  classify: classifyCodeAssist,
};

/** As plain text they are counted all the same. */
function withoutThoughts(contents: unknown): unknown {
  return objectsIn(contents).map((content) => ({
    ...content,
    parts: objectsIn(content.parts).map(({ thought: _, thoughtSignature: __, ...part }) => part),
  }));
}
