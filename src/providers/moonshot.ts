import { compatible } from './compatible.ts';
import { readError } from './error-body.ts';
import { billing } from './failure-from.ts';
import { effortOf, isOff } from './reasoning-effort.ts';

/** Two steps, and from K3 on a third above them. */
function levelOf(effort: string, hasMax: boolean): string {
  if (effort === 'minimal' || effort === 'low') return 'low';
  return hasMax && (effort === 'max' || effort === 'xhigh') ? 'max' : 'high';
}

export const moonshot = compatible({
  id: 'moonshot',
  names: ['moonshotai'],
  title: 'Moonshot AI (Kimi)',
  // Keys of the Chinese host, https://api.moonshot.cn/v1, are other keys.
  baseUrl: 'https://api.moonshot.ai/v1',
  keyEnv: ['MOONSHOT_API_KEY'],
  key: 'required',
  wantsReasoningBack: true,
  tier: null,
  keyUrl: 'https://platform.moonshot.ai/console/api-keys',
  editFields: (index, context) => {
    const set: Record<string, unknown> = {};
    const changes: string[] = [];
    if (/^moonshot-v1/.test(context.model) && index.get('tool_choice') === 'required') {
      set.tool_choice = 'auto';
      changes.push('tool_choice required → auto');
    }
    const temperature = index.get('temperature');
    // The scale ends at 1; above it is 400.
    if (typeof temperature === 'number' && temperature > 1) {
      set.temperature = 1;
      changes.push(`temperature ${temperature} → 1`);
    }
    const remove: string[] = [];
    const effort = effortOf(index);
    if (effort !== null && isOff(effort)) {
      set.thinking = { type: 'disabled' };
      remove.push('reasoning_effort');
      changes.push('reasoning_effort → thinking disabled');
    } else if (effort !== null) {
      const level = levelOf(effort, /^kimi-k[3-9]/.test(context.model));
      if (level !== effort) {
        set.reasoning_effort = level;
        changes.push(`reasoning_effort ${effort} → ${level}`);
      }
    }
    return changes.length > 0 ? { set, remove, changes } : undefined;
  },
  classify: (reply) => {
    const error = readError(reply);
    // A 429 by status, but the account's balance by meaning.
    return error.type === 'exceeded_current_quota_error' ? billing(error) : undefined;
  },
});
