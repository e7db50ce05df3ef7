import { JsonIndex } from '../shared/json-bytes.ts';
import { isObject } from '../shared/json-shape.ts';
import { compatible } from './compatible.ts';
import type { MessageRule } from './message-rules.ts';
import type { FieldEdit } from './provider.ts';
import { effortOf, isOff } from './reasoning-effort.ts';

const UNAVAILABLE = '[reasoning unavailable]';

/** A call without the thoughts before it is refused. What was lost is named as that. */
const reasonsBeforeCalls: MessageRule = {
  marks: ['"tool_calls"'],
  apply: (message) => {
    if (!Array.isArray(message.tool_calls) || message.tool_calls.length === 0) return undefined;
    if (typeof message.reasoning_content === 'string' && message.reasoning_content !== '') return undefined;
    message.reasoning_content = UNAVAILABLE;
    return 'messages[].reasoning_content added';
  },
};

/** `thinking` in the place of `reasoning_effort`. K2.x knows low and high, K3 max too; K3 and K2.7 Code cannot be silent. */
function editThinking(index: JsonIndex, model: string): FieldEdit | undefined {
  const effort = effortOf(index);
  if (effort === null || isObject(index.get('thinking'))) {
    return index.has('reasoning_effort')
      ? { remove: ['reasoning_effort'], changes: ['reasoning_effort removed'] }
      : undefined;
  }
  const isThird = /^(?:kimi-)?k3/.test(model);
  const mustThink = isThird || /k2\.7-code/.test(model);
  const wanted = isOff(effort)
    ? mustThink
      ? { type: 'enabled', effort: 'low' }
      : { type: 'disabled' }
    : { type: 'enabled', effort: levelOf(effort, isThird) };
  const change = `reasoning_effort ${effort} → thinking ${'effort' in wanted ? wanted.effort : wanted.type}`;
  return { set: { thinking: wanted }, remove: ['reasoning_effort'], changes: [change] };
}

function levelOf(effort: string, isThird: boolean): 'low' | 'high' | 'max' {
  if (effort === 'max' || effort === 'xhigh') return isThird ? 'max' : 'high';
  return effort === 'high' ? 'high' : 'low';
}

/** Moonshot's coding plan, with its accounts. The public API with keys is `moonshot`. */
export const kimi = compatible(
  {
    id: 'kimi',
    names: ['kimi_code'],
    title: 'Kimi coding plan',
    baseUrl: 'https://api.kimi.com/coding/v1',
    keyEnv: [],
    key: 'account',
    tier: null,
    wantsReasoningBack: true,
    models: ['k3.1-pro', 'k3', 'k3-256k', 'kimi-for-coding'].map((id) => ({ id, ownedBy: 'moonshot' })),
    editFields: (index, { model }) => editThinking(index, model),
    accounts: {
      headers: (headers, { account, version }) => {
        headers.set('x-msh-platform', 'rotator');
        headers.set('x-msh-version', version);
        if (account.device_id !== undefined) headers.set('x-msh-device-id', account.device_id);
      },
      // The plan knows its models by the rest of their names.
      wrap: (body, { model }) => {
        const bare = model.replace(/^kimi-(?=k\d)/, '').replace(/\[1m\]$/, '');
        return bare === model ? body : (JsonIndex.of(body)?.edit({ set: { model: bare } }) ?? body);
      },
    },
  },
  [reasonsBeforeCalls],
);
