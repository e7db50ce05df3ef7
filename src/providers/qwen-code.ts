import type { JsonIndex } from '../shared/json-bytes.ts';
import { compatible } from './compatible.ts';
import { textEmbeddings, withoutInputType } from './embeddings.ts';
import { readError } from './error-body.ts';
import { rateLimited } from './failure-from.ts';
import { together } from './field-edits.ts';
import { addDummyTool, hasTools, leadWithOneSystem, stripToolSchemas } from './qwen-body.ts';
import { rewriteQwenStream } from './qwen-stream.ts';
import type { FieldEdit } from './provider.ts';
import { liftThinking, THINK_MARKS } from './think-tags.ts';
import { readWaitHint } from './wait-hint.ts';

/** Qwen by key, on Alibaba Model Studio (DashScope). Its free sign-in ended on 2026-04-15. */
export const qwenCode = compatible({
  id: 'qwen_code',
  names: ['qwen', 'dashscope', 'alibaba'],
  title: 'Qwen (Alibaba Model Studio)',
  // Keys of the Chinese host, https://dashscope.aliyuncs.com/compatible-mode/v1, are other keys.
  baseUrl: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
  keyEnv: ['QWEN_CODE_API_KEY', 'DASHSCOPE_API_KEY'],
  key: 'required',
  wantsReasoningBack: true,
  tier: 5,
  accounts: { headers: (headers) => headers.set('x-dashscope-authtype', 'qwen-oauth') },
  keyUrl: 'https://modelstudio.console.alibabacloud.com/',
  // https://www.alibabacloud.com/help/en/model-studio/embedding-interfaces-compatible-with-openai, 2025-12: ten texts,
  // and vectors as numbers alone; OpenAI's SDK asks for base64, which is made of them here.
  embeddings: { ...textEmbeddings, maxInputs: 10, edit: (index) => together(withoutInputType(index), asFloats(index)) },
  editFields: (index, context) =>
    together(leadWithOneSystem(index), context.isStream && !hasTools(index) ? addDummyTool() : stripToolSchemas(index)),
  replyMarks: THINK_MARKS,
  adaptReply: liftThinking,
  rewriteStream: ({ protocol }) => (protocol === 'openai-chat' ? rewriteQwenStream() : undefined),
  classify: (reply) => {
    const error = readError(reply);
    // Said with 403 or 429 and the code that elsewhere means "out of money": here it is the day's free allowance.
    const isFreeQuota = /free allocated quota exceeded/i.test(error.text);
    return isFreeQuota ? rateLimited(error, readWaitHint(reply, error), { isQuota: true }) : undefined;
  },
});

function asFloats(index: JsonIndex): FieldEdit | undefined {
  const format = index.get('encoding_format');
  return format === undefined || format === 'float'
    ? undefined
    : { set: { encoding_format: 'float' }, changes: ['encoding_format → float'] };
}
