import { compatible } from './compatible.ts';
import { readError } from './error-body.ts';
import { billing } from './failure-from.ts';

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
    return changes.length > 0 ? { set, changes } : undefined;
  },
  classify: (reply) => {
    const error = readError(reply);
    // A 429 by status, but the account's balance by meaning.
    return error.type === 'exceeded_current_quota_error' ? billing(error) : undefined;
  },
});
