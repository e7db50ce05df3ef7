import { field } from '../protocols/gemini/wire-field.ts';
import { JsonIndex } from '../shared/json-bytes.ts';
import { isObject } from '../shared/json-shape.ts';
import { alwaysThinks, editAntigravityBody, isClaudeModel, wantsThoughts } from './antigravity-body.ts';
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

const QUOTA_GROUPS = {
  claude: ['claude-opus-4-6', 'claude-opus-4-6-thinking', 'claude-sonnet-4-6', 'gpt-oss-120b-medium'],
  'g3-pro': [
    'gemini-3-pro-preview',
    'gemini-3-pro-low',
    'gemini-3-pro-high',
    'gemini-3.1-pro-low',
    'gemini-3.1-pro-high',
  ],
  'g3-flash': ['gemini-3-flash', 'gemini-3-flash-preview'],
  'g25-flash': ['gemini-2.5-flash', 'gemini-2.5-flash-thinking'],
  'g25-lite': ['gemini-2.5-flash-lite'],
};

const MODELS = [
  'claude-opus-4-6-thinking',
  'claude-sonnet-4-6',
  'gemini-3.1-pro-low',
  'gemini-3.1-pro-high',
  'gemini-3-pro-preview',
  'gemini-3-flash',
  'gemini-2.5-flash',
  'gemini-2.5-flash-lite',
  'gpt-oss-120b-medium',
];

/** How hard a model thinks is a part of its name here. */
function nameOf(model: string, config: unknown): string {
  if (isClaudeModel(model)) {
    const isBare = !model.endsWith('-thinking');
    return isBare && (alwaysThinks(model) || wantsThoughts(config)) ? `${model}-thinking` : model;
  }
  const pro = /^(gemini-3(?:\.\d+)?-pro)(?:-preview)?$/.exec(model)?.[1];
  if (pro === undefined) return model;
  const thinking = isObject(config) ? field(config, 'thinkingConfig') : undefined;
  const level = isObject(thinking) ? String(field(thinking, 'thinkingLevel') ?? '').toUpperCase() : '';
  return `${pro}-${level === 'LOW' || level === 'MINIMAL' ? 'low' : 'high'}`;
}

/** The models of Google's editor, Claude among them, with its accounts. It disables accounts that are used elsewhere. */
export const antigravity: Provider = {
  id: 'antigravity',
  title: 'Antigravity',
  protocol: 'gemini',
  baseUrl: CODE_ASSIST_URL,
  keyEnv: [],
  key: 'account',
  tier: 5,
  paths: { gemini: codeAssistPaths },
  models: MODELS.map((id) => ({ id })),
  editFields: (index, context) => (context.protocol === 'gemini' ? editAntigravityBody(index, context) : undefined),
  accounts: {
    wrap: (body, { model, account, conversation, requestId }) => {
      const asked = JsonIndex.of(body);
      if (!asked) return body;
      const config = asked.get('generationConfig') ?? asked.get('generation_config');
      const session = conversation === null || asked.has('sessionId') ? {} : { sessionId: conversation };
      return inEnvelope(asked.edit({ set: session }), {
        model: nameOf(model, config),
        ...(account.project_id && { project: account.project_id }),
        userAgent: 'rotator',
        requestType: /image/i.test(model) ? 'image_gen' : 'agent',
        requestId: `agent-${requestId}`,
      });
    },
    unwrap: outOfEnvelope,
  },
  quotaGroups: QUOTA_GROUPS,
  pollQuota: {
    request: ({ baseUrl, account }) => ({
      method: 'POST',
      url: endpointUrl(baseUrl, ':fetchAvailableModels', ''),
      body: { ...(account?.project_id && { project: account.project_id }) },
    }),
    read: ({ json }) => {
      if (!isObject(json) || !isObject(json.models)) return null;
      const shares = Object.entries(json.models).flatMap(([model, listed]) => {
        const quota = isObject(listed) ? listed.quotaInfo : undefined;
        return isObject(quota) ? [{ model, fraction: quota.remainingFraction, resetTime: quota.resetTime }] : [];
      });
      return sharesLeft(shares, QUOTA_GROUPS, { name: 'quota', lengthMs: null });
    },
  },
  classify: classifyCodeAssist,
};
