import type { JsonIndex } from '../shared/json-bytes.ts';
import { isObject } from '../shared/json-shape.ts';
import { compatible } from './compatible.ts';
import { readError } from './error-body.ts';
import { keyRejected, rateLimited } from './failure-from.ts';
import { together } from './field-edits.ts';
import type { FieldEdit } from './provider.ts';
import { addDummyTool, hasTools, leadWithOneSystem, stripToolSchemas } from './qwen-body.ts';
import { rewriteQwenStream } from './qwen-stream.ts';
import { effortOf, isOff } from './reasoning-effort.ts';
import { liftThinking, THINK_MARKS } from './think-tags.ts';
import { readWaitHint } from './wait-hint.ts';

/** An effort is not known here: thinking is on or off, by a name of each family's own. */
function thinkingEdit(index: JsonIndex, model: string): FieldEdit | undefined {
  const effort = effortOf(index);
  if (effort === null) return undefined;
  const isThinking = !isOff(effort);
  const remove = ['reasoning_effort'];
  if (/minimax/i.test(model)) {
    const changes = ['reasoning_effort → reasoning_split'];
    return { set: { reasoning_split: isThinking }, remove, changes };
  }
  const own = index.get('chat_template_kwargs');
  const wish = { enable_thinking: isThinking, ...(/^glm/i.test(model) && isThinking && { clear_thinking: false }) };
  return {
    // The client's own arguments say more than an effort does.
    set: { chat_template_kwargs: { ...wish, ...(isObject(own) && own) } },
    remove,
    changes: ['reasoning_effort → chat_template_kwargs'],
  };
}

/** Closed by its operator on 2026-04-17; kept for keys and mirrors that still answer. */
export const iflow = compatible({
  id: 'iflow',
  names: ['iflowcn'],
  title: 'iFlow',
  baseUrl: 'https://apis.iflow.cn/v1',
  keyEnv: ['IFLOW_API_KEY'],
  key: 'required',
  tier: 5,
  accounts: {},
  keyUrl: 'https://platform.iflow.cn/profile?tab=apiKey',
  // `stream_options` is answered with 406.
  streamUsage: false,
  wantsReasoningBack: true,
  editFields: (index, { model }) =>
    together(
      leadWithOneSystem(index),
      index.has('tools') && !hasTools(index) ? addDummyTool() : stripToolSchemas(index),
      thinkingEdit(index, model),
    ),
  // Statuses of its own, in the body of a 200.
  classify: (reply) => {
    const error = readError(reply);
    switch (error.status) {
      case 434:
        return keyRejected(error);
      case 449:
        return rateLimited(error, readWaitHint(reply, error));
      default:
        return undefined;
    }
  },
  replyMarks: THINK_MARKS,
  adaptReply: liftThinking,
  rewriteStream: ({ protocol }) => (protocol === 'openai-chat' ? rewriteQwenStream() : undefined),
});
